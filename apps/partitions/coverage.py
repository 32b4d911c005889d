"""What a table's ranges in time cover: pure functions of bounds and the moment."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from statistics import median
from typing import TypeAlias

Span: TypeAlias = tuple[datetime, datetime]  # from, up to and without; aware


class Cadence(Enum):
    """How long a table's partitions are, and the lengths (days) that count as it: months and daylight saving vary them."""

    DAILY = (0.9, 1.1)
    WEEKLY = (6.9, 7.1)
    MONTHLY = (27.9, 31.1)
    QUARTERLY = (89.9, 92.1)
    YEARLY = (364.9, 366.1)
    IRREGULAR = (0.0, 0.0)

    @property
    def word(self) -> str:
        """Its name as it is written."""
        return self.name.lower()

    @property
    def length(self) -> timedelta | None:
        """A partition's length, the longest that counts; None when irregular."""
        return None if self is Cadence.IRREGULAR else timedelta(days=int(self.value[1]))


def cadence(spans: Iterable[Span]) -> Cadence:
    """The length that most spans have; IRREGULAR when that is not more than half of them."""
    found = Counter(_named(end - start) for start, end in spans)
    if not found:
        return Cadence.IRREGULAR
    name, count = found.most_common(1)[0]
    return name if count * 2 > found.total() else Cadence.IRREGULAR


def _named(length: timedelta) -> Cadence:
    days = length / timedelta(days=1)
    return next((name for name in Cadence if name.value[0] <= days <= name.value[1]), Cadence.IRREGULAR)


def length(spans: Iterable[Span]) -> timedelta | None:
    """The exact length that most spans have, whatever it is; None when that is not more than half of them."""
    found = Counter(end - start for start, end in spans)
    if not found:
        return None
    common, count = found.most_common(1)[0]
    return common if count * 2 > found.total() else None


def gaps(spans: Iterable[Span]) -> list[Span]:
    """The stretches between the first and the last span that none covers, in order."""
    found: list[Span] = []
    covered: datetime | None = None
    for start, end in sorted(spans):
        if covered is not None and start > covered:
            found.append((covered, start))
        covered = end if covered is None else max(covered, end)
    return found


def overlaps(spans: Iterable[Span]) -> list[Span]:
    """The stretches that two spans next to each other in order share. PostgreSQL allows none among attached partitions."""
    found: list[Span] = []
    covered: datetime | None = None
    for start, end in sorted(spans):
        if covered is not None and start < covered:
            found.append((start, min(covered, end)))
        covered = end if covered is None else max(covered, end)
    return found


def covered_until(spans: Iterable[Span], now: datetime) -> datetime:
    """Until when rows written at the moment find a partition without a gap; `now` when not even the present is covered."""
    until = now
    for start, end in sorted(spans):
        if start <= until < end:
            until = end
    return until


def ahead(spans: Iterable[Span], now: datetime) -> int:
    """How many partitions lie wholly in the future without a gap from now."""
    kept = list(spans)
    until = covered_until(kept, now)
    return sum(now < start < until for start, _end in kept)


def past(spans: Iterable[Span], before: datetime) -> list[Span]:
    """Spans that ended by then."""
    return [span for span in spans if span[1] <= before]


def months_before(moment: datetime, months: int) -> datetime:
    """The first of the month that many months before the month of `moment`.

    >>> months_before(datetime(2026, 1, 15), 2).date().isoformat()
    '2025-11-01'
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return moment.replace(year=year, month=month + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


def skew(rows: Sequence[float]) -> float | None:
    """The fullest partition as a multiple of the median one; None when nothing is in them.

    >>> skew([100, 120, 480]), skew([0, 0])
    (4.0, None)
    """
    filled = [count for count in rows if count > 0]
    return max(filled) / median(filled) if filled else None
