"""Spans: what waited for what, across processes, sent to whatever speaks OTLP. Usable in any room.

Nothing of OpenTelemetry is imported here: without an address to send to, nothing that traces, patches or sends is loaded, and `span`
only asks whether tracing is on. Everything is set by the standard OTEL_… variables; `docs/operating.md` lists those that matter.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from structlog.typing import EventDict

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from apps.telemetry.middleware import GetResponse
    from apps.telemetry.tracing_setup import Tracing

P = ParamSpec("P")
R = TypeVar("R")
Value = str | bool | int | float | Sequence[str]
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"
_on: "Tracing | None" = None


@dataclass(frozen=True, slots=True)
class State:
    """How tracing goes in this process; all counts are of spans since it began.

    `endpoint`: host and port, without path or login. `sampler`: what it keeps, in OpenTelemetry's words. `failing_since`: the first of the
    failures since the last batch that was taken.
    """

    on: bool = False
    endpoint: str = ""
    sampler: str = ""
    exported: int = 0
    dropped: int = 0
    waiting: int = 0
    failing_since: datetime | None = None


def endpoint(environ: Mapping[str, str] = os.environ) -> str:
    """
    Where spans go; empty when tracing is off.

    Raises:
        ImproperlyConfigured: an address that is none, another protocol than OTLP over HTTP, or another exporter.
    """
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if off or exporter == "none":
        return ""
    if exporter not in {"", "otlp"}:
        raise ImproperlyConfigured(
            f"OTEL_TRACES_EXPORTER is {exporter!r}: spans are sent by otlp only, or not at all (none)."
        )
    name, url = next(((name, environ[name]) for name in ENDPOINTS if environ.get(name)), ("", ""))
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must look like http://collector:4318.")
    # The one for traces overrules the one for everything; what is empty counts as not set.
    name, protocol = next(((name, environ[name]) for name in PROTOCOLS if environ.get(name)), ("", HTTP))
    if protocol != HTTP:
        raise ImproperlyConfigured(f"{name} is {protocol!r}: spans are sent by {HTTP} only.")
    return url


def begin() -> None:
    """Called once, when Django starts: load and wire everything if there is an address to send to."""
    global _on  # noqa: PLW0603  decided once, by the environment
    if _on is None and endpoint():
        from apps.telemetry import tracing_setup  # noqa: PLC0415  loads OpenTelemetry

        _on = tracing_setup.begin(endpoint())


def state() -> State:
    """How tracing goes in this process, for pages."""
    return State() if _on is None else _on.state()


class Span:
    """What `span` returns: a context manager, and a decorator that opens a new span at each call."""

    __slots__ = ("_attributes", "_name", "_open")

    def __init__(self, name: str, attributes: Mapping[str, Value]) -> None:
        self._name, self._attributes = name, attributes
        self._open: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        if _on is not None:
            self._open = _on.span(self._name, self._attributes)
            self._open.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate; raises TypeError for a coroutine function, whose work is not done when it returns: use `with` inside it."""
        if iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} is a coroutine function: open the span within it.")

        @wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> R:
            with Span(self._name, self._attributes):
                return function(*args, **kwargs)

        return within


def span(name: str, /, **attributes: Value) -> Span:
    """
    A piece of work as a span: `with span("judge", tier="lab"): …` or `@span("judge")`.

    It is part of whatever span is open, else the beginning of a trace. An exception that leaves it is recorded on it. Secrets are taken
    out before anything is sent, but what is no attribute cannot leak: give names and numbers, no content.
    """
    return Span(name, attributes)


def annotate(**attributes: Value) -> None:
    """Add to the span that is open; does nothing without one."""
    if _on is not None:
        _on.annotate(attributes)


def with_ids(_: object, __: str, event: EventDict) -> EventDict:
    """Structlog processor: `trace_id` and `span_id`, as tracing tools write them, where the trace is one that is sent."""
    if _on is not None:
        event.update(_on.ids())
    return event


def around(answer: "GetResponse") -> "GetResponse":
    """The function that answers requests, each within a span of its own; itself while tracing is off."""
    return answer if _on is None else _on.around(answer)
