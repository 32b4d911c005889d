"""The calendar of a rollout: which dates its weeks, days and windows fall on, counted from its first Monday. Pure functions.

A preparation lies in the weeks before the first Monday. What follows the last block, the final sign-off and the stabilisation
alike, lies in the weeks after it. Dates and times of day are the tier's; a window's ends are moments, so that a change of the
clock within it makes it shorter or longer and moves neither end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile

from apps.playbook.plan import Day, Week, Weekday, WeekKind, Window

STABILISATION_WEEKS = 2
_NUMBERS = {day: number for number, day in enumerate(Weekday) if day is not Weekday.ANY}


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Opening:
    """A window as moments (aware); `shift` is what a change of the clock within it adds or takes."""

    start: datetime
    end: datetime
    shift: timedelta

    @property
    def length(self) -> timedelta:
        """How long it really is."""
        return self.end.astimezone(UTC) - self.start.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Planned:
    """A week of the playbook with its dates. `numbers`: its calendar weeks, the first block's first being 1; (0, 0) for a preparation."""

    week: Week
    span: Span
    numbers: tuple[int, int]
    days: tuple[tuple[Day, Span], ...]
    window: Opening | None


def next_monday(today: date) -> date:
    """The first Monday that leaves at least a week for what comes before it.

    >>> next_monday(date(2026, 11, 25)), next_monday(date(2026, 11, 30))
    (datetime.date(2026, 12, 7), datetime.date(2026, 12, 7))
    """
    return today + timedelta(days=7 + -today.weekday() % 7)


def planned(weeks: Sequence[Week], first_monday: date, zone: tzinfo) -> tuple[list[Planned], Span]:
    """All weeks with their dates in their order, and the days of the stabilisation after the last block."""
    before = sum(week.lasts_weeks for week in takewhile(lambda week: week.kind is WeekKind.PREPARATION, weeks))
    found, at, number = [], first_monday - timedelta(weeks=before), 1 - before
    after, after_number = first_monday, 1
    for week in weeks:
        if week.kind is WeekKind.FINAL:
            at, number = after, after_number
        numbers = (0, 0) if number < 1 else (number, number + week.lasts_weeks - 1)
        found.append(_planned(week, at, numbers, zone))
        at, number = at + timedelta(weeks=week.lasts_weeks), number + week.lasts_weeks
        if week.kind is not WeekKind.FINAL:
            after, after_number = at, number
    return found, _weeks(after, STABILISATION_WEEKS)


def _planned(week: Week, monday: date, numbers: tuple[int, int], zone: tzinfo) -> Planned:
    days = tuple((day, _days(day, monday)) for day in week.days)
    opening = opens(week.window, monday, zone) if week.window else None
    return Planned(week, _weeks(monday, week.lasts_weeks), numbers, days, opening)


def _weeks(monday: date, count: int) -> Span:
    return Span(monday, monday + timedelta(weeks=count, days=-1))


def _days(day: Day, monday: date) -> Span:
    start = monday + timedelta(weeks=day.week - 1)
    if day.day is Weekday.ANY:
        return _weeks(start, 1)
    last = day.day if day.until is Weekday.ANY else day.until
    return Span(start + timedelta(days=_NUMBERS[day.day]), start + timedelta(days=_NUMBERS[last]))


def opens(window: Window, monday: date, zone: tzinfo) -> Opening | None:
    """
    When a window opens in the week of `monday`; None when the team agrees on the day. One that ends before it starts ends the next day.

    A time that the clock passes twice is taken as the earlier one at the start and the later one at the end; one that it leaves out
    is as far after the change as it would have been after the hour before.
    """
    if window.day is Weekday.ANY:
        return None
    day = monday + timedelta(days=_NUMBERS[window.day])
    last = day if window.start < window.end else day + timedelta(days=1)
    start = datetime.combine(day, window.start, zone)
    end = datetime.combine(last, window.end, zone)
    if _twice(end):
        end = end.replace(fold=1)
    nominal = datetime.combine(last, window.end) - datetime.combine(day, window.start)
    first, second = (moment.astimezone(UTC).astimezone(zone) for moment in (start, end))
    return Opening(first, second, second.astimezone(UTC) - first.astimezone(UTC) - nominal)


def _twice(moment: datetime) -> bool:
    """Whether the clock shows this time twice (not: whether it leaves it out)."""
    early, late = moment.replace(fold=0), moment.replace(fold=1)
    return early.astimezone(UTC) < late.astimezone(UTC)
