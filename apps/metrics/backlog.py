"""What waits for the worker, read from the broker in Redis itself: a worker that lives and consumes nothing is seen without Celery.

A message waits in the queue's list, or with a worker that took it ahead of its turn; Celery keeps the second kind as `unacked` until
the task begins. What a worker held that was killed comes back after an hour only, and waits for nobody who lives.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from time import time
from typing import Any, cast

import orjson
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from apps.telemetry import outbox
from apps.telemetry.carrying import SENT

WITHIN_SECONDS = 1.0
HELD, HELD_SINCE = "unacked", "unacked_index"


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that no worker has begun: how many, and for how long the oldest has waited, in seconds (None: none waits)."""

    waiting: int
    oldest_seconds: float | None


def backlog(worker_since: datetime | None) -> Backlog:
    """What waits now. `worker_since`: when the oldest worker that lives started; None counts all. Raises RedisError."""
    queue, asked = settings.CELERY_TASK_DEFAULT_QUEUE, _kept(settings.CELERY_BROKER_URL)
    least = worker_since.timestamp() if worker_since else "-inf"
    pipe = asked.pipeline(transaction=False)
    pipe.llen(queue)
    pipe.lindex(queue, -1)  # pushed on the left, taken from the right
    pipe.zcount(HELD_SINCE, least, "+inf")
    pipe.zrangebyscore(HELD_SINCE, least, "+inf", start=0, num=1)
    queued, last, held, first = cast(tuple[int, bytes | None, int, list[bytes]], pipe.execute())
    taken = cast(bytes | None, asked.hget(HELD, first[0].decode())) if first else None
    sent = [at for at in (_sent(last), _sent(taken)) if at is not None]
    return Backlog(queued + held, max(0.0, time() - min(sent)) if sent else None)


@cache
def _kept(url: str) -> redis.Redis:
    """A client that keeps its connection, as making one costs more than asking; one that broke meanwhile is made anew at once."""
    return redis.Redis.from_url(
        url,
        socket_timeout=WITHIN_SECONDS,
        socket_connect_timeout=WITHIN_SECONDS,
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[RedisConnectionError],
    )


def telemetry() -> redis.Redis:
    """The same for the Redis that takes log lines and query figures."""
    return _kept(outbox.address())


def _sent(message: bytes | None) -> float | None:
    """When a message was sent, in seconds since 1970; None of none, or of one that does not say."""
    if message is None:
        return None
    try:
        found: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    if isinstance(found, list):  # held by a worker: the message, exchange, routing key
        found = found[0] if found else None
    headers = found.get("headers") if isinstance(found, dict) else None
    at = headers.get(SENT) if isinstance(headers, dict) else None
    return float(at) if isinstance(at, (int, float)) else None
