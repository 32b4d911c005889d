"""The correlation id: one word that ties a request, its log lines, its tasks and its outgoing calls together."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from random import getrandbits
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import httpx

HEADER = "X-Correlation-ID"
ACCEPTED = ("HTTP_X_CORRELATION_ID", "HTTP_X_REQUEST_ID")
KEY = "correlation_id"
# Long enough for every tracing system's ids; no character that means anything to a log, a header or a page.
Bound: TypeAlias = Mapping[str, str]
NOTHING: Bound = MappingProxyType({})
# What every line says that is logged now: the id, and in a task its name and number. Read by each line, hence one variable of our own:
# structlog's are looked for among all variables there are.
_bound: ContextVar[Bound] = ContextVar("opsportal_bound", default=NOTHING)
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}", re.ASCII)


def new() -> str:
    """A fresh id, 32 hexadecimal digits. Nobody has to be unable to guess it, so the system is not asked for entropy each time."""
    return f"{getrandbits(128):032x}"


def accepted(given: str | None) -> str:
    """The id somebody gave if it is well formed, else a fresh one."""
    return given if given and WELL_FORMED.fullmatch(given) else new()


def from_request(meta: Mapping[str, str]) -> str:
    """The id in the headers of a request (WSGI names), or a fresh one."""
    for name in ACCEPTED:
        given = meta.get(name)
        if given and WELL_FORMED.fullmatch(given):
            return given
    return new()


def current() -> str:
    """The id of what is being done now; empty outside requests and tasks."""
    return _bound.get().get(KEY, "")


def bound() -> Bound:
    """What is bound to all lines logged now, the id among it."""
    return _bound.get()


def bind(word: str, **more: str) -> Token[Bound]:
    """Bind an id, and more where that is told, for the lines logged from now on; `unbind` takes what this returns."""
    outer = _bound.get()
    return _bound.set({**outer, KEY: word, **more} if outer or more else {KEY: word})


def unbind(token: Token[Bound] | None = None) -> None:
    """Back to what was bound before, or to nothing."""
    if token is None:
        _bound.set(NOTHING)
    else:
        _bound.reset(token)


@contextmanager
def correlated(word: str) -> Iterator[None]:
    """Bind an id for the lines logged within."""
    token = bind(word)
    try:
        yield
    finally:
        unbind(token)


def outgoing_headers() -> dict[str, str]:
    """The header to send on an outgoing HTTP call: `httpx.get(url, headers=outgoing_headers())`."""
    word = current()
    return {HEADER: word} if word else {}


def carry(request: "httpx.Request") -> None:
    """Hook for a kept client: `httpx.Client(event_hooks={"request": [correlation.carry]})`."""
    word = current()
    if word:
        request.headers.setdefault(HEADER, word)


async def carry_async(request: "httpx.Request") -> None:
    """The same for `httpx.AsyncClient`."""
    carry(request)
