"""OpenTelemetry's variables: what cannot work is refused when a process starts, and the more special one counts."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.telemetry.tracing import endpoint
from tests.telemetry.collector import Collector
from tests.telemetry.test_tracing import collector, run

__all__ = ["collector"]


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "must look like"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf only"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "console"},
            "'console': spans are sent by otlp",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
            "_TRACES_PROTOCOL is",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint):
        endpoint(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": ""},
    ],
    ids=["traces have their own", "empty is unset"],
)
def test_the_variable_for_traces_overrules_the_one_for_everything(environ: dict[str, str]) -> None:
    assert endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"} | environ) == "http://c"


BEGUN = """
from apps.telemetry.tracing import span
for _ in range(2):
    with span("work"):
        pass
"""


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4096",
        "OTEL_BSP_MAX_QUEUE_SIZE=many",
        "OTEL_BSP_SCHEDULE_DELAY=0",
    ],
)
def test_batches_that_make_no_sense_are_refused_before_any_request(
    portal_environment: dict[str, str], variable: str
) -> None:
    name, _, value = variable.partition("=")
    tracing_on = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "always_on"}
    with pytest.raises(AssertionError, match=f"ImproperlyConfigured: .*{name}"):
        run(BEGUN, portal_environment, **tracing_on, **{name: value})


def test_a_queue_shorter_than_a_batch_makes_shorter_batches(
    collector: Collector, portal_environment: dict[str, str]
) -> None:
    variables = {"OTEL_BSP_MAX_QUEUE_SIZE": "1", "OTEL_TRACES_SAMPLER": "always_on"}
    run("from apps.telemetry.tracing import span\nwith span('work'):\n    pass", portal_environment,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **variables)  # fmt: skip
    assert collector.named("work")
