"""Which stretch after a deployment is compared with a baseline's: the same time of day where there has been one since."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DAY = timedelta(days=1)


class Match(StrEnum):
    """What the two windows have in common: weekday and hour, the hour alone, or nothing but their length."""

    WEEKDAY = "weekday"
    HOUR = "hour"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class After:
    """The window after the deployment; `match` says how far traffic of the same kind can be expected in it."""

    start: datetime
    end: datetime
    match: Match


def after(start: datetime, end: datetime, deployed: datetime, now: datetime) -> After | None:
    """
    The latest whole window of the baseline's length between deployment and now, matched as well as history allows.

    None while there is none. All times are aware; `start` and `end` are the baseline's.

    >>> from datetime import UTC
    >>> at = lambda day, hour: datetime(2026, 3, day, hour, tzinfo=UTC)
    >>> [f.match.value if f else f for f in (after(at(2, 8), at(2, 9), at(2, 10), at(*n)) for n in ((2, 10), (2, 12), (3, 12), (9, 12)))]
    [None, 'none', 'hour', 'weekday']
    >>> after(at(2, 8), at(2, 9), at(2, 10), at(5, 8)).start.day
    4
    """
    for step, match in ((7 * DAY, Match.WEEKDAY), (DAY, Match.HOUR)):
        shift = step * ((now - end) // step)
        if shift and start + shift >= deployed:
            return After(start + shift, end + shift, match)
    first = now - (end - start)
    return After(first, now, Match.NONE) if first >= deployed else None
