"""The portal's own Redis: whether it answers, may hold a queue, and how many messages wait in it."""

from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings

from apps.metrics.units import size
from apps.overview.doctor.finding import Finding, State
from apps.telemetry import readiness

OLDEST = (6, 0)
FULL = 0.9  # of maxmemory
MANY = 100  # messages; each is taken within a second or expires


def examine(answers: readiness.Part) -> Iterator[Finding]:
    """`answers`: what readiness found of it."""
    what, _stop, remedy = answers.detail.partition(". ")
    yield Finding("redis.answers", "Answers", State.FINE if answers.ready else State.FAILURE, what, remedy)
    if not answers.ready:
        return
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL,
        socket_timeout=readiness.WITHIN_SECONDS,
        socket_connect_timeout=readiness.WITHIN_SECONDS,
        retry=None,
    )
    try:
        info: dict[str, Any] = client.info()
        waiting = client.llen(settings.CELERY_TASK_DEFAULT_QUEUE)
    except redis.RedisError as error:
        yield Finding("redis.version", "Version", State.UNKNOWN, f"it did not say ({type(error).__name__})")
        return
    finally:
        client.close()
    yield _version(str(info["redis_version"]))
    yield _policy(str(info.get("maxmemory_policy", "")))
    yield _memory(info["used_memory"], info.get("maxmemory") or 0)
    yield _broker(int(waiting))


def _version(version: str) -> Finding:
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return Finding(
            "redis.version", "Version", State.FAILURE, f"Redis {version}; the portal needs 6.0.", "Upgrade it."
        )
    return Finding("redis.version", "Version", State.FINE, f"Redis {version}")


def _policy(policy: str) -> Finding:
    of = ("redis.policy", "Eviction")
    if policy == "noeviction":
        return Finding(*of, State.FINE, policy)
    told = f"maxmemory-policy is {policy or 'not said'}: orders of the queue may be thrown away when memory is short."
    remedy = "Put `maxmemory-policy noeviction` into its configuration; until its next start:"
    return Finding(*of, State.FAILURE, told, remedy, ("CONFIG SET maxmemory-policy noeviction",))


def _memory(used: int, most: int) -> Finding:
    of, told = ("redis.memory", "Memory"), f"{size(used)} used of {size(most) if most else 'no limit'}"
    if most and used > FULL * most:
        return Finding(*of, State.WARNING, told, "Raise maxmemory, or lower OPSPORTAL_LOG_LINES.")
    return Finding(*of, State.FINE, told)


def _broker(waiting: int) -> Finding:
    of = ("redis.broker", "Queue")
    if waiting < MANY:
        return Finding(*of, State.FINE, f"{waiting} {'message waits' if waiting == 1 else 'messages wait'}")
    return Finding(
        *of, State.WARNING, f"{waiting} messages wait: no worker takes them.", "Start the worker, or read its log."
    )
