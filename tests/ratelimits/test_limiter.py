"""What a client notices of its limit: how many requests pass, when the next one does, what holds without Redis."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from apps.lab.layout import HOST, Node, free_ports
from apps.lab.tier import Lab
from apps.ratelimits.limiter import FAILURES, QUOTAS, Fallback, Limiter, Mode, Quota, Tier, connect

SLICE = 0.6  # seconds: the hundredth of a minute by which a slot may come back late


class Clock:
    """Unix seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis(lab: Lab) -> Iterator[Redis]:
    """The tier's Redis, as the application's login."""
    client = Redis.from_url(lab.layout.redis_url(Node.REDIS, "app"), decode_responses=True)
    yield client
    client.close()


@pytest.fixture(scope="module")
def patient(lab: Lab) -> Redis:
    """The same for the limiter, patient enough for a busy test machine."""
    return Redis.from_url(lab.layout.redis_url(Node.REDIS, "app"), socket_timeout=5)


@pytest.fixture
def key() -> str:
    """A key nobody used before."""
    return f"test-{uuid4().hex}"


def passes(limiter: Limiter, key: str, tier: Tier, times: int) -> list[bool]:
    """Whether each of so many requests passes."""
    return [limiter.take(key, tier).allowed for _ in range(times)]


def test_a_free_key_passes_twelve_and_is_then_told_when_to_return(patient: Redis, redis: Redis, key: str) -> None:
    limiter = Limiter(patient)
    assert passes(limiter, key, Tier.FREE, 12) == [True] * 12
    refused = limiter.take(key, Tier.FREE)
    headers = refused.headers()
    assert not refused.allowed
    assert refused.remaining == 0
    assert 50 < int(headers["Retry-After"]) <= 61
    assert headers["X-RateLimit-Limit"] == "10"
    assert redis.hgetall(f"ratelimit:stats:{key}") == {"allowed": "12", "burst": "2", "blocked": "1"}
    assert redis.get(f"ratelimit:tier:{key}") == "Free"
    assert 0 < redis.ttl(f"ratelimit:{key}") <= 62


@pytest.mark.parametrize("tier", [Tier.FREE, Tier.STANDARD, Tier.PRO])
def test_each_tier_passes_its_limit_and_its_burst(patient: Redis, key: str, tier: Tier) -> None:
    limiter, quota = Limiter(patient, clock=Clock()), QUOTAS[tier]
    assert sum(passes(limiter, key, tier, quota.limit + quota.burst + 10)) == quota.limit + quota.burst


def test_headers_count_down_and_need_no_retry_after_while_requests_pass(patient: Redis, key: str) -> None:
    limiter = Limiter(patient)
    remaining = [limiter.take(key, Tier.FREE).headers()["X-RateLimit-Remaining"] for _ in range(3)]
    assert remaining == ["9", "8", "7"]
    assert "Retry-After" not in limiter.take(key, Tier.FREE).headers()


def test_after_what_retry_after_says_the_next_request_passes(patient: Redis, key: str) -> None:
    clock = Clock()
    limiter = Limiter(patient, clock=clock)
    passes(limiter, key, Tier.FREE, 12)
    refused = limiter.take(key, Tier.FREE)
    clock.now += refused.retry_after_seconds - 2 * SLICE
    assert not limiter.take(key, Tier.FREE).allowed
    clock.now += 2 * SLICE
    assert limiter.take(key, Tier.FREE).allowed


def test_the_burst_is_over_five_seconds_after_it_began(patient: Redis, key: str) -> None:
    clock = Clock()
    limiter = Limiter(patient, clock=clock)
    assert passes(limiter, key, Tier.FREE, 11) == [True] * 11
    clock.now += 5.0
    assert not limiter.take(key, Tier.FREE).allowed


def test_monitoring_refuses_nobody_and_counts_whom_it_would_have(patient: Redis, redis: Redis, key: str) -> None:
    limiter = Limiter(patient)
    decisions = [limiter.take(key, Tier.FREE, mode=Mode.MONITOR) for _ in range(15)]
    assert all(decision.allowed for decision in decisions)
    assert sum(decision.exceeded for decision in decisions) == 3
    assert redis.hgetall(f"ratelimit:stats:{key}") == {"allowed": "15", "burst": "2", "shadow": "3"}


