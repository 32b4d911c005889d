"""What the cache room reads, on answers that a real Redis gave."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from apps.cache import probes
from apps.cache.checks import CHECKS
from apps.cache.joined import hits
from apps.lab.layout import Layout, Node
from apps.metrics.kernel import Answer, NodeKind, NodeRole, NodeView, TierView
from tests.watch import Asking, samples_of, values

TIER = {probe.id: probe for probe in probes.TIER_PROBES}


@pytest.fixture
def redis(lab: object, layout: Layout) -> Iterator[Redis]:
    """The watched Redis with all rights; what the test wrote is removed."""
    with Redis.from_url(layout.redis_url(Node.REDIS, "lab", direct=True), decode_responses=True) as client:
        yield client
        for key in client.scan_iter("cache:*test-*"):
            client.unlink(key)


@pytest.fixture
def reader(lab: object, layout: Layout) -> Iterator[Asking]:
    """Redis as the portal reads it, with the login that may only look."""
    asking = Asking(NodeKind.REDIS, layout.redis_url(Node.REDIS, "opsportal_poll"), probes.PROBES)
    yield asking
    asking.close()


def test_a_reset_of_the_statistics_gives_no_negative_rate(reader: Asking, redis: Redis) -> None:
    redis.get("cache:test-nobody:1")
    reader.ask()
    found = samples_of(reader.ask().answers["cache.info"])
    assert (found["cache.info.commands", ""] or 0) > 0
    redis.config_resetstat()
    found = samples_of(reader.ask().answers["cache.info"])
    assert ("cache.info.commands", "") not in found, "the run id is the same, and yet the counters began anew"
    assert ("cache.info.used_memory", "") in found


def test_a_namespace_says_what_it_saved(reader: Asking, redis: Redis) -> None:
    reader.derive(TIER["cache.hits"], reader.ask())
    redis.hset("cache:stats:test-people", mapping={"hits": 90, "misses": 10, "loads": 10, "load_us": 500_000})
    rows, found = reader.derive(TIER["cache.hits"], reader.ask())
    (row,) = (row for row in rows if row["object"] == "test-people")
    assert (row["load_mean"], row["saved"]) == (0.05, pytest.approx(4.5))
    redis.hincrby("cache:stats:test-people", "hits", 3)
    redis.hincrby("cache:stats:test-people", "misses", 1)
    _, found = reader.derive(TIER["cache.hits"], reader.ask())
    assert found["cache.hits.namespace_ratio", "test-people"] == 0.75


def test_entries_are_counted_by_namespace_without_the_caches_own_bookkeeping(reader: Asking, redis: Redis) -> None:
    redis.mset({f"cache:test-people:{n}": "x" for n in range(120)})
    redis.hset("cache:stats:test-people", "hits", 1)
    rows = reader.ask().rows("cache.entries") or ()
    (row,) = (row for row in rows if row["namespace"] == "test-people")
    assert (row["entries"], row["complete"]) == (120, True)


def test_hostile_names_and_values_are_data(reader: Asking, redis: Redis) -> None:
    redis.hset("cache:stats:test-<script>", mapping={"hits": "many", "misses": "nan", "name": "x"})
    redis.hset(f"cache:stats:test-{'x' * 500}", "hits", 1)
    rows, found = reader.derive(TIER["cache.hits"], reader.ask())
    assert "test-<script>" in {row["object"] for row in rows}
    assert all(len(str(row["object"])) <= 120 for row in rows)
    assert ("cache.hits.namespace_ratio", "test-<script>") in found


def test_the_polling_login_cannot_write(layout: Layout, lab: object) -> None:
    with Redis.from_url(layout.redis_url(Node.REDIS, "opsportal_poll")) as client:
        for command in (
            ("SET", "cache:test-x", "1"),
            ("FLUSHALL",),
            ("CONFIG", "SET", "maxmemory", "1"),
            ("KEYS", "*"),
        ):
            with pytest.raises(Exception, match="permission"):
                client.execute_command(*command)


def test_memory_by_kind_adds_up_to_what_is_used(reader: Asking) -> None:
    view = reader.ask()
    rows, _ = reader.derive(TIER["cache.memory"], view)
    (info,) = view.rows("cache.info") or ()
    assert sum(int(str(row["bytes"])) for row in rows) == pytest.approx(info["used_memory"], rel=0.05)


def test_every_check_finds_its_metric_in_a_poll(reader: Asking) -> None:
    reader.derive(TIER["cache.hits"], reader.ask())
    view = reader.ask()
    metrics = {metric for answer in view.answers.values() for metric, _ in samples_of(answer)}
    for probe in probes.TIER_PROBES:
        metrics |= {metric for metric, _ in reader.derive(probe, view)[1]}
    assert {check.metric for check in CHECKS} <= metrics


counters = st.fixed_dictionaries({"hits": st.integers(0, 10**6), "misses": st.integers(0, 10**6)})


@given(
    st.lists(st.dictionaries(st.sampled_from(["people", "teams"]), counters), min_size=2, max_size=6),
    st.integers(0, 20),
)
def test_whatever_the_counters_do_the_hit_rate_is_a_share_or_nothing(
    polls: list[dict[str, dict[str, int]]], seconds: int
) -> None:
    previous: tuple[dict[str, Any], ...] = ()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for poll in polls:
        at += timedelta(seconds=seconds)
        rows = tuple({"name": name, **counted} for name, counted in poll.items())
        answers = {
            "cache.info": Answer("cache.info", "INFO", ({"keyspace_hits": 5, "keyspace_misses": 5, "run_id": "a"},)),
            "cache.stats": Answer("cache.stats", "", rows),
        }
        node = NodeView("redis", NodeKind.REDIS, NodeRole.NONE, NodeRole.NONE, at, answers=answers)
        told, samples = hits(TierView(at, (node,), previous))
        previous = tuple(dict(row) for row in told)
        for (metric, _), value in values(samples).items():
            assert value is None or value >= 0, metric
            if metric.endswith("ratio"):
                assert value is None or value <= 1
