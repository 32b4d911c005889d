"""What is read of an application's documents, on those of the lab's application and on nonsense."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.lab.layout import Layout
from apps.metrics import application
from apps.metrics.kernel import NodeKind
from apps.metrics.probe import Probe
from apps.ratelimits import probes as limits
from apps.telemetry import correlation
from tests.receivers import Hook
from tests.watch import Asking, samples_of, values

PROBES = (*application.PROBES, *(probe for probe in limits.PROBES if probe.kind is NodeKind.APPLICATION))


@pytest.fixture
def reader(lab: object, layout: Layout) -> Iterator[Asking]:
    """The application as the portal reads it."""
    asking = Asking(NodeKind.APPLICATION, layout.url(), PROBES)
    yield asking
    asking.close()


def test_the_labs_application_says_all_that_the_checks_ask(reader: Asking, layout: Layout) -> None:
    reader.ask()
    httpx.get(f"{layout.url(direct=True)}/api/dashboard")
    view = reader.ask()
    found = {key: value for answer in view.answers.values() for key, value in samples_of(answer).items()}
    metrics = {metric for metric, _ in found}
    asked = {check.metric for check in application.CHECKS if check.source != "app.reach"}
    assert asked - metrics == set(), "read from every application of this shape"
    assert found["app.health.level", ""] in {0, 1, 2}


def test_an_application_is_asked_under_the_id_of_the_poll(hook: Hook) -> None:
    asking = Asking(NodeKind.APPLICATION, f"http://127.0.0.1:{hook.port}", PROBES)
    for word in ("poll/1", "poll/2"):  # over one kept client
        with correlation.correlated(word):
            asking._collector.poll([asking.target], {1: asking.probes}, {})
    asking.close()
    asked = [request.headers["x-correlation-id"] for request in hook.received]
    paths = len({probe.question for probe in PROBES})
    assert asked == ["poll/1"] * paths + ["poll/2"] * paths


def test_an_application_with_two_documents_is_measured_by_them(reader: Asking) -> None:
    rows = ({"status": "healthy", "http_status": 200, "http_seconds": 0.01},)
    health, queries, traffic = application.PROBES
    assert values(health.samples(rows, None, 0)) == {("app.health.level", ""): 0, ("app.health.seconds", ""): 0.01}
    missing = ({"error": "no such page", "http_status": 404, "http_seconds": 0.01},)
    assert queries.samples(missing, missing, 10) == ()
    assert traffic.samples(missing, missing, 10) == ()


def test_counters_that_began_anew_give_no_rate() -> None:
    def document(total: int, errors: int) -> tuple[dict[str, Any], ...]:
        return ({"http_status": 200, "requests": {"total": total, "errors": errors}},)

    traffic = application.PROBES[2]
    grown = values(traffic.samples(document(100, 2), document(0, 0), 10))
    assert grown["app.traffic.error_rate", ""] == pytest.approx(0.02)
    restarted = values(traffic.samples(document(5, 0), document(100, 2), 10))
    assert restarted["app.traffic.requests", ""] is None
    assert restarted["app.traffic.error_rate", ""] is None


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["requests", "total", "errors", "routing", "reads", "writes", "replicas", "limiter", "degraded"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
words = st.sampled_from(["status", "statistics", "requests", "routing", "limiter", "health"])
documents = st.dictionaries(words, json, max_size=5).map(lambda found: ({**found, "http_status": 200},))


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)
@given(now=documents, before=documents)
def test_nonsense_is_not_measured_and_breaks_nothing(probe: Probe, now: Any, before: Any) -> None:
    for sample in probe.samples(now, before, 10.0):
        assert sample.value is None or isinstance(sample.value, float)
