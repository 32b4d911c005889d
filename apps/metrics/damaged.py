"""Chunks of history whose bytes are not those that were written, as whoever reads or seals comes upon them.

Nobody looks for them: that would read the whole history. What is come upon is put into the portal's Redis with the outbox of the log lines,
each chunk once (by its bytes), and counts for a day after somebody came upon it last.
"""

from datetime import timedelta
from hashlib import sha256
from time import time

import redis

from apps.telemetry.outbox import outbox

KEY = "opsportal:history:damaged"
KEPT = timedelta(days=1)
SEND_SECONDS = 5.0
MOST = 10_000  # that wait to be sent: there may be no Redis, and a whole disk damaged

_found: dict[str, float] = {}


def note(packed: bytes) -> None:
    """Somebody came upon this one; never waits."""
    if len(_found) < MOST:
        _found[name_of(packed)] = time()
        outbox.start()


def name_of(packed: bytes) -> str:
    """What such a chunk is counted as, however often it is come upon."""
    return sha256(packed).hexdigest()[:20]


def send(to: redis.Redis) -> None:
    """Tell Redis what was come upon. Raises RedisError; it is told the next time then."""
    told = dict(_found)
    if not told:
        return
    seconds = int(KEPT.total_seconds())
    pipe = to.pipeline(transaction=False)
    pipe.zadd(KEY, told, gt=True)
    pipe.zremrangebyscore(KEY, "-inf", time() - seconds)
    pipe.expire(KEY, seconds)
    pipe.execute()
    for name, at in told.items():
        if _found.get(name) == at:
            del _found[name]


def count(asked: redis.Redis) -> int:
    """How many were come upon within a day, by all processes. Raises RedisError."""
    return int(asked.zcount(KEY, time() - KEPT.total_seconds(), "+inf"))


outbox.register(send, SEND_SECONDS)
