"""The rate limiter: so many requests a minute for each API key, shared by every node through Redis, atomic.

It needs redis-py only and no part of the portal, so that an application can use it with the portal down.

    limiter = Limiter(connect("redis://…"))
    decision = limiter.take("key-7", Tier.FREE)
    if not decision.allowed: answer 429 with decision.headers()
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

WINDOW_MS = 60_000
BURST_WINDOW_MS = 5_000
FAILURES = 3  # in a row: one slow answer says nothing of the next request's
REST_SECONDS = 0.5  # after that many failures of Redis nothing is asked of it for so long
_TAKE = (Path(__file__).parent / "lua" / "take.lua").read_text(encoding="utf-8")


class Tier(StrEnum):
    """What a client has bought."""

    FREE = "Free"
    STANDARD = "Standard"
    PRO = "Pro"
    ENTERPRISE = "Enterprise"


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests in any 60 s, and how many more may follow within 5 s once these are used up."""

    limit: int
    burst: int


QUOTAS = {
    Tier.FREE: Quota(10, 2),
    Tier.STANDARD: Quota(100, 20),
    Tier.PRO: Quota(1_000, 100),
    Tier.ENTERPRISE: Quota(10_000, 1_000),
}


class Mode(StrEnum):
    """Whether what exceeds its limit is refused, or only counted (before enforcement begins)."""

    ENFORCE = "enforce"
    MONITOR = "monitor"


class Fallback(StrEnum):
    """What is decided while Redis does not answer."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one request.

    `exceeded`: over the limit; then refused, unless the mode is MONITOR. `burst`: passed by the burst.
    `used` of the limit and `burst_used` of the burst: in the window, this request included.
    `retry_after_seconds`: until a slot is free again, 0 when it passed. `reset_seconds`: until all slots are free
    again if nothing more is sent. `degraded`: Redis did not answer, the fallback decided and nothing was counted.
    """

    allowed: bool
    quota: Quota
    used: int = 0
    burst_used: int = 0
    exceeded: bool = False
    burst: bool = False
    retry_after_seconds: float = 0.0
    reset_seconds: float = 0.0
    degraded: bool = False

    @property
    def remaining(self) -> int:
        """Requests that would still pass now, the burst not counted."""
        return max(0, self.quota.limit - self.used)

    def headers(self) -> dict[str, str]:
        """The headers of every answer: whole seconds, rounded up; Retry-After only on a refusal."""
        if self.degraded:
            found = {"X-RateLimit-Limit": str(self.quota.limit), "X-RateLimit-Status": "degraded"}
        else:
            found = {
                "X-RateLimit-Limit": str(self.quota.limit),
                "X-RateLimit-Burst": str(self.quota.burst),
                "X-RateLimit-Remaining": str(self.remaining),
                "X-RateLimit-Reset": str(math.ceil(self.reset_seconds)),
            }
        if not self.allowed:
            found["Retry-After"] = str(max(1, math.ceil(self.retry_after_seconds)))
        return found


def connect(url: str) -> Redis:
    """A client for the limiter's own use: it gives up after 20 ms each way, so that a decision takes under 50 ms."""
    return Redis.from_url(
        url, socket_connect_timeout=0.02, socket_timeout=0.02, retry=Retry(NoBackoff(), 0), retry_on_error=[]
    )


class Limiter:
    """Decides, key by key. Threads may share one.

    `client`: from `connect`. `fallback`: what holds while Redis is gone. `clock`: Unix seconds, for replay and tests;
    by default the Redis server's own clock, so that nodes whose clocks differ agree.
    """

    def __init__(
        self, client: Redis, *, fallback: Fallback = Fallback.ALLOW, clock: Callable[[], float] | None = None
    ) -> None:
        self._script = client.register_script(_TAKE)
        self._fallback = fallback
        self._clock = clock
        self._failures = 0
        self._rests_until = 0.0
        self.degraded = 0  # decisions that the fallback took, in this process

    def take(self, key_id: str, tier: Tier, *, quota: Quota | None = None, mode: Mode = Mode.ENFORCE) -> Decision:
        """Decide one request and count it.

        `key_id`: the key's public name, never the key itself. `quota`: instead of the tier's (a temporary raise).
        Never raises for a Redis that is gone or slow: the decision is then the fallback's, and says so.
        """
        quota = quota or QUOTAS[tier]
        if time.monotonic() < self._rests_until:
            return self._fall_back(quota)
        now_ms = "" if self._clock is None else str(int(self._clock() * 1000))
        try:
            answer = self._script(
                keys=[f"ratelimit:{key_id}", f"ratelimit:stats:{key_id}", f"ratelimit:tier:{key_id}"],
                args=[quota.limit, quota.burst, WINDOW_MS, BURST_WINDOW_MS, mode.value, tier.value, now_ms],
            )
        except RedisError:
            self._failures += 1
            if self._failures >= FAILURES:
                self._rests_until = time.monotonic() + REST_SECONDS
            return self._fall_back(quota)
        self._failures = 0
        passed, burst, used, burst_used, wait_ms, reset_ms = (int(part) for part in answer)
        return Decision(
            allowed=bool(passed) or mode is Mode.MONITOR,
            quota=quota,
            used=used,
            burst_used=burst_used,
            exceeded=not passed,
            burst=bool(burst),
            retry_after_seconds=wait_ms / 1000,
            reset_seconds=reset_ms / 1000,
        )

    def _fall_back(self, quota: Quota) -> Decision:
        self.degraded += 1
        return Decision(
            allowed=self._fallback is Fallback.ALLOW, quota=quota, retry_after_seconds=REST_SECONDS, degraded=True
        )
