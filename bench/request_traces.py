"""Tracing of `bench/requests.py`'s view: the portal's at a ratio, and OpenTelemetry's own packages at the same, to one sink.

What was sampled in a slice is sent at its end, scrubbed where it is ours.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from django.db import connection
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from apps.telemetry import logs, tracing
from apps.telemetry.tracing_export import Sending
from apps.telemetry.tracing_setup import Rooted, Tracing
from bench.ground import ROOT

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def sink() -> Iterator[None]:
    """Somebody who takes the spans, for as long as variants run."""
    with subprocess.Popen([sys.executable, "-m", "bench.span_sink"], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        os.environ[ENDPOINT] = f"http://127.0.0.1:{int(child.stdout.readline())}"
        try:
            yield
        finally:
            child.terminate()


@cache
def _portals(ratio: float) -> tuple[TracerProvider, Tracing]:
    provider = TracerProvider(Rooted(ParentBased(TraceIdRatioBased(ratio))), shutdown_on_exit=False)
    sending = Sending(OTLPSpanExporter)
    provider.add_span_processor(sending)
    return provider, Tracing(provider, sending, os.environ[ENDPOINT])


@contextmanager
def ours(ratio: float, rest: AbstractContextManager[None]) -> Iterator[None]:
    """The portal's tracing around the rest of its telemetry."""
    _provider, on = _portals(ratio)
    tracing._on = on  # noqa: SLF001  what `begin` does once for a process
    connection.execute_wrappers.append(on.query)
    with rest:
        # Again, for tracing is on now: the lines bear ids.
        logs.configure({"level": "INFO", "keep": True}, pretty=False)
        yield
    connection.execute_wrappers.remove(on.query)
    tracing._on = None  # noqa: SLF001


def send_ours(ratio: float) -> None:
    """Send what was sampled."""
    _portals(ratio)[0].force_flush()


@cache
def _theirs(ratio: float) -> TracerProvider:
    provider = TracerProvider(ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@cache
def _their_connection(ratio: float) -> Any:
    """A connection of the driver that was opened while theirs was around `psycopg.connect`."""
    mine, connection.connection = connection.connection, None
    PsycopgInstrumentor().instrument(tracer_provider=_theirs(ratio))
    connection.connect()
    connection.execute_wrappers.clear()
    PsycopgInstrumentor().uninstrument()
    opened, connection.connection = connection.connection, mine
    return opened


@contextmanager
def theirs(ratio: float) -> Iterator[None]:
    """OpenTelemetry's packages for Django and psycopg, as their introductions set them up; they know no line and scrub nothing."""
    opened = _their_connection(ratio)
    DjangoInstrumentor().instrument(tracer_provider=_theirs(ratio))
    mine, connection.connection = connection.connection, opened
    yield
    connection.connection = mine
    DjangoInstrumentor().uninstrument()


def send_theirs(ratio: float) -> None:
    """Send what was sampled."""
    _theirs(ratio).force_flush()
