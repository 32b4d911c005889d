"""Answers that are made while they are sent: whoever follows one learns how much was sent once it is over."""

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context


class Followed:
    """The parts of an answer, each made in the request's own context: its lines bear the id, its queries are the request's.

    Args:
        parts: what is sent.
        context: the request's, as it was when the answer began.
        ended: called once, in that context, with the bytes sent, also when the client went away or nothing was asked for.
    """

    def __init__(self, parts: Iterable[bytes], context: Context, ended: Callable[[int], None]) -> None:
        self._parts, self._context, self._ended = iter(parts), context, ended
        self._bytes, self._over = 0, False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = self._context.run(next, self._parts)
        self._bytes += len(part)
        return part

    def close(self) -> None:
        """The answer is over; Django calls it whatever happened."""
        if not self._over:
            self._over = True
            self._context.run(self._ended, self._bytes)
