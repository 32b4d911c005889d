"""What the portal knows of itself, read from its own store and Redis: its polls, processes, queue, outbox, ledger, queries, log lines.

A room above adds what its own tools judge of the store (`also`). The poller reads all of it once a minute and judges it with everything
else; the page of the portal reads it anew and judges it by itself (`judged`), because a poller that is dead judges nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from redis import RedisError

from apps.metrics import damaged, store
from apps.metrics.backlog import backlog, telemetry
from apps.metrics.histories import history
from apps.metrics.inward_checks import ROOM
from apps.metrics.judge import judge, measure
from apps.metrics.kernel import Row, Rows, TierView, Verdict
from apps.metrics.levels import floored
from apps.metrics.lives import BEAT, BEAT_EVERY, WORKER
from apps.metrics.models import Tier
from apps.metrics.registry import tier_probes
from apps.metrics.thresholds import Limits, limits
from apps.telemetry import lines, tracing, windows

WINDOW = timedelta(minutes=10)
AGAIN = timedelta(minutes=1)
FRESH = 4 * BEAT_EVERY
AWAY = "The portal's Redis does not answer."

_also: dict[str, Callable[[datetime], Any]] = {}


def also(name: str, read: Callable[[datetime], Any]) -> None:
    """Have something more read of the portal's own store; a tier probe `portal.…` finds it as `view.portal["also"][name]`."""
    _also[name] = read


def whole(now: datetime) -> Row:
    """`itself`, and whatever rooms above added, all as it is now."""
    return {"itself": itself(), "also": {name: read(now) for name, read in _also.items()}}


def polls(tier: Tier, at: datetime) -> Row:
    """How polling of a tier goes: slots of the last ten minutes that nobody polled, or of which nothing was kept; and the history.

    The time after an orderly stop does not count: nobody was to poll then.
    """
    found = store.slots(tier, at - WINDOW, at, WORKER)
    expected = int((at - found.start).total_seconds()) // settings.POLL_SECONDS
    last = found.last or found.start
    return {
        "missed_slots": max(0, expected - found.kept - 1),
        "window_seconds": (at - found.start).total_seconds(),
        "unkept_slots": max(0, found.claimed - found.kept),
        "silent_seconds": (at - last).total_seconds(),
        **history().state(at),
    }


def itself() -> Row:
    """Processes, queue, outbox, ledger, own queries and log lines, all as they are now; None where it cannot be known.

    What this process knows of its own traces is added: no other process is asked.
    """
    known = store.inward(WORKER, BEAT, FRESH)
    worker_since, told = known.pop("worker_since"), tracing.state()
    row = {"read_at": datetime.now(UTC).isoformat(), **known, "traces_dropped": told.dropped if told.on else None}
    try:
        waits = backlog(worker_since)
        return {
            **row,
            "queue_waiting": waits.waiting,
            "queue_seconds": waits.oldest_seconds or 0.0,
            "slow_share": windows.slow_share(telemetry()),
            "lines_dropped": lines.dropped(telemetry()),
            "history_damaged": damaged.count(telemetry()),
            "problem": "",
        }
    except RedisError:
        unknown = dict.fromkeys(("queue_waiting", "queue_seconds", "slow_share", "lines_dropped", "history_damaged"))
        return {**row, **unknown, "problem": AWAY}


@dataclass(frozen=True, slots=True)
class Judged:
    """The portal's own checks as a reader judges them at this moment, with the rows that they were read from (by tier probe)."""

    at: datetime
    limits: Limits
    verdicts: Sequence[Verdict]
    polls: Row
    itself: Row
    rows: Mapping[str, Rows]


def judged(tier: Tier, last_slot: datetime | None, now: datetime) -> Judged:
    """Read and judge now, whoever else lives. `last_slot`: the last poll that was kept; one that goes on just now is not missed yet."""
    polling, own = dict(polls(tier, floored(now, timedelta(seconds=settings.POLL_SECONDS)))), whole(now)
    if last_slot is not None:  # also where it is older than the window
        polling["silent_seconds"] = (now - last_slot).total_seconds()
    view = TierView(now, (), portal={**polling, **own})
    measured = measure(view, [probe for probe in tier_probes().values() if probe.id.startswith(f"{ROOM}.")], {})
    counting = limits(tier)
    verdicts = judge(measured, [c for c in counting.checks.values() if c.room == ROOM], {})
    rows = {name: answer.rows for name, answer in measured.tier_answers.items()}
    return Judged(now, counting, verdicts, polling, own["itself"], rows)
