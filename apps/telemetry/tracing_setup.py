"""All wiring of OpenTelemetry; loaded only while tracing is on.

Requests and the store's queries get their spans from what is around them anyway, the middleware and an execute wrapper
(docs/decisions/0023-spans.md); Celery, Redis and outgoing HTTP from OpenTelemetry's own packages.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import got_request_exception
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests import RequestException, Response, Session  # what the exporter sends with

from apps.batch import seen
from apps.batch.attempt import Outcome, Settling
from apps.batch.bundles import Bundle
from apps.batch.work import Work
from apps.telemetry import process
from apps.telemetry.middleware import GetResponse
from apps.telemetry.monitor import Execute, catalogue
from apps.telemetry.streaming import follow, made_while_sent
from apps.telemetry.tracing import State, Value
from apps.telemetry.tracing_export import Sending

SERVICE = "opsportal"
RATIO = 0.1
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked every few seconds by supervisors, and saying nothing of anybody's work.
UNTRACED = frozenset({"/healthz", "/readyz", "/health", "/metrics", "/metrics/queries"})
_callers = TraceContextTextMapPropagator()


class Rooted(sampling.Sampler):
    """Another sampler, but a call to a server is never the beginning of a trace: the worker asks Redis for work all day."""

    def __init__(self, inner: sampling.Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        *args: Any,
        **more: Any,
    ) -> sampling.SamplingResult:
        """See Sampler."""
        if kind is SpanKind.CLIENT and not trace.get_current_span(parent_context).get_span_context().is_valid:
            return sampling.SamplingResult(sampling.Decision.DROP)
        return self._inner.should_sample(parent_context, trace_id, name, kind, *args, **more)

    def get_description(self) -> str:
        """See Sampler."""
        return self._inner.get_description()


def sampler(environ: Mapping[str, str] = os.environ) -> sampling.Sampler:
    """
    What OTEL_TRACES_SAMPLER says; by default a tenth (or OTEL_TRACES_SAMPLER_ARG) of what nobody decided on before.

    Raises:
        ImproperlyConfigured: a name or a ratio that is none, where OpenTelemetry would send everything.
    """
    name, ratio = (
        (environ.get("OTEL_TRACES_SAMPLER") or "parentbased_traceidratio").strip().lower(),
        environ.get("OTEL_TRACES_SAMPLER_ARG"),
    )
    plain = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
    }
    if name in plain:
        return Rooted(plain[name])
    try:
        by_ratio = sampling.TraceIdRatioBased(float(ratio) if ratio else RATIO)
    except ValueError as error:
        raise ImproperlyConfigured(f"OTEL_TRACES_SAMPLER_ARG is {ratio!r}: write a number from 0 to 1.") from error
    if name not in {"traceidratio", "parentbased_traceidratio"}:
        raise ImproperlyConfigured(
            f"OTEL_TRACES_SAMPLER is {name!r}: write traceidratio, parentbased_traceidratio or one of {', '.join(plain)}."
        )
    return Rooted(by_ratio if name == "traceidratio" else sampling.ParentBased(by_ratio))


def begin(endpoint: str) -> "Tracing":
    """Set up this process: spans for requests, queries, tasks, Redis and outgoing HTTP. Nothing is sent and no thread begun yet."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")  # one set of names, the stable one
    provider = TracerProvider(sampler(), _resource(), shutdown_on_exit=False)
    try:
        OTLPSpanExporter().shutdown()  # type: ignore[no-untyped-call]
    except (
        ValueError
    ) as error:  # a time-out or a compression that is none: now, and not when the first span is to be sent
        raise ImproperlyConfigured(f"An OTEL_EXPORTER_OTLP_… variable makes no sense: {error}") from error
    sending = Sending(exporter)
    provider.add_span_processor(sending)
    for instrumentor in (CeleryInstrumentor, RedisInstrumentor, HTTPXClientInstrumentor):
        instrumentor().instrument(tracer_provider=provider)
    tracing = Tracing(provider, sending, endpoint)
    connection_created.connect(tracing.watch, dispatch_uid="tracing")
    for connection in connections.all(initialized_only=True):
        tracing.watch(connection)
    seen.around = tracing.chunks
    got_request_exception.connect(tracing.failed, dispatch_uid="tracing")
    return tracing


def exporter() -> OTLPSpanExporter:
    """The library's, to which whoever sends it elsewhere has taken nothing: it does not follow, and would count the spans as exported."""
    if any(name.endswith("_CREDENTIAL_PROVIDER") for name in os.environ if name.startswith("OTEL_PYTHON_EXPORTER_")):
        return OTLPSpanExporter()  # with a session that somebody else makes
    session = Session()
    session.hooks["response"].append(_refuse_elsewhere)
    return OTLPSpanExporter(session=session)


def _refuse_elsewhere(response: Response, *_: Any, **__: Any) -> None:
    if 300 <= response.status_code < 400:
        raise RequestException(f"It answers {response.status_code}: the address is another one.", response=response)


def _resource() -> Resource:
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({"opsportal.program": process.NAME} | ({} if named else {"service.name": SERVICE}))