def test_a_raised_quota_holds_instead_of_the_tiers(patient: Redis, key: str) -> None:
    limiter = Limiter(patient)
    taken = [limiter.take(key, Tier.FREE, quota=Quota(20, 0)).allowed for _ in range(21)]
    assert taken == [True] * 20 + [False]


def test_nodes_that_share_a_key_share_its_limit(patient: Redis, lab: Lab, key: str) -> None:
    nodes = [Limiter(Redis.from_url(lab.layout.redis_url(Node.REDIS, "app"), socket_timeout=5)) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda n: nodes[n % 4].take(key, Tier.FREE).allowed, range(40)))
    assert sum(taken) == 12


@given(steps=st.lists(st.floats(0, 20), min_size=13, max_size=80))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_minute_holds_more_than_limit_and_burst_and_nobody_waits_much_longer(
    patient: Redis, steps: list[float]
) -> None:
    clock, key, passed = Clock(), f"test-{uuid4().hex}", []
    limiter = Limiter(patient, clock=clock)
    ordinary: list[float] = []
    for step in steps:
        clock.now += step
        at = int(clock.now * 1000) / 1000
        decision = limiter.take(key, Tier.FREE)
        if decision.allowed:
            passed.append(at)
            if not decision.burst:
                ordinary.append(at)
        room = sum(1 for earlier in ordinary if earlier > at - 60 - SLICE) < QUOTAS[Tier.FREE].limit
        assert decision.allowed or not room
        assert sum(1 for earlier in passed if earlier > at - 60) <= 12


@pytest.fixture
def nobody() -> str:
    """The address of a Redis that is not there."""
    return f"redis://{HOST}:{free_ports(1)[0]}"


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of a Redis that accepts connections and says nothing more."""
    with socket.create_server((HOST, 0)) as server:
        yield f"redis://{HOST}:{server.getsockname()[1]}"


def quickest(ask: Callable[[], object], times: int = 3) -> float:
    """Seconds of the quickest of a few tries, so that a busy machine does not count."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    return min(taken)


@pytest.mark.parametrize("gone", ["nobody", "frozen"])
@pytest.mark.parametrize("fallback", list(Fallback))
def test_without_redis_the_policy_decides_within_50_ms_and_says_so(
    request: pytest.FixtureRequest, gone: str, fallback: Fallback, key: str
) -> None:
    url = request.getfixturevalue(gone)
    limiter = Limiter(connect(url), fallback=fallback)
    decision = limiter.take(key, Tier.FREE)
    assert decision.degraded
    assert limiter.degraded == 1
    assert decision.allowed is (fallback is Fallback.ALLOW)
    assert decision.headers()["X-RateLimit-Status"] == "degraded"
    assert quickest(lambda: Limiter(connect(url), fallback=fallback).take(key, Tier.FREE)) < 0.05


def test_one_slow_answer_costs_one_decision(lab: Lab, patient: Redis, key: str) -> None:
    limiter = Limiter(connect(lab.layout.redis_url(Node.REDIS, "app")))
    with Redis.from_url(lab.layout.redis_url(Node.REDIS, "lab")) as master:
        master.execute_command("CLIENT", "PAUSE", "60")
    assert limiter.take(key, Tier.FREE).degraded
    patient.ping()  # answered when the pause is over
    assert not all(limiter.take(key, Tier.FREE).degraded for _ in range(2)), "it did not ask again at once"


def test_a_redis_that_stays_away_is_left_alone(key: str) -> None:
    with socket.create_server((HOST, 0)) as server:
        limiter = Limiter(connect(f"redis://{HOST}:{server.getsockname()[1]}"))
        assert all(limiter.take(key, Tier.FREE).degraded for _ in range(20))
        server.settimeout(0.1)
        asked = 0
        with suppress(TimeoutError):
            while True:
                server.accept()[0].close()
                asked += 1
    assert FAILURES <= asked < 10
