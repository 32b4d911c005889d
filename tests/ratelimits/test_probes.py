"""What the rate limits room reads, on state that the real limiter left in a real Redis."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from apps.lab.layout import Layout, Node
from apps.metrics.kernel import NodeKind
from apps.ratelimits import probes
from apps.ratelimits.checks import CHECKS
from apps.ratelimits.limiter import Limiter, Tier
from tests.watch import Asking, samples_of, values

TRAFFIC = next(probe.derive for probe in probes.PROBES if probe.id == "ratelimits.keys")


@pytest.fixture
def redis(lab: object, layout: Layout) -> Iterator[Redis]:
    """The watched Redis with all rights; what the test wrote is removed."""
    with Redis.from_url(layout.redis_url(Node.REDIS, "lab", direct=True), decode_responses=True) as client:
        yield client
        for key in client.scan_iter("ratelimit:*test-*"):
            client.unlink(key)


@pytest.fixture
def reader(lab: object, layout: Layout) -> Iterator[Asking]:
    """Redis as the portal reads it, with the login that may only look."""
    asking = Asking(NodeKind.REDIS, layout.redis_url(Node.REDIS, "opsportal_poll"), probes.PROBES)
    yield asking
    asking.close()


def row_of(reader: Asking, key: str) -> Mapping[str, object]:
    (row,) = (row for row in reader.ask().rows("ratelimits.keys") or () if row["key"] == key)
    return row


def test_a_key_is_listed_with_its_tier_limit_and_use(reader: Asking, redis: Redis) -> None:
    limiter = Limiter(redis)
    for _ in range(15):
        limiter.take("test-free", Tier.FREE)
    row = row_of(reader, "test-free")
    assert (row["tier"], row["limit"], row["burst_limit"]) == ("Free", 10, 2)
    assert (row["used"], row["allowed"], row["blocked"], row["burst"]) == (12, 12, 3, 2)


def test_use_near_the_limit_is_counted_as_of_now_not_as_of_the_last_request(reader: Asking, redis: Redis) -> None:
    limiter = Limiter(redis)
    for _ in range(9):
        limiter.take("test-free", Tier.FREE)
    (slice_now,) = (name for name in map(str, redis.hgetall("ratelimit:test-free")) if name.isdecimal())
    redis.hdel("ratelimit:test-free", slice_now)  # as if its requests had been made two windows ago
    redis.hset("ratelimit:test-free", str(int(slice_now) - 200), 9)
    assert redis.hget("ratelimit:test-free", "used") == "9"
    assert row_of(reader, "test-free")["used"] == 0


def test_a_key_of_an_unknown_tier_has_no_limit_and_is_never_near_one(reader: Asking, redis: Redis) -> None:
    redis.hset("ratelimit:stats:test-odd", mapping={"allowed": 3, "blocked": "many"})
    redis.set("ratelimit:tier:test-odd", "Platinum")
    row = row_of(reader, "test-odd")
    assert (row["limit"], row["share"], row["allowed"], row["blocked"]) == (None, None, 3, 0)


def test_every_check_of_redis_finds_its_metric_in_a_poll(reader: Asking, redis: Redis) -> None:
    limiter = Limiter(redis)
    limiter.take("test-free", Tier.FREE)
    reader.ask()
    limiter.take("test-free", Tier.FREE)
    metrics = {metric for metric, _ in samples_of(reader.ask().answers["ratelimits.keys"])}
    assert {check.metric for check in CHECKS if check.kind is NodeKind.REDIS} <= metrics


counts = st.integers(0, 10**6)
keys = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["a", "b", "c"]),
        "tier": st.sampled_from(["Free", "Pro", "", "Platinum"]),
        **dict.fromkeys(probes.COUNTED, counts),
    }
)
answers = st.lists(keys, max_size=3, unique_by=lambda row: row["key"])


@given(answers, answers, st.floats(0.1, 1000))
def test_shares_are_shares_and_rates_never_negative(
    before: list[dict[str, object]], now: list[dict[str, object]], seconds: float
) -> None:
    assert TRAFFIC is not None
    found = values(TRAFFIC(tuple(now), tuple(before), seconds))
    assert {"ratelimits.keys.blocked", "ratelimits.keys.requests"} <= {metric for metric, _ in found}
    for (metric, _), value in found.items():
        assert value is None or value >= 0
        if metric.endswith("blocked"):
            assert value is None or value <= 1
