"""The timeline as a drawing: a column for every calendar week, planned bars above what happened, and today.

Numbers only; the template has the shapes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from apps.rollouts.timeline import Row, Timeline

LEFT, WIDTH, RIGHT = 190, 1000, 8
"""Units of the drawing: names on the left, then the weeks."""
TOP, HEIGHT = 34, 34
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of days: from `x`, so wide."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the drawing at `y`. `actual` is None before anything was done; `deployed` and `window` are places of marks."""

    row: Row | None
    y: int
    planned: Bar
    actual: Bar | None = None
    deployed: tuple[float, ...] = ()
    window: Bar | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A calendar week: its Monday at `x`, its number; None for those before the first."""

    x: float
    monday: date
    number: int | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole. `today` is None when it lies outside."""

    width: int
    height: int
    left: int
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    today: float | None


def drawing(timeline: Timeline) -> Drawing | None:
    """The drawing of a timeline; None when it has no dates. What happened before its first or after its last day is cut off there."""
    if timeline.first_monday is None or timeline.stabilisation is None:
        return None
    first = min([timeline.first_monday, *(row.planned.span.first for row in timeline.rows if row.planned)])
    last = max([timeline.stabilisation.last, *(row.planned.span.last for row in timeline.rows if row.planned)])
    scale = _Scale(timeline, first, (last - first).days + 1)
    count = len(timeline.rows)
    lines = [*(scale.line(row, TOP + HEIGHT * number) for number, row in enumerate(timeline.rows))]
    span = timeline.stabilisation
    lines.append(Line(None, TOP + HEIGHT * count, scale.bar(span.first, span.last + DAY)))
    inside = first <= timeline.today <= last
    here = scale.at(datetime.now(timeline.zone)) if inside else None
    return Drawing(
        LEFT + WIDTH + RIGHT, TOP + HEIGHT * (count + 1) + 6, LEFT, tuple(scale.columns()), tuple(lines), here
    )


class _Scale:
    """From days to places."""

    def __init__(self, timeline: Timeline, first: date, days: int) -> None:
        self._timeline, self._first, self._days = timeline, first, days

    def place(self, days: float) -> float:
        """So many days after the first; never outside the drawing."""
        return round(LEFT + WIDTH * min(max(days / self._days, 0), 1), 1)

    def at(self, moment: datetime) -> float:
        """Where a moment lies, by the tier's calendar and clock."""
        local = moment.astimezone(self._timeline.zone)
        return self.place((local.date() - self._first).days + (local.hour * 60 + local.minute) / 1440)

    def bar(self, first: date, until: date) -> Bar:
        """From the beginning of a day to the beginning of another."""
        left, right = self.place((first - self._first).days), self.place((until - self._first).days)
        return Bar(left, round(right - left, 1))

    def line(self, row: Row, y: int) -> Line:
        """A week of a timeline that has dates."""
        assert row.planned is not None
        span, opening = row.planned.span, row.planned.window
        actual = None
        if row.started:
            left, right = self.at(row.started), self.at(row.signed or datetime.now(self._timeline.zone))
            actual = Bar(left, max(round(right - left, 1), 3))
        window = None
        if opening:
            left = self.at(opening.start)
            window = Bar(left, max(round(self.at(opening.end) - left, 1), 3))
        deployed = tuple(self.at(one.at) for one in row.at.done.deployments)
        return Line(row, y, self.bar(span.first, span.last + DAY), actual, deployed, window)

    def columns(self) -> Iterator[Column]:
        """One a calendar week."""
        for days in range(0, self._days, 7):
            monday = self._first + timedelta(days=days)
            start = self._timeline.first_monday
            number = (monday - start).days // 7 + 1 if start and monday >= start else None
            yield Column(self.place(days), monday, number)
