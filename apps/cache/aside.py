"""Cache-aside in Redis: ask the cache, on a miss load and fill. One loader per key under a stampede, TTLs with jitter.

It needs redis-py only and no part of the portal, so that an application can use it with the portal down.

    people = Aside(connect("redis://…"), "people", Policy(ttl=timedelta(minutes=5)))
    person = people.get("7", lambda: load_person(7))
    people.invalidate("7")
"""

import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

T = TypeVar("T")
REST_SECONDS = 0.5  # after a failure of Redis nothing is asked of it for so long
FLUSH_SECONDS = 1.0  # statistics are sent to Redis this often
_FILL = (Path(__file__).parent / "lua" / "fill.lua").read_text(encoding="utf-8")
_STAMP_BYTES = 8  # each entry begins with the Unix ms at which it is no longer fresh


@dataclass(frozen=True, slots=True)
class Policy:
    """How long entries live.

    `ttl`: how long fresh. `jitter`: each TTL is shortened at random by up to this share, so that entries made together
    do not end together. `stale`: how long after that an entry may still be served while one loader renews it.
    `load_limit`: how long one loader may take before another may try.
    """

    ttl: timedelta
    jitter: float = 0.1
    stale: timedelta = timedelta(0)
    load_limit: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        if self.ttl <= timedelta(0) or not 0 <= self.jitter < 1 or self.load_limit <= timedelta(0):
            raise ValueError(
                "A cache policy needs a ttl and a load_limit above 0 and a jitter of at least 0 and below 1."
            )

    def fresh_ms(self) -> int:
        """A TTL with its jitter, in ms."""
        shortened = 1 - random.random() * self.jitter  # noqa: S311  no secret
        return max(1, int(self.ttl.total_seconds() * 1000 * shortened))


def to_json(value: Any) -> bytes:
    """The default way into Redis: anything JSON can say; datetimes and decimals as text."""
    return json.dumps(value, default=str, separators=(",", ":")).encode()


def _fresh(kept: bytes) -> bool:
    return int.from_bytes(kept[:_STAMP_BYTES], "big") > time.time() * 1000


def connect(url: str) -> Redis:
    """A client that gives up after 100 ms each way, so that a cache that is gone costs less than the load it saves."""
    return Redis.from_url(
        url, socket_connect_timeout=0.1, socket_timeout=0.1, retry=Retry(NoBackoff(), 0), retry_on_error=[]
    )


class Aside(Generic[T]):
    """The entries of one namespace, at `cache:<namespace>:<key>`. Threads may share one; the client answers in bytes.

    Its counters are the hash `cache:stats:<namespace>`: hits, misses, loads, stale (served while renewed), bytes
    (stored), load_us (time that loads took, in microseconds). `degraded` counts, in this process, calls without Redis.
    """

    def __init__(
        self,
        client: Redis,
        namespace: str,
        policy: Policy,
        *,
        encode: Callable[[T], bytes] = to_json,
        decode: Callable[[bytes], T] = json.loads,
    ) -> None:
        if not namespace or ":" in namespace or namespace == "stats":
            raise ValueError(f"{namespace!r} cannot name a cache: it must be one word, not 'stats', without a colon.")
        self.namespace, self.policy = namespace, policy
        self.degraded = 0
        self._client, self._encode, self._decode = client, encode, decode
        self._fill = client.register_script(_FILL)
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._flushed = time.monotonic()
        self._rests_until = 0.0

    def get(self, key: str, load: Callable[[], T]) -> T:
        """The entry, or what `load()` brings; whatever `load` raises goes through and is not kept.

        Of many callers that miss at once one loads; the others wait for its value, or are served a stale one.
        With Redis gone every call loads.
        """
        if time.monotonic() < self._rests_until:
            return self._without(load)
        token = secrets.token_hex(8)
        try:
            kept = self._look(key, token)
        except RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS
            return self._without(load)
        return self._load(key, token, load) if kept is None else self._decode(kept[_STAMP_BYTES:])

    def invalidate(self, *keys: str) -> bool:
        """Forget entries; a load under way will not be stored. False when Redis is gone: entries may then live on."""
        names = [name for key in keys for name in (self._entry(key), self._right(key))]
        try:
            self._client.unlink(*names)
        except RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS
            return False
        return True

    def totals(self) -> Counter[str]:
        """What this process counted since it made this object, sent to Redis or not."""
        with self._lock:
            return Counter(self._totals)

    def flush(self) -> None:
        """Send the counters that are not yet in Redis; with Redis gone they are kept for the next time."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
            self._flushed = time.monotonic()
        if not counted:
            return
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for field, number in counted.items():
                    pipeline.hincrby(f"cache:stats:{self.namespace}", field, number)
                pipeline.execute()
        except RedisError:
            with self._lock:
                self._counted.update(counted)

    def _entry(self, key: str) -> str:
        return f"cache:{self.namespace}:{key}"

    def _right(self, key: str) -> str:
        return f"load:{self.namespace}:{key}"

    def _look(self, key: str, token: str) -> bytes | None:
        """The entry as kept; None when the caller is to load it, for which `token` holds the right where it could."""
        give_up, pause = time.monotonic() + self.policy.load_limit.total_seconds(), 0.002
        kept = self._kept(key)
        if kept is not None and _fresh(kept):
            self._count(hits=1)
            return kept
        self._count(misses=1)
        while True:
            mine, kept = self._take_right(key, token)
            if kept is not None and _fresh(kept):  # another filled it between our two questions
                if mine:
                    self._give_back(key, token)
                return kept
            if mine:
                return None
            if kept is not None:
                self._count(stale=1)
                return kept
            if time.monotonic() > give_up:
                return None
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _take_right(self, key: str, token: str) -> tuple[bool, bytes | None]:
        """Try to become the one who loads, and look again, in one round trip."""
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.set(self._right(key), token, nx=True, px=int(self.policy.load_limit.total_seconds() * 1000))
            pipeline.get(self._entry(key))
            mine, kept = pipeline.execute()
        return bool(mine), kept

    def _kept(self, key: str) -> bytes | None:
        return cast("bytes | None", self._client.get(self._entry(key)))

    def _load(self, key: str, token: str, load: Callable[[], T]) -> T:
        started = time.perf_counter()
        try:
            value = load()
        except BaseException:  # whatever it was, the next caller may try at once
            self._give_back(key, token)
            raise
        spent = time.perf_counter() - started
        fresh = self.policy.fresh_ms()
        stamp = (int(time.time() * 1000) + fresh).to_bytes(_STAMP_BYTES, "big")
        entry = stamp + self._encode(value)
        lives = fresh + int(self.policy.stale.total_seconds() * 1000)
        self._count(loads=1, load_us=int(spent * 1_000_000))
        try:
            stored = self._fill(keys=[self._entry(key), self._right(key)], args=[token, entry, lives])
        except RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS
            return value
        if stored:
            self._count(bytes=len(entry))
        return value

    def _give_back(self, key: str, token: str) -> None:
        try:
            if self._client.get(self._right(key)) == token.encode():
                self._client.delete(self._right(key))
        except RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS

    def _without(self, load: Callable[[], T]) -> T:
        self.degraded += 1
        return load()

    def _count(self, **numbers: int) -> None:
        with self._lock:
            self._counted.update(numbers)
            self._totals.update(numbers)
            due = time.monotonic() - self._flushed > FLUSH_SECONDS
        if due:
            self.flush()
