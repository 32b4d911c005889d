"""Whether polling goes on, for `/readyz`: a worker that stopped raises no alert, because alerts are judged when it polls."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import class_row

from apps.metrics.checks import SILENT_AFTER
from apps.metrics.lives import BEAT, BEAT_EVERY, WORKER

SILENCE = (Path(__file__).parent / "sql" / "silence.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Silence:
    """What the store knows of polling; see `sql/silence.sql`. Ages are in seconds, None where nothing was ever said."""

    tiers: int
    silent: int
    longest: float | None
    ahead: float | None
    worker: float | None
    beat: float | None

    @property
    def words(self) -> str:
        """What is so and what to do; names no tier, as whoever reads it may have no login.

        >>> Silence(2, 0, 7.0, None, 1.0, 1.0).words
        'every tier was polled in time'
        >>> Silence(2, 1, 45.2, None, None, 1.0).words
        '1 of 2 tiers not polled in time, for up to 45 s. The worker is silent: start it, then read its log.'
        >>> Silence(1, 1, -300.0, 300.0, 1.0, 1.0).words
        'The clock was set back: the last poll lies 300 s ahead. Nothing can be kept until then: see that the host keeps its time.'
        """
        if not self.tiers:
            return "no tier has a node yet"
        if not self.silent:
            return "every tier was polled in time"
        if self.ahead:
            told = f"The clock was set back: the last poll lies {self.ahead:.0f} s ahead."
            return f"{told} Nothing can be kept until then: see that the host keeps its time."
        return f"{self.silent} of {self.tiers} tiers not polled in time, for up to {self.longest or 0:.0f} s. {self.remedy}"

    @property
    def cause(self) -> str:
        """Who is silent, in a few words."""
        if self.ahead:
            return "the clock was set back"
        if not _lives(self.worker):
            return "the worker is silent"
        if not _lives(self.beat):
            return "beat is silent"
        return "worker and beat live, and no poll is kept"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if not _lives(self.worker):
            return "The worker is silent: start it, then read its log."
        if not _lives(self.beat):
            return "The worker lives but beat is silent: nobody orders polls. Start beat."
        return (
            "Worker and beat live, and no poll is kept: read the worker's log; it may hang, or the queue may be full."
        )


def _lives(age: float | None) -> bool:
    return age is not None and age < 4 * BEAT_EVERY.total_seconds()


def read(own: psycopg.Connection[Any]) -> Silence:
    """What the store knows of polling now. Raises psycopg.Error."""
    asked = {"limit": SILENT_AFTER, "worker": WORKER, "beat": BEAT}
    with own.cursor(row_factory=class_row(Silence)) as cursor:
        found = cursor.execute(SILENCE, asked).fetchone()
    assert found is not None
    return found


def now() -> Silence:
    """The same over this thread's own connection. Raises DatabaseError."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return read(connection.connection)


def polling(own: psycopg.Connection[Any]) -> tuple[bool, str]:
    """Whether every tier was polled within two intervals, and what is known of it. Raises psycopg.Error."""
    found = read(own)
    return not found.silent, found.words
