"""Spans on their way out of this process: counted, bounded, sent by a thread of their own; whoever receives them may be down or slow."""

import atexit
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from apps.telemetry import correlation
from apps.telemetry.tracing_scrub import clean

CLOSING_SECONDS = 2.0  # for what waits when the process ends; nothing when the last batch was not taken either
log = structlog.get_logger("tracing")


@dataclass(frozen=True, slots=True)
class Batching:
    """`most`: spans that wait or are being sent; `at_once`: in one batch; `every_ms`: the longest that a span waits for its batch."""

    most: int
    at_once: int
    every_ms: int


def batching(environ: Mapping[str, str] = os.environ) -> Batching:
    """
    What the OTEL_BSP_… variables say; by default what OpenTelemetry has for them.

    Raises:
        ImproperlyConfigured: what the library would refuse no sooner than at the end of the first span, within somebody's request.
    """
    most = _positive(environ, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)
    at_once = _positive(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(512, most))
    if at_once > most:
        raise ImproperlyConfigured(
            f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE is {at_once}: write at most {most}, which is OTEL_BSP_MAX_QUEUE_SIZE."
        )
    return Batching(most, at_once, _positive(environ, "OTEL_BSP_SCHEDULE_DELAY", 5000))


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    given = environ.get(name, "").strip()
    number = int(given) if given.isascii() and given.isdigit() else 0
    if given and not number:
        raise ImproperlyConfigured(f"{name} is {given!r}: write a whole number above 0, or leave it out for {default}.")
    return number or default


@dataclass(slots=True)
class Counts:
    """Spans of this process."""

    exported: int = 0
    dropped: int = 0
    waiting: int = 0
    failing_since: datetime | None = None


class Sending(SpanProcessor):
    """
    The only processor: puts the correlation id on each span, and hands ended ones to the library's batches.

    Those begin with the first span that is to be sent, so in gunicorn's workers and not in the process that forks them; a fork begins anew.
    """

    def __init__(self, exporter: Callable[[], SpanExporter], batches: Batching | None = None) -> None:
        self._exporter, self._batches = exporter, batches or batching()
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.shutdown)

    def _begin(self) -> None:
        self.counts = Counts()
        self._lock = threading.Lock()
        self._batch: BatchSpanProcessor | None = None
        self._closing, self._closed = threading.Event(), threading.Event()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """See SpanProcessor."""
        if word := correlation.current():
            span.set_attribute("correlation_id", word)

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor. Costs a lock and an append; a full queue drops the span and counts it."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            if self.counts.waiting >= self._batches.most:
                self.counts.dropped += 1
                return
            self.counts.waiting += 1
            batch = self._batch or self._start()
        batch.on_end(span)

    def _start(self) -> BatchSpanProcessor:
        how = self._batches
        self._batch = BatchSpanProcessor(
            _Outgoing(self._exporter(), self),
            max_queue_size=how.most,
            schedule_delay_millis=how.every_ms,
            max_export_batch_size=how.at_once,
        )
        # Started now: while the interpreter ends no thread can be, and the library would wait 30 s.
        threading.Thread(target=self._close, args=(self._batch,), name="tracing-close", daemon=True).start()
        return self._batch

    def _close(self, batch: BatchSpanProcessor) -> None:
        self._closing.wait()
        batch.shutdown()  # type: ignore[no-untyped-call]
        self._closed.set()

    def shutdown(self) -> None:
        """Send what waits, for two seconds at most; nobody is waited for who did not answer before."""
        if self._batch is not None:
            self._closing.set()
            self._closed.wait(0 if self.counts.failing_since else CLOSING_SECONDS)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanProcessor."""
        return self._batch is None or self._batch.force_flush(timeout_millis)

    def settle(self, spans: int, *, taken: bool) -> None:
        """Count a batch; say when sending begins to fail, and when it works again."""
        with self._lock:
            counts, since = self.counts, self.counts.failing_since
            counts.waiting -= spans
            if taken:
                counts.exported, counts.failing_since = counts.exported + spans, None
            else:
                counts.dropped, counts.failing_since = counts.dropped + spans, since or datetime.now(UTC)
        if taken and since:
            log.info("spans are taken again", failing_since=since.isoformat(), dropped=counts.dropped)
        elif not taken and not since:
            log.warning(
                "spans are not taken",
                dropped=spans,
                what_to_do="See OTEL_EXPORTER_OTLP_ENDPOINT, and whether it answers.",
            )


class _Outgoing(SpanExporter):
    """Around the library's exporter, on its thread: scrubs and counts."""

    def __init__(self, exporter: SpanExporter, sending: Sending) -> None:
        self._exporter, self._sending = exporter, sending

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        result = self._exporter.export([clean(span) for span in spans])
        self._sending.settle(len(spans), taken=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanExporter."""
        return self._exporter.force_flush(timeout_millis)
