"""The portal's own queries as charts and tables: what their pages draw and their files hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.metrics.board import Chart
from apps.metrics.figures import Drawing, draw
from apps.metrics.kernel import Unit
from apps.metrics.limits_drawn import Judged
from apps.metrics.lines import Grain, Line
from apps.metrics.ranges import Range
from apps.telemetry.figures import Course, Row, Summary
from apps.telemetry.windows import Slow, Span

CALLS = Chart("calls", "Calls", Unit.PER_MINUTE, ("own.calls",), lines="metric", names=("calls",))
DURATIONS = Chart(
    "durations", "Duration", Unit.MILLISECONDS, ("own.p50", "own.p95"), lines="metric", names=("p50", "p95")
)
CHARTS = {chart.id: chart for chart in (CALLS, DURATIONS)}
FIGURES = ("calls", "total_ms", "average", "p50", "p90", "p95", "p99", "longest", "slow", "very_slow", "slow_share")
"""Columns of the files, as `Summary` has them; durations are milliseconds."""
STATEMENTS = ("fingerprint", "text", "caller", "share", *FIGURES)
WINDOWS = ("from", *FIGURES)
SLOW = ("at", "duration_ms", "very_slow", "process", "caller", "database", "correlation_id")


@dataclass(frozen=True, slots=True)
class Stretch:
    """The span of a page as its files are asked for."""

    query: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page of one statement draws."""

    within: Stretch
    drawings: Sequence[Drawing]


def shown(course: Course, now: datetime) -> Shown:
    """The charts of a statement's course."""
    start = course.every_window[0][0] if course.every_window else now - timedelta(seconds=course.span.seconds)
    within, found = Range(start, now), lines(course, now)
    drawings = [_with_points(draw(chart, found, within, (), Judged(None))) for chart in CHARTS.values()]
    return Shown(Stretch(f"span={course.span.name}"), drawings)


def _with_points(drawing: Drawing) -> Drawing:
    """Few windows have a statement in them: one between two without it would be a line of no length."""
    for trace in drawing.figure["data"]:
        trace |= {"mode": "lines+markers", "marker": {"size": 5}}
    return drawing


def lines(course: Course, now: datetime) -> list[Line]:
    """Calls a minute, p50 and p95, one point a window at its beginning; of the present window as far as it went."""
    times = [at.timestamp() for at, _summary in course.every_window]
    grain = Grain("all", course.span.length, _("the portal's own processes"))
    calls = [_a_minute(at, said, course.span, now) for at, said in course.every_window]
    halves = [said.p50 if said else None for _at, said in course.every_window]
    most = [said.p95 if said else None for _at, said in course.every_window]
    named = (("own.calls", calls), ("own.p50", halves), ("own.p95", most))
    return [Line(metric, "", "", times, values, grain) for metric, values in named]


def _a_minute(at: datetime, said: Summary | None, span: Span, now: datetime) -> float | None:
    length = min(max((now - at).total_seconds(), 1.0), span.length)
    return None if said is None else said.calls * 60 / length


def statement_row(row: Row) -> list[Any]:
    """One statement as STATEMENTS has it."""
    return [row.fingerprint, row.text, row.caller, row.share, *_figures(row.summary)]


def window_row(at: datetime, said: Summary) -> list[Any]:
    """One window as WINDOWS has it."""
    return [at, *_figures(said)]


def slow_row(one: Slow) -> list[Any]:
    """One slow call as SLOW has it."""
    return [one.moment, one.duration_ms, one.very_slow, one.process, one.caller, one.node, one.correlation_id]


def point_rows(course: Course, chart: Chart, now: datetime) -> list[list[Any]]:
    """The points of a chart: name, when, value."""
    return [
        [line.metric.rpartition(".")[2], datetime.fromtimestamp(at, UTC), value]
        for line in lines(course, now)
        if line.metric in chart.metrics
        for at, value in zip(line.times, line.values, strict=True)
    ]


def _figures(said: Summary) -> list[Any]:
    return [getattr(said, name) for name in FIGURES]
