"""The levels of history: single samples, and what was rolled up from them over five minutes and over an hour.

A level's numbers are kept in chunks, one for each series and `span`; see `chunks` and docs/decisions/0017.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

HOUR = timedelta(hours=1)
NEAR = 1.25
"""A level whose width is at most this many times the step wished for is fine enough: 24 h come from 5 min, not from 10 s."""


@dataclass(frozen=True, slots=True)
class Level:
    """`width`: of one value (None: single samples, as often as they are polled); `span`: of one chunk, counted from 1970 on."""

    name: str
    title: str | Promise
    width: timedelta | None
    span: timedelta
    columns: tuple[str, ...]

    @property
    def table(self) -> str:
        """Where its chunks are."""
        return f"metrics_chunk_{self.name}"

    @property
    def most(self) -> int:
        """How many values a chunk has at most."""
        return int(self.span / (self.width or timedelta(seconds=settings.POLL_SECONDS)))

    @property
    def retention(self) -> timedelta:
        """For how long it is kept."""
        return settings.HISTORY_RETENTION[self.name]

    def start_of(self, moment: datetime) -> datetime:
        """The beginning of the chunk that holds this moment."""
        return floored(moment, self.span)


ROLLED = ("min", "max", "sum", "count", "last")
RAW = Level("raw", _("single samples"), None, timedelta(hours=6), ("value",))
FIVE_MINUTES = Level("5m", _("5-minute values"), timedelta(minutes=5), timedelta(days=1), ROLLED)
ONE_HOUR = Level("1h", _("1-hour values"), HOUR, timedelta(days=32), ROLLED)
LEVELS = (RAW, FIVE_MINUTES, ONE_HOUR)  # the finest first


@dataclass(frozen=True, slots=True)
class Grid:
    """How a range is read: from which level, in steps of how many seconds, counted from `origin` on."""

    level: Level
    origin: datetime
    step: float


def floored(moment: datetime, width: timedelta) -> datetime:
    """The last whole multiple of `width` since 1970.

    >>> from datetime import UTC
    >>> floored(datetime(2026, 3, 1, 10, 59, 59, tzinfo=UTC), HOUR)
    datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
    """
    return moment - timedelta(seconds=moment.timestamp() % width.total_seconds())


def grid(start: datetime, end: datetime, points: int, now: datetime) -> Grid:
    """The coarsest level that gives about `points` values in [start, end), among those that still reach back to `start`.

    A step of rolled up values is a whole number of them, so that no value counts for two steps.
    """
    wish = max(settings.POLL_SECONDS, (end - start).total_seconds() / points)
    reaching = [level for level in LEVELS if now - level.retention <= start] or [ONE_HOUR]
    near = [level for level in reaching if level.width is None or level.width.total_seconds() <= wish * NEAR]
    level = near[-1] if near else reaching[0]
    if level.width is None:
        return Grid(level, start, wish)
    step = math.ceil(wish / level.width.total_seconds() / NEAR) * level.width
    return Grid(level, floored(start, step), step.total_seconds())
