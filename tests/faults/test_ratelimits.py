"""The checks of the rate limits, fired by real traffic through the limiter, and by a Redis that is gone."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis

from apps.lab.faults import FAULTS
from apps.lab.layout import Layout, Node
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.metrics.kernel import State
from apps.ratelimits.limiter import Limiter, Mode, Tier
from tests.conftest import Inject
from tests.watch import Watch


@pytest.fixture
def client(layout: Layout, lab: object) -> Iterator[Redis]:
    """The application's own login at Redis, patient where a real one gives up after 20 ms."""
    with Redis.from_url(layout.redis_url(Node.REDIS, "app", direct=True), socket_timeout=10) as client:
        yield client


@pytest.fixture
def limiter(client: Redis) -> Iterator[Limiter]:
    """A limiter whose keys nobody has used before."""
    yield Limiter(client)
    for key in client.scan_iter("ratelimit:*test-*"):
        client.unlink(key)


def test_a_key_that_asks_too_much_fails_the_share_of_refusals(watch: Watch, limiter: Limiter) -> None:
    for _ in range(2):
        for _ in range(30):
            limiter.take("test-free", Tier.FREE)
        watch.poll(after=timedelta(seconds=20))
    assert watch.state("ratelimits.blocked") is State.FAIL
    assert watch.state("ratelimits.blocked_tier", of="Free") is State.FAIL
    (alert,) = watch.alerts("ratelimits.blocked")
    assert (alert.state, alert.threshold) == ("fail", 0.2)
    for _ in range(2):
        for _ in range(200):
            limiter.take("test-enterprise", Tier.ENTERPRISE)
        watch.poll()
    assert watch.state("ratelimits.blocked") is State.PASS
    assert not watch.alerts("ratelimits.blocked")


def test_a_tenth_refused_is_a_warning(watch: Watch, limiter: Limiter) -> None:
    for _ in range(12):  # the limit and the burst
        limiter.take("test-free", Tier.FREE)
    watch.poll()
    for number in range(100):
        limiter.take(
            "test-free" if number % 7 == 0 else "test-enterprise", Tier.FREE if number % 7 == 0 else Tier.ENTERPRISE
        )
    watch.poll()
    assert watch.state("ratelimits.blocked") is State.WARN
    assert watch.value("ratelimits.blocked") == pytest.approx(0.15)


def test_the_burst_of_a_free_key_is_seen(watch: Watch, limiter: Limiter) -> None:
    for _ in range(12):
        limiter.take("test-free", Tier.FREE)
    watch.poll()
    assert watch.value("ratelimits.burst") == pytest.approx(2 / 12)
    assert watch.state("ratelimits.burst") is State.WARN
    assert watch.state("ratelimits.blocked") is State.PASS


def test_monitor_mode_refuses_nobody_and_says_whom_it_would(watch: Watch, limiter: Limiter) -> None:
    for _ in range(24):
        assert limiter.take("test-free", Tier.FREE, mode=Mode.MONITOR).allowed
    watch.poll()
    assert watch.state("ratelimits.blocked") is State.PASS
    assert watch.value("ratelimits.shadow_blocked") == pytest.approx(0.5)
    assert watch.state("ratelimits.shadow_blocked") is State.FAIL


def test_a_key_near_its_limit_is_in_the_table_before_it_is_refused(watch: Watch, limiter: Limiter) -> None:
    for _ in range(8):
        limiter.take("test-free", Tier.FREE)
    measured = watch.poll()
    (redis,) = (node for node in measured.view.nodes if node.name == "lab-redis")
    (row,) = (row for row in redis.rows("ratelimits.keys") or () if row["key"] == "test-free")
    assert (row["tier"], row["used"], row["limit"], row["share"]) == ("Free", 8, 10, 0.8)
    assert watch.state("ratelimits.near_limit") is State.WARN


def test_keys_that_use_up_their_burst_prove_both_checks_and_are_free_again_once_healed(
    watch: Watch, lab: Lab, limiter: Limiter, fault: Inject
) -> None:
    def others_ask_and_look() -> None:
        for _ in range(5):
            limiter.take("test-enterprise", Tier.ENTERPRISE)
        watch.poll()

    bursting = FAULTS["burst-traffic"]
    told = Prover(lab.servers, watch.tier, others_ask_and_look, patience=75).prove(Trial(bursting, bursting.fires))
    assert [(outcome.check, outcome.told) for outcome in told] == [
        ("ratelimits.burst", ""),
        ("ratelimits.near_limit", ""),
    ]


def test_traffic_of_nobody_says_nothing(watch: Watch) -> None:
    watch.poll()
    assert watch.state("ratelimits.blocked") is State.INCONCLUSIVE
