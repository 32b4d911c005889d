"""What a caller notices of cache-aside: when it loads, what it is served meanwhile, and that it works without Redis."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from redis import Redis

from apps.cache.aside import Aside, Policy, connect
from apps.lab.layout import HOST, Node, free_ports
from apps.lab.tier import Lab
from tests.conftest import Until

MINUTE = Policy(timedelta(minutes=1))


class Loader:
    """Brings its own number of calls; waits for `ready` where that is given."""

    def __init__(self, ready: threading.Event | None = None) -> None:
        self.calls = 0
        self.began = threading.Event()
        self._ready = ready

    def __call__(self) -> dict[str, int]:
        self.calls += 1
        self.began.set()
        if self._ready:
            assert self._ready.wait(10)
        return {"calls": self.calls}


@pytest.fixture(scope="module")
def redis(lab: Lab) -> Iterator[Redis]:
    """The tier's Redis, as the application's login."""
    client = Redis.from_url(lab.layout.redis_url(Node.REDIS, "app"), socket_timeout=5)
    yield client
    client.close()


@pytest.fixture
def namespace() -> str:
    """A namespace nobody used before."""
    return f"test-{uuid4().hex}"


def test_the_first_call_loads_and_the_next_is_served(redis: Redis, namespace: str) -> None:
    cache, load = Aside[dict[str, int]](redis, namespace, MINUTE), Loader()
    assert [cache.get("7", load) for _ in range(4)] == [{"calls": 1}] * 4
    assert redis.exists(f"cache:{namespace}:7")


def test_the_statistics_tell_hits_misses_loads_and_bytes(lab: Lab, redis: Redis, namespace: str) -> None:
    cache, load = Aside[dict[str, int]](redis, namespace, MINUTE), Loader()
    for key in ("7", "7", "7", "8"):
        cache.get(key, load)
    cache.flush()
    with Redis.from_url(lab.layout.redis_url(Node.REDIS, "app"), decode_responses=True) as reader:
        counted = {name: int(number) for name, number in reader.hgetall(f"cache:stats:{namespace}").items()}
    assert counted.pop("bytes") > 2 * len('{"calls":1}')
    assert counted.pop("load_us") >= 0
    assert counted == {"hits": 2, "misses": 2, "loads": 2}


def test_of_many_callers_at_once_one_loads(redis: Redis, namespace: str) -> None:
    ready = threading.Event()
    load = Loader(ready)
    caches = [Aside[dict[str, int]](redis, namespace, MINUTE) for _ in range(3)]  # as in three processes
    with ThreadPoolExecutor(12) as threads:
        asked = [threads.submit(caches[number % 3].get, "7", load) for number in range(12)]
        assert load.began.wait(10)
        ready.set()
        answers = [future.result(timeout=10) for future in asked]
    assert answers == [{"calls": 1}] * 12


def test_what_was_invalidated_while_it_loaded_is_not_kept(redis: Redis, namespace: str) -> None:
    ready = threading.Event()
    cache, old = Aside[dict[str, int]](redis, namespace, MINUTE), Loader(ready)
    with ThreadPoolExecutor(1) as thread:
        reader = thread.submit(cache.get, "7", old)
        assert old.began.wait(10)
        assert cache.invalidate("7")
        ready.set()
        reader.result(timeout=10)
    assert not redis.exists(f"cache:{namespace}:7")


def test_lives_are_shortened_by_up_to_the_jitter(redis: Redis, namespace: str) -> None:
    cache = Aside[dict[str, int]](redis, namespace, Policy(timedelta(seconds=100), jitter=0.5))
    for number in range(30):
        cache.get(str(number), Loader())
    lives = [redis.pttl(f"cache:{namespace}:{number}") for number in range(30)]
    assert all(45_000 < life <= 100_000 for life in lives)
    assert max(lives) - min(lives) > 10_000


def test_an_entry_that_is_over_is_loaded_again(redis: Redis, namespace: str, until: Until) -> None:
    cache, load = Aside[dict[str, int]](redis, namespace, Policy(timedelta(milliseconds=50))), Loader()
    cache.get("7", load)
    until(lambda: cache.get("7", load) == {"calls": 2})


def test_while_one_renews_the_others_are_served_the_stale_entry(redis: Redis, namespace: str, until: Until) -> None:
    policy = Policy(timedelta(milliseconds=1), stale=timedelta(minutes=1))
    cache, ready = Aside[dict[str, int]](redis, namespace, policy), threading.Event()
    cache.get("7", lambda: {"calls": 0})
    load = Loader(ready)
    with ThreadPoolExecutor(1) as thread:
        renewing = thread.submit(until, lambda: cache.get("7", load) == {"calls": 1})  # not before it is over
        assert load.began.wait(10)
        assert cache.get("7", Loader()) == {"calls": 0}
        ready.set()
        renewing.result(timeout=10)


def test_a_load_that_fails_goes_through_and_the_next_may_try_at_once(redis: Redis, namespace: str) -> None:
    cache = Aside[dict[str, int]](redis, namespace, MINUTE)

    def fail() -> dict[str, int]:
        raise LookupError("no such row")

    with pytest.raises(LookupError, match="no such row"):
        cache.get("7", fail)
    assert cache.get("7", Loader()) == {"calls": 1}


def test_without_redis_every_call_loads(namespace: str) -> None:
    cache = Aside[dict[str, int]](connect(f"redis://{HOST}:{free_ports(1)[0]}"), namespace, MINUTE)
    load = Loader()
    assert [cache.get("7", load)["calls"] for _ in range(3)] == [1, 2, 3]
    assert cache.degraded == 3
    assert not cache.invalidate("7")


@pytest.mark.parametrize("name", ["", "stats", "a:b"])
def test_a_namespace_that_would_clash_is_refused(redis: Redis, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a cache"):
        Aside[int](redis, name, MINUTE)
