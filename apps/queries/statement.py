"""One statement over a range of time: what each server spent on it, and the lines of its charts. Pure functions of lines."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from apps.metrics.board import Chart
from apps.metrics.kernel import Unit
from apps.metrics.lines import Line
from apps.queries.history import ALL, HISTORY, METRICS
from apps.queries.minutes import Minutes, by_step

WANTED = tuple(f"{HISTORY}.{metric}" for metric in METRICS)
FIGURES = ("calls", "load", "rows", "blocks_hit", "blocks_read")

CHARTS = (
    Chart("calls", "Calls", Unit.PER_SECOND, ("calls",)),
    Chart("mean", "Mean time of a call", Unit.MILLISECONDS, ("mean",)),
    Chart("share", "Share of all statements' time", Unit.RATIO, ("share",)),
    Chart("rows", "Rows returned or changed", Unit.PER_SECOND, ("rows",)),
    Chart(
        "band",
        "Mean time, with one standard deviation to either side",
        Unit.MILLISECONDS,
        ("above", "mean_of", "below"),
        lines="metric",
        names=("mean + deviation", "mean", "mean − deviation"),
    ),
    Chart(
        "blocks",
        "Blocks of 8 kB asked for",
        Unit.PER_SECOND,
        ("blocks_hit", "blocks_read"),
        lines="metric",
        names=("found in buffers", "read from the system"),
    ),
    Chart("temporary", "Blocks of temporary files, written and read", Unit.PER_SECOND, ("temp_blocks",)),
    Chart("wal", "WAL written a second", Unit.BYTES, ("wal_bytes",)),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one server spent on a statement in a range, a second on average; `load`: sessions at work, `whole`: on all statements."""

    node: str
    calls: float
    load: float
    rows: float
    blocks_hit: float
    blocks_read: float
    whole: float

    @property
    def mean_ms(self) -> float | None:
        """Mean time of a call."""
        return 1000 * self.load / self.calls if self.calls else None

    @property
    def share(self) -> float | None:
        """Share of all statements' time."""
        return min(1.0, self.load / self.whole) if self.whole else None

    @property
    def rows_a_call(self) -> float | None:
        """Rows that a call returns or changes."""
        return self.rows / self.calls if self.calls else None

    @property
    def hit_ratio(self) -> float | None:
        """Of the blocks asked for, the share found in shared buffers."""
        asked = self.blocks_hit + self.blocks_read
        return self.blocks_hit / asked if asked else None


class Course:
    """The lines of one statement, by metric and node, and of how many minutes each of their steps is."""

    def __init__(self, lines: Iterable[Line], minutes: Minutes, queryid: str) -> None:
        self._lines = {(line.metric.rpartition(".")[2], line.node, line.object): line for line in lines}
        self._queryid, self._minutes = queryid, minutes
        self.nodes = sorted({node for _metric, node, of in self._lines if of == queryid})

    def line(self, metric: str, node: str, of: str | None = None) -> Line | None:
        """One line as it was stored."""
        return self._lines.get((metric, node, self._queryid if of is None else of))

    def spent(self) -> list[Spent]:
        """What each server spent, the most first; a minute in which statements were measured and this one was not kept is none of it."""
        return sorted((self._spent(node) for node in self.nodes), key=lambda spent: -spent.load)

    def _spent(self, node: str) -> Spent:
        minutes = self._minutes.any(node)
        figures = {name: self._average(node, name, self._queryid, minutes) for name in FIGURES}
        whole = self._average(node, "load", ALL, self._minutes.of(node, ALL))
        return Spent(node=node, whole=whole, **figures)

    def _average(self, node: str, metric: str, of: str, minutes: float) -> float:
        found = by_step(self.line(metric, node, of))
        return self._minutes.summed(node, of, found) / minutes if minutes else 0.0

    def drawn(self, chart: Chart, busiest: str) -> list[Line]:
        """The lines of a chart: of all servers, or where it shows several figures of the busiest alone."""
        made = _MADE.get(chart.id)
        if made is not None:
            return [
                line for node in self.nodes for line in made(self, node) if chart.lines == "node" or node == busiest
            ]
        nodes = self.nodes if chart.lines == "node" else [busiest]
        found = (self.line(metric, node) for node in nodes for metric in chart.metrics)
        return [replace(line, metric=line.metric.rpartition(".")[2], object="") for line in found if line]

    def ratio(self, name: str, of: str, over: Line | None, under: Line | None, scale: float = 1.0) -> list[Line]:
        """A line of quotients where both lines have numbers and the lower is not zero; `of`: what a point is (`Grain.reduce`)."""
        if over is None or under is None:
            return []
        below = dict(zip(under.times, under.values, strict=True))
        values = [_quotient(value, below.get(at), scale) for at, value in zip(over.times, over.values, strict=True)]
        grain = over.grain and replace(over.grain, reduce=of)
        return [Line(name, over.node, "", over.times, values, grain)]


def _quotient(over: float | None, under: float | None, scale: float) -> float | None:
    return None if over is None or not under else scale * over / under


def _mean(course: Course, node: str) -> list[Line]:
    return course.ratio("mean", "calls", course.line("load", node), course.line("calls", node), 1000.0)


def _share(course: Course, node: str) -> list[Line]:
    lines = course.ratio("share", "share", course.line("load", node), course.line("load", node, ALL))
    return [replace(line, values=[v if v is None else min(v, 1.0) for v in line.values]) for line in lines]


def _band(course: Course, node: str) -> list[Line]:
    deviations = course.line("deviation_ms", node)
    found: list[Line] = []
    for mean in _mean(course, node):
        at = dict(zip(deviations.times, deviations.values, strict=True)) if deviations else {}
        pairs = [(value, at.get(time)) for time, value in zip(mean.times, mean.values, strict=True)]
        above = [None if value is None or by is None else value + by for value, by in pairs]
        below = [None if value is None or by is None else max(0.0, value - by) for value, by in pairs]
        for name, values in (("above", above), ("mean_of", mean.values), ("below", below)):
            found.append(replace(mean, metric=name, values=list(values)))
    return found


_MADE: Mapping[str, Callable[[Course, str], Sequence[Line]]] = {"mean": _mean, "share": _share, "band": _band}
