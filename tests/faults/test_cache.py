"""Each check of the cache is fired by a fault of the lab, and seen to recover."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from redis import Redis

from apps.accounts.models import Person
from apps.cache.aside import Aside, Policy
from apps.lab.layout import Layout, Node
from apps.metrics import thresholds
from apps.metrics.kernel import State
from apps.metrics.registry import checks
from tests.conftest import Inject, Until
from tests.watch import Watch

KEYS = range(150)
Read = Callable[[], None]


def test_a_redis_that_is_gone_is_noticed_at_the_next_poll(watch: Watch, fault: Inject, heal: Inject) -> None:
    assert watch.state("cache.up") is State.PASS
    fault("stop-redis")
    watch.poll()
    assert watch.state("cache.up") is State.FAIL
    assert watch.state("cache.memory_health") is State.NO_DATA
    heal("stop-redis")
    watch.turns("cache.up", State.PASS, polls=2)
    assert watch.state("cache.memory_health") is State.PASS


def test_a_full_redis_degrades_and_a_flooded_one_is_unhealthy(watch: Watch, fault: Inject, heal: Inject) -> None:
    assert watch.state("cache.memory_health") is State.PASS
    fault("fill-redis")
    watch.poll()
    assert watch.state("cache.memory_health") is State.WARN
    assert watch.state("cache.memory") in {State.WARN, State.FAIL}
    heal("fill-redis")
    watch.turns("cache.memory_health", State.PASS)
    assert watch.state("cache.memory") is State.PASS
    fault("flood-redis")
    watch.poll()
    assert watch.state("cache.memory_health") is State.FAIL
    heal("flood-redis")
    watch.turns("cache.memory_health", State.PASS)


def test_evictions_are_counted_in_all_and_by_the_minute(
    watch: Watch, client: Redis, fault: Inject, heal: Inject, until: Until
) -> None:
    assert watch.state("cache.evictions_health") is State.PASS
    fault("evict-redis")
    for _ in range(2):
        seen = client.info("stats")["evicted_keys"]
        assert until(lambda seen=seen: client.info("stats")["evicted_keys"] > seen)
        watch.poll(after=timedelta(seconds=20))
    assert watch.state("cache.evictions_health") is State.FAIL
    assert watch.state("cache.evictions") in {State.WARN, State.FAIL}
    assert watch.alerts("cache.evictions")
    heal("evict-redis")
    watch.turns("cache.evictions", State.PASS)
    assert watch.state("cache.evictions_health") is State.PASS
    watch.poll(2)
    assert not watch.alerts("cache.evictions")


def test_a_save_that_fails_is_told_and_so_is_one_that_is_late(
    watch: Watch, fault: Inject, heal: Inject, until: Until, dba: Person
) -> None:
    thresholds.change(watch.tier, checks()["cache.last_save"], None, (0.1, None), "five minutes are long", dba)
    watch.poll()
    assert watch.state("cache.save_failed") is State.PASS
    assert watch.state("cache.last_save") is State.PASS
    fault("fail-save")
    watch.poll()
    assert watch.state("cache.save_failed") is State.FAIL

    def late() -> bool:
        watch.poll(after=timedelta(minutes=1))  # so often it is asked when snapshots are wanted
        return watch.state("cache.last_save") is State.WARN

    until(late)
    heal("fail-save")
    watch.turns("cache.save_failed", State.PASS)
    watch.poll(after=timedelta(minutes=1))
    assert watch.state("cache.last_save") is State.PASS


@pytest.fixture
def client(layout: Layout, lab: object) -> Iterator[Redis]:
    """The application's own login at Redis, patient where a real one gives up after 100 ms."""
    with Redis.from_url(layout.redis_url(Node.REDIS, "app", direct=True), socket_timeout=10) as client:
        yield client


@pytest.fixture
def read(client: Redis) -> Read:
    """An application that reads its entries through the cache, once each."""
    people = Aside[str](client, "people", Policy(ttl=timedelta(minutes=5)))

    def read() -> None:
        for key in KEYS:
            people.get(str(key), lambda: "somebody")
        people.flush()

    return read


def test_a_cold_cache_fails_its_hit_rate_until_it_is_warm_again(
    watch: Watch, read: Read, client: Redis, fault: Inject, heal: Inject, until: Until
) -> None:
    read()
    watch.poll()
    read()
    watch.poll()
    assert watch.value("cache.hit_rate") == 1.0
    fault("cold-cache")
    for _ in range(2):  # the alert wants a bad minute
        assert until(lambda: not client.exists(*(f"cache:people:{key}" for key in KEYS)))
        read()
        watch.poll(after=timedelta(minutes=1))
    assert watch.state("cache.hit_rate") is State.FAIL
    (alert,) = watch.alerts("cache.hit_rate")
    assert (alert.state, alert.threshold) == ("fail", 0.3)
    heal("cold-cache")
    read()
    for _ in range(3):  # the first window still holds the misses that warmed it
        read()
        watch.poll()
    assert watch.state("cache.hit_rate") is State.PASS
    assert not watch.alerts("cache.hit_rate")


def test_nothing_looked_up_says_nothing_of_the_hit_rate(watch: Watch, read: Read) -> None:
    read()
    watch.poll(2)
    assert watch.state("cache.hit_rate") is State.INCONCLUSIVE


def test_warming_is_seen_in_the_number_of_entries(watch: Watch, read: Read, fault: Inject, until: Until) -> None:
    read()
    watch.turns("cache.keys", State.PASS, polls=4)
    fault("cold-cache")
    watch.turns("cache.keys", State.WARN, polls=4)


def test_a_slow_command_shows_by_name_without_its_data(watch: Watch, client: Redis) -> None:
    watch.poll()
    spin = "local t = 0 for i = 1, 20000000 do t = t + i end return ARGV[1]"
    client.eval(spin, 0, "4111 1111 1111 1111")
    measured = watch.poll()
    assert watch.state("cache.slow_log") in {State.WARN, State.FAIL}
    (redis,) = (node for node in measured.view.nodes if node.name == "lab-redis")
    rows = redis.rows("cache.slowlog")
    assert rows
    assert str(rows[0]["command"]).startswith("EVAL")
    assert "4111" not in str(rows)
