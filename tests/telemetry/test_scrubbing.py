"""What is sent with a span holds no secret, wherever in it one was put, and a hostile text spoils no batch."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from apps.telemetry.tracing_scrub import clean
from apps.telemetry.tracing_setup import sampler
from tests.telemetry.test_masking import SECRET_IN_TEXT

_ended = InMemorySpanExporter()
_provider = TracerProvider(shutdown_on_exit=False)
_provider.add_span_processor(SimpleSpanProcessor(_ended))
_tracer = _provider.get_tracer("test")
Put = Callable[[Span, str], None]


def sent(put: Put, text: str, name: str = "work", parent: SpanContext | None = None) -> tuple[ReadableSpan, bytes]:
    """A span with a text put into it, as it is sent, and the bytes."""
    _ended.clear()
    other = SpanContext(1, 2, True, TraceFlags(1), TraceState([("vendor", "x")]))
    within = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else None
    opened = _tracer.start_span(name, within, SpanKind.CLIENT, links=[Link(other, {"n": 1})])
    put(opened, text)  # type: ignore[arg-type]
    opened.end()
    cleaned = clean(_ended.get_finished_spans()[0])
    return cleaned, encode_spans([cleaned]).SerializeToString()


def attribute(key: str, form: str = "{}") -> Put:
    return lambda span, text: span.set_attribute(key, form.format(text))


IN_TEXT: list[Put] = [
    attribute("note"),
    attribute("exception.message"),
    lambda span, text: span.set_attribute("notes", ["a", text]),
    lambda span, text: span.add_event("said", {"note": text}),
    lambda span, text: span.add_event(text),
    lambda span, text: span.set_status(Status(StatusCode.ERROR, text)),
    lambda span, text: span.record_exception(ValueError(text)),
    lambda span, text: span.update_name(text),
    lambda span, text: span.set_attribute(text, 1),
    lambda span, text: span.add_link(SpanContext(1, 2, is_remote=True), {"note": text}),
]


@given(place=st.sampled_from(IN_TEXT), case=st.sampled_from(SECRET_IN_TEXT), around=st.text(max_size=20))
def test_what_masking_finds_in_text_is_found_anywhere_in_a_span(place: Put, case: tuple[str, str], around: str) -> None:
    text, secret = case
    assert secret.encode() not in sent(place, f"{around} {text}")[1]


SECRET = st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ", min_size=12, max_size=24).map(lambda t: f"Zq{t}9x")
# Places where any text is secret, whatever it looks like.
BY_PLACE: list[Put] = [
    attribute("password"),
    attribute("http.request.header.authorization"),
    attribute("db.query.text", "SELECT * FROM person WHERE name = '{}' AND n = 1"),
    attribute("db.statement", "INSERT INTO t VALUES ($${0}$$, E'x\\'{0}')"),
    attribute("db.statement.parameters", "('{}',)"),
    attribute("url.query", "{}"),
    attribute("url.full", "https://hooks.example.org/services/{}"),
    attribute("url.full", "https://u:{0}@example.org/x?{0}#{0}"),
    attribute("http.url", "nonsense {}"),
    attribute("http.url", "https://[{}/"),
    attribute("http.target", "/x?{}"),
    attribute("url.path", "/reset#{}"),
]


@given(place=st.sampled_from(BY_PLACE), secret=SECRET)
def test_where_any_text_is_a_secret_none_is_sent(place: Put, secret: str) -> None:
    assert secret.encode() not in sent(place, secret)[1]


@given(secret=SECRET)
def test_an_error_of_a_call_does_not_repeat_its_address(secret: str) -> None:
    def call(span: Any, _: str) -> None:
        span.set_attribute("url.full", f"https://hooks.example.org/services/{secret}?x=1")
        span.record_exception(ConnectionError(f"no answer to POST /services/{secret}"))
        span.set_status(Status(StatusCode.ERROR, f"https://hooks.example.org/services/{secret}?x=1"))

    cleaned, raw = sent(call, "harmless")
    assert secret.encode() not in raw
    assert dict(cleaned.attributes or {}) == {"url.full": "https://hooks.example.org"}


@given(key=st.text(max_size=20), text=st.text(st.characters(exclude_categories=[]), max_size=50))
@example(key="\ud800", text="half \ud800")
def test_no_text_spoils_a_batch(key: str, text: str) -> None:
    cleaned, raw = sent(attribute(key or "x"), text, name=text)
    assert raw
    assert cleaned.start_time is not None


def test_numbers_and_names_stay_as_they_are_and_a_callers_tracestate_does_not() -> None:
    given_by = SpanContext(3, 4, True, TraceFlags(1), TraceState([("vendor", "zq-secret")]))
    cleaned, raw = sent(lambda span, _: span.set_attributes({"n": 3, "ratio": 0.5, "yes": True}), "x", parent=given_by)
    assert dict(cleaned.attributes or {}) == {"n": 3, "ratio": 0.5, "yes": True}
    assert (cleaned.name, cleaned.kind) == ("work", SpanKind.CLIENT)
    assert cleaned.parent is not None
    assert (cleaned.parent.trace_id, cleaned.parent.span_id) == (3, 4)
    assert b"zq-secret" not in raw


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "ParentBased{root:TraceIdRatioBased{0.1}"),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.25"}, "ParentBased{root:TraceIdRatioBased{0.25}"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, "TraceIdRatioBased{1.0}"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "AlwaysOffSampler"),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, "ParentBased{root:AlwaysOnSampler"),
    ],
)
def test_the_standard_variables_choose_what_is_kept(environ: dict[str, str], says: str) -> None:
    assert sampler(environ).get_description().startswith(says)


@pytest.mark.parametrize(
    "environ",
    [{"OTEL_TRACES_SAMPLER": "sometimes"}, {"OTEL_TRACES_SAMPLER_ARG": "a tenth"}, {"OTEL_TRACES_SAMPLER_ARG": "10"}],
)
def test_a_choice_that_makes_no_sense_is_refused_and_not_taken_for_everything(environ: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="OTEL_TRACES_SAMPLER"):
        sampler(environ)
