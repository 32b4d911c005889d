"""The lives of worker and beat processes, kept in the store: a killed one is noticed without asking it or Celery.

Each process says every few seconds that it lives; one that stopped in an orderly way says that too.
"""

import os
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from apps.metrics import store
from apps.metrics.models import ProcessRun, Tier

BEAT_EVERY = timedelta(seconds=3)
WORKER, BEAT = "worker", "beat"
LIVES = (Path(__file__).parent / "sql" / "lives.sql").read_text(encoding="utf-8")


class Life:
    """This process's own record, kept fresh by a thread until `stop`."""

    def __init__(self, name: str) -> None:
        now = datetime.now(UTC)
        self._run = ProcessRun.objects.create(
            name=name, host=socket.gethostname()[:120], pid=os.getpid(), started_at=now, seen_at=now
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=f"{name}-life", daemon=True)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._ended.wait(BEAT_EVERY.total_seconds()):
            try:
                ProcessRun.objects.filter(pk=self._run.pk).update(seen_at=datetime.now(UTC))
            except DatabaseError:  # our store is away: being unseen is the right thing to show
                connection.close()
        connection.close()

    def stop(self) -> None:
        """An orderly end."""
        self._ended.set()
        self._thread.join(timeout=5)
        now = datetime.now(UTC)
        ProcessRun.objects.filter(pk=self._run.pk).update(seen_at=now, stopped_at=now)


@dataclass(frozen=True, slots=True)
class Polling:
    """How polling of a tier goes, judged by the reader of the page alone.

    `overdue`: no slot for two intervals and a little. `beginning`: there was none yet, and the worker has only just started.
    `killed_at`: the worker's life before this one ended without a word, then.
    """

    last_slot: datetime | None
    age: timedelta | None
    overdue: bool
    beginning: bool
    worker_seen_at: datetime | None
    beat_seen_at: datetime | None
    killed_at: datetime | None
    back_at: datetime | None

    @property
    def known(self) -> bool:
        """Whether what was measured says how the tier is now."""
        return self.last_slot is not None and not self.overdue

    @property
    def worker_alive(self) -> bool:
        """Whether the worker said so within the last intervals."""
        return _fresh(self.worker_seen_at)

    @property
    def beat_alive(self) -> bool:
        """Whether beat said so within the last intervals."""
        return _fresh(self.beat_seen_at)


def _died_before(earlier: ProcessRun, later: ProcessRun) -> bool:
    """Whether a life ended without a word before the next began; one that goes on beside it did not."""
    return earlier.stopped_at is None and earlier.seen_at < later.started_at


def _fresh(seen: datetime | None) -> bool:
    return seen is not None and datetime.now(UTC) - seen < 4 * BEAT_EVERY


def polling(tier: Tier, now: datetime | None = None) -> Polling:
    """The state of polling, from two small reads of our own store."""
    return polling_since(store.last_slot(tier), now)


def polling_since(last: datetime | None, now: datetime | None = None) -> Polling:
    """The state of polling where the last slot that was kept is known."""
    now = now or datetime.now(UTC)
    age = now - last if last else None
    runs, beats = _lives()
    killed = back = None
    if len(runs) == 2 and _died_before(runs[1], runs[0]) and now - runs[0].started_at < timedelta(minutes=10):
        killed, back = runs[1].seen_at, runs[0].started_at
    elif runs and runs[0].stopped_at is None and not _fresh(runs[0].seen_at):
        killed = runs[0].seen_at
    limit = timedelta(seconds=2 * settings.POLL_SECONDS + 2)
    beginning = last is None and bool(runs) and runs[0].stopped_at is None and now - runs[0].started_at < limit
    return Polling(
        last,
        age,
        not beginning and (age is None or age > limit),
        beginning,
        runs[0].seen_at if runs else None,
        beats[0].seen_at if beats else None,
        killed,
        back,
    )


def _lives() -> tuple[list[ProcessRun], list[ProcessRun]]:
    """The last two lives of a worker and the last of beat, latest first; see `sql/lives.sql`."""
    found = list(ProcessRun.objects.raw(LIVES, {"worker": WORKER, "beat": BEAT}))
    return [run for run in found if run.name == WORKER], [run for run in found if run.name == BEAT]
