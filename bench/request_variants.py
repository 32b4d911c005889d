"""The ways in which `bench/requests.py` serves its view, all in one process, switched on and off between turns.

One process, because two of them differ by some per cent from chance alone: where their memory lies, on which core they run.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.telemetry import logs, monitor
from bench.harness import Part
from bench.request_traces import ours, send_ours, send_theirs, theirs

log = logging.getLogger("request")
OWN = "apps.telemetry.middleware.CorrelationMiddleware"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of serving: its name in the table, what it is there for, its outermost middleware, what switches it on, what it owes then.

    What the portal's telemetry has to send is owed by all of ours together.
    """

    title: str
    part: Part
    middleware: str
    on: Callable[[], AbstractContextManager[None]]
    settle: Callable[[], object] = lambda: None


class PlainLine:
    """What one would write without a library: method, path, status, milliseconds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer and log."""
        began = perf_counter()
        response = self.get_response(request)
        milliseconds = (perf_counter() - began) * 1000
        log.info("%s %s %s %.2f ms", request.method, request.path, response.status_code, milliseconds)
        return response


@contextmanager
def bare() -> Iterator[None]:
    """Neither line nor monitor."""
    yield


@contextmanager
def plain() -> Iterator[None]:
    """The standard library's text lines on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    _only(handler)
    yield


@contextmanager
def by_structlog() -> Iterator[None]:
    """The processors of django-structlog's own introduction, as JSON on stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.filter_by_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
    _only(handler)
    structlog.configure(
        processors=shared, logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger
    )
    yield


@contextmanager
def watched() -> Iterator[None]:
    """The query monitor alone."""
    connection.execute_wrappers.append(monitor.watch)
    yield
    connection.execute_wrappers.remove(monitor.watch)


@contextmanager
def portal() -> Iterator[None]:
    """As the portal serves: correlation id, masked line, kept, record, monitor."""
    logs.configure({"level": "INFO", "keep": True}, pretty=False)
    with watched():
        yield


def traced(ratio: float) -> AbstractContextManager[None]:
    """As the portal serves with somebody to send spans to."""
    return ours(ratio, portal())


def _only(handler: logging.Handler) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("INFO")


VARIANTS: Mapping[str, Variant] = {
    "bare": Variant("bare view, no log", Part.FLOOR, "", bare),
    "plain": Variant("plain logging, one line", Part.PEER, "bench.request_variants.PlainLine", plain),
    "structlog": Variant(
        "django-structlog, JSON", Part.PEER, "django_structlog.middlewares.RequestMiddleware", by_structlog
    ),
    "monitor": Variant("portal: query monitor alone", Part.OURS, "", watched),
    "portal": Variant("portal: line, kept; queries; record", Part.OURS, OWN, portal),
    "portal 10 %": Variant("… and tracing, 10 %", Part.OURS, OWN, partial(traced, 0.1), partial(send_ours, 0.1)),
    "portal 100 %": Variant("… and tracing, 100 %", Part.OURS, OWN, partial(traced, 1.0), partial(send_ours, 1.0)),
    "opentelemetry 10 %": Variant(
        "OpenTelemetry, 10 %", Part.PEER, "", partial(theirs, 0.1), partial(send_theirs, 0.1)
    ),
    "opentelemetry 100 %": Variant(
        "OpenTelemetry, 100 %", Part.PEER, "", partial(theirs, 1.0), partial(send_theirs, 1.0)
    ),
}


def middleware(variant: Variant) -> list[str]:
    """The bare project's, below the variant's own."""
    own = [variant.middleware] if variant.middleware else []
    return [*own, *settings.MIDDLEWARE]
