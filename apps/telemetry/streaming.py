"""Answers that are made while they are sent: whoever follows one learns how much was sent once it is over."""

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from time import perf_counter
from typing import TypeGuard, cast

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

Ended = Callable[[int, float, Exception | None], None]


def made_while_sent(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Not a file: that is there already, and the web server sends it without reading it."""
    return response.streaming and not isinstance(response, FileResponse) and not getattr(response, "is_async", False)


def follow(response: StreamingHttpResponse, ended: Ended) -> None:
    """Have `ended` called when the answer is over, see `Followed`; its parts are made in the context of this call."""
    parts = cast(Iterable[bytes], response.streaming_content)
    response.streaming_content = Followed(parts, copy_context(), ended)


class Followed:
    """The parts of an answer, each made in the request's own context: its lines bear the id, its queries are the request's.

    Args:
        parts: what is sent.
        context: the request's, as it was when the answer began.
        ended: called once, in that context, with the bytes sent, the seconds that making them took (not those of the client's line),
            and what broke it off, if anything did; also when the client went away or nothing was asked for.
    """

    def __init__(self, parts: Iterable[bytes], context: Context, ended: Ended) -> None:
        self._parts, self._context, self._ended = iter(parts), context, ended
        self._bytes, self._seconds, self._over = 0, 0.0, False
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        began = perf_counter()
        try:
            part = self._context.run(next, self._parts)
        except StopIteration:
            raise
        except Exception as failure:
            self._failure = failure
            raise
        finally:
            self._seconds += perf_counter() - began
        self._bytes += len(part)
        return part

    def close(self) -> None:
        """The answer is over; Django calls it whatever happened."""
        if not self._over:
            self._over = True
            self._context.run(self._ended, self._bytes, self._seconds, self._failure)