class Tracing:
    """Tracing of this process, behind `apps.telemetry.tracing`."""

    def __init__(self, provider: TracerProvider, sending: Sending, endpoint: str) -> None:
        self._tracer = provider.get_tracer(SERVICE)
        self._sampler, self._sending = provider.sampler, sending
        self._endpoint = urlsplit(endpoint).netloc.rpartition("@")[2]
        self._static = f"/{settings.STATIC_URL.lstrip('/')}" if settings.STATIC_URL else "\0"

    def state(self) -> State:
        """See `tracing.state`."""
        counts = self._sending.counts
        return State(
            on=True,
            endpoint=self._endpoint,
            sampler=self._sampler.get_description(),
            exported=counts.exported,
            dropped=counts.dropped,
            waiting=counts.waiting,
            failing_since=counts.failing_since,
        )

    def span(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
        """A span of our own, current while it is open."""
        return self._tracer.start_as_current_span(name, attributes=attributes)

    def annotate(self, attributes: Mapping[str, Value]) -> None:
        """See `tracing.annotate`."""
        trace.get_current_span().set_attributes(attributes)

    def ids(self) -> dict[str, str]:
        """The open span's ids in hexadecimal, if its trace is sent."""
        context = trace.get_current_span().get_span_context()
        if not context.trace_flags.sampled:
            return {}
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}

    def around(self, answer: GetResponse) -> GetResponse:
        """See `tracing.around`. A `traceparent` is taken from the request; nothing else a caller sends goes into a span."""

        def traced(request: HttpRequest) -> HttpResponseBase:
            if request.path in UNTRACED or request.path.startswith(self._static):
                return answer(request)
            given, parent = request.META.get("HTTP_TRACEPARENT"), Context()
            if given:
                parent = _callers.extract({"traceparent": given}, parent)
            method = request.method if request.method in METHODS else "_OTHER"
            opened = self._tracer.start_span(str(method), parent, SpanKind.SERVER)
            token, goes_on = attach(trace.set_span_in_context(opened, parent)), False
            try:
                response = answer(request)
                if opened.is_recording():
                    _describe(opened, request, response, str(method))
                    if made_while_sent(response):
                        follow(response, partial(_end, opened))
                        goes_on = True
                return response
            finally:
                detach(token)  # and with it whatever a failed publishing left open
                if not goes_on:
                    opened.end()

        return traced

    def watch(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        """Spans for what Django sends over this connection; receiver of `connection_created`, harmless the second time."""
        if self.query not in connection.execute_wrappers:
            connection.execute_wrappers.append(self.query)

    def query(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Around one query: Django's execute wrapper. Only within a trace that is sent."""
        if not trace.get_current_span().is_recording():
            return execute(sql, params, many, context)
        connection = context["connection"]
        statement = catalogue.statement(sql, connection.connection)
        operation, where = statement.text.partition(" ")[0].upper(), connection.settings_dict
        told: dict[str, Value] = {
            "db.system.name": connection.vendor,
            "db.namespace": str(where["NAME"]),
            "db.operation.name": operation,
            "db.query.text": statement.text,
            "server.address": str(where["HOST"]),
            "opsportal.fingerprint": statement.fingerprint,
        }
        with self._tracer.start_as_current_span(operation or "query", kind=SpanKind.CLIENT, attributes=told):
            return execute(sql, params, many, context)

    def chunks(self, work: Work, bundle: Bundle, settle: Callable[[], Settling]) -> Settling:
        """Around the chunks of one transaction of a batch, which goes past Django's cursors. Only within a trace that is sent."""
        if not trace.get_current_span().is_recording():
            return settle()
        told: dict[str, Value] = {
            "db.system.name": "postgresql",
            "db.operation.name": work.operation.value,
            "db.collection.name": work.target,
            "db.operation.batch.size": bundle.size,
        }
        name = f"batch {work.operation.value}"
        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=told) as span:
            settled = settle()
            span.set_attribute("opsportal.rows_failed", settled.counts.failed)
            if settled.outcome is not Outcome.DONE:
                span.set_status(StatusCode.ERROR, settled.errors[-1].kind if settled.errors else settled.outcome.name)
            return settled

    def failed(self, **_: Any) -> None:
        """Django made an error page of an exception: it is recorded on the request's span."""
        error = sys.exception()
        if error is not None:
            trace.get_current_span().record_exception(error)


def _end(span: Span, _sent: int, _seconds: float, failure: Exception | None) -> None:
    """The answer was made while it was sent: what it asked is part of the span, and what broke it off is its failure."""
    if failure is not None:
        span.record_exception(failure)
        span.set_status(StatusCode.ERROR)
    span.end()


def _describe(span: Span, request: HttpRequest, response: HttpResponseBase, method: str) -> None:
    match = request.resolver_match
    span.update_name(f"{method} {match.route}" if match else method)
    span.set_attribute("http.request.method", method)
    # The pattern, which holds no id; a path only where there is no pattern.
    span.set_attribute("http.route" if match else "url.path", match.route if match else request.path)
    span.set_attribute("http.response.status_code", response.status_code)
    person = getattr(request, "_cached_user", None)
    if person:
        span.set_attribute("enduser.id", str(person.pk))
    if response.status_code >= 500:
        span.set_status(StatusCode.ERROR)
