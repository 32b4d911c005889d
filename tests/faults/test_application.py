"""The checks of the application, watched over HTTP, fired by faults of the lab and seen to recover."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from apps.lab import keys, load
from apps.lab.layout import Layout
from apps.metrics.kernel import State
from tests.conftest import Inject, Until
from tests.watch import Watch

Ask = Callable[[str, int], list[int]]


@pytest.fixture
def ask(layout: Layout, lab: object) -> Iterator[Ask]:
    """`ask(path, times)`: requests to the application with the key of an Enterprise client; their statuses."""
    key = next(key for key in keys.api_keys(keys.secret(layout.directory)) if key.tier == "Enterprise")
    with httpx.Client(base_url=layout.url(direct=True), headers={"X-API-Key": key.plain}, timeout=10) as client:
        yield lambda path, times: [client.get(path).status_code for _ in range(times)]


def test_an_application_that_is_gone_is_noticed_at_the_next_poll(watch: Watch, fault: Inject, heal: Inject) -> None:
    assert watch.state("app.up") is State.PASS
    fault("stop-app")
    watch.poll()
    assert watch.state("app.up") is State.FAIL
    assert watch.state("app.health") is State.NO_DATA
    heal("stop-app")
    watch.turns("app.up", State.PASS, polls=3)


def test_a_late_answer_is_measured_by_the_portal_itself(watch: Watch, fault: Inject, heal: Inject) -> None:
    watch.turns("app.latency", State.PASS)
    fault("slow-app")
    watch.poll()
    assert watch.state("app.latency") is State.FAIL
    assert (watch.value("app.latency") or 0) >= 1.2
    heal("slow-app")
    watch.turns("app.latency", State.PASS)


def test_requests_that_fail_are_counted_as_errors(watch: Watch, ask: Ask, fault: Inject, heal: Inject) -> None:
    assert set(ask("/api/messages/recent?days=7", 20)) == {200}
    watch.poll()
    assert watch.state("app.error_rate") is State.PASS
    fault("error-rate")
    for _ in range(2):
        assert set(ask("/api/messages/recent?days=7", 10)) == {500}
        watch.poll(after=timedelta(seconds=20))
    assert watch.state("app.error_rate") is State.FAIL
    (alert,) = watch.alerts("app.error_rate")
    assert (alert.state, alert.threshold) == ("fail", 0.02)
    heal("error-rate")
    for _ in range(2):
        ask("/api/messages/recent?days=7", 10)
        watch.poll()
    assert watch.state("app.error_rate") is State.PASS
    assert not watch.alerts("app.error_rate")


def test_slow_queries_are_seen_as_the_application_sees_them(
    watch: Watch, ask: Ask, fault: Inject, heal: Inject, until: Until
) -> None:
    ask("/api/messages/recent?days=7", 1)
    watch.poll()
    assert watch.state("app.query_monitor") is State.PASS
    fault("lock-out-app")
    assert set(ask("/api/messages/recent?days=7", 2)) == {503}
    watch.poll()
    assert watch.state("app.query_monitor") is State.FAIL
    heal("lock-out-app")
    until(lambda: ask("/api/messages/recent?days=7", 1) == [200])
    watch.poll()
    assert watch.state("app.query_monitor") is State.PASS
    assert watch.state("app.p95") is State.PASS
    fault("slow-primary")
    ask("/api/messages/recent?days=7", 3)
    heal("slow-primary")
    watch.poll()
    assert watch.state("app.p95") in {State.WARN, State.FAIL}
    assert watch.state("app.slow_share") is State.FAIL
    ask("/api/messages/recent?days=7", 250)
    watch.poll()
    assert watch.state("app.p95") is State.PASS
    assert watch.state("app.slow_share") is State.PASS


def test_reads_go_to_replicas_once_they_are_routed_and_while_there_are_any(
    watch: Watch, ask: Ask, layout: Layout, fault: Inject, heal: Inject, until: Until
) -> None:
    ask("/api/messages/recent?days=7", 5)
    watch.poll()
    assert watch.value("app.routing_reads") == 0
    load.set_switch(layout, "replica_reads", "on")
    try:
        ask("/api/messages/recent?days=7", 1)
        watch.poll()
        ask("/api/messages/recent?days=7", 20)
        watch.poll()
        assert watch.state("app.routing_reads") is State.PASS
        fault("stop-replicas")
        assert set(ask("/api/messages/recent?days=7", 20)) == {200}
        watch.poll()
        assert watch.state("app.routing_reads") is State.WARN
        heal("stop-replicas")

        def routed_again() -> bool:
            ask("/api/messages/recent?days=7", 5)
            watch.poll()
            return watch.state("app.routing_reads") is State.PASS

        until(routed_again, 10, 0.3)  # the router looks every two seconds whether one came back
    finally:
        load.set_switch(layout, "replica_reads", "off")


def test_a_replica_that_is_down_degrades_what_the_application_says(watch: Watch, fault: Inject, heal: Inject) -> None:
    watch.turns("app.health", State.PASS)
    fault("stop-replica-1")
    watch.turns("app.health", State.WARN, polls=40)
    heal("stop-replica-1")
    watch.turns("app.health", State.PASS, polls=40)


def test_a_limiter_without_redis_says_so(watch: Watch, ask: Ask, layout: Layout, fault: Inject, heal: Inject) -> None:
    load.set_switch(layout, "limits", "enforce")
    try:
        ask("/api/messages/recent?days=7", 1)
        watch.poll()
        assert watch.state("ratelimits.enforced") is State.PASS
        fault("greedy-traffic")
        watch.poll()
        assert watch.state("ratelimits.enforced") is State.WARN
        heal("greedy-traffic")
        watch.turns("ratelimits.enforced", State.PASS)
        fault("stop-redis")
        assert set(ask("/api/messages/recent?days=7", 5)) == {200}, "it allows by default"
        watch.poll()
        assert watch.state("ratelimits.degraded") is State.FAIL
        heal("stop-redis")
        ask("/api/messages/recent?days=7", 1)
        watch.turns("ratelimits.degraded", State.PASS)
    finally:
        load.set_switch(layout, "limits", "off")
