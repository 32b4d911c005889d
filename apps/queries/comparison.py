"""Two windows of time compared, statement by statement and in all: pure functions of lines.

Statements are measured once a minute. An average is over the minutes that were measured; a minute in which a statement was not among
those that are kept counts as none of it. What no statement alone explains is in "other". Of a minute in which a server dropped statements
from its list neither "other" nor the whole is known: those two are averages over the minutes in which they are.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from apps.metrics.lines import Line
from apps.queries.history import ALL, EVERY, HISTORY, OTHER
from apps.queries.minutes import Minutes, by_step

FIGURES = ("calls", "load", "rows")
WANTED = tuple(f"{HISTORY}.{metric}" for metric in FIGURES)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was done in a window, a second on average: calls, time (`load`, sessions at work), rows."""

    calls: float = 0.0
    load: float = 0.0
    rows: float = 0.0

    @property
    def mean_ms(self) -> float | None:
        """Mean time of a call; None without calls."""
        return 1000 * self.load / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class Measured:
    """One window: figures by statement ("" all, "other" the rest), and how many of its minutes were measured on how many servers."""

    by_statement: dict[str, Figures]
    measured: float
    nodes: int

    @property
    def whole(self) -> Figures:
        """All statements together; the sum of those kept where a server dropped statements and the whole is not known."""
        known = self.by_statement.get(ALL)
        parts = [figures for name, figures in self.by_statement.items() if name != ALL]
        summed = Figures(*(sum(getattr(p, name) for p in parts) for name in FIGURES))
        return known if known and known.load >= summed.load else summed


@dataclass(frozen=True, slots=True)
class Change:
    """One statement before and after. `by_calls` and `by_mean`: what more calls, and longer ones, make of the change in time."""

    name: str
    before: Figures
    after: Figures
    share_before: float | None
    share_after: float | None

    @property
    def load(self) -> float:
        """Change of time spent, in sessions at work."""
        return self.after.load - self.before.load

    @property
    def load_ratio(self) -> float | None:
        """The same, of what it was."""
        return self.load / self.before.load if self.before.load else None

    @property
    def mean_ratio(self) -> float | None:
        """Change of a call's mean time, of what it was."""
        then, now = self.before.mean_ms, self.after.mean_ms
        return None if not then or now is None else now / then - 1

    @property
    def calls_ratio(self) -> float | None:
        """Change of the number of calls, of what it was."""
        return self.after.calls / self.before.calls - 1 if self.before.calls else None

    @property
    def by_calls(self) -> float:
        """Change in time, were each call as long as before."""
        then = self.before.mean_ms if self.before.mean_ms is not None else self.after.mean_ms
        return (self.after.calls - self.before.calls) * (then or 0.0) / 1000

    @property
    def by_mean(self) -> float:
        """Change in time, for as many calls as after, because each is longer or shorter."""
        return self.load - self.by_calls

    @property
    def kind(self) -> str:
        """new, gone, or both where it was there before and after."""
        if not self.before.calls:
            return "new"
        return "gone" if not self.after.calls else "both"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole, and every statement sorted by how much its time changed; `at_equal_calls`: change of the time that the calls of after
    would have taken, weighed by them, among statements that are in both.
    """

    whole: Change
    changes: Sequence[Change]
    before: Measured
    after: Measured

    @property
    def at_equal_calls(self) -> float | None:
        """How much longer (above 0) or shorter the same calls take now, of what they would have taken before; None without common ones."""
        common = [change for change in self.changes if change.kind == "both" and change.name != OTHER]
        expected = sum(change.after.calls * (change.before.mean_ms or 0.0) for change in common) / 1000
        return sum(change.after.load for change in common) / expected - 1 if expected else None


def measured(lines: Iterable[Line], minutes: Minutes, every: timedelta = EVERY) -> Measured:
    """Figures of one window from its lines of WANTED, thinned to the average of each step; servers are added up.

    `every`: between two readings, where polls are further apart than a minute.
    """
    total: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    nodes = set()
    for line in lines:
        found, metric = by_step(line), line.metric.rpartition(".")[2]
        among = minutes.of(line.node, line.object) if line.object in {ALL, OTHER} else minutes.any(line.node)
        if found and among:
            nodes.add(line.node)
            total[line.object][FIGURES.index(metric)] += minutes.summed(line.node, line.object, found) / among
    longest = max((minutes.any(node) for node in nodes), default=0.0)
    return Measured({of: Figures(*sums) for of, sums in total.items()}, longest * every.total_seconds(), len(nodes))


def compare(before: Measured, after: Measured) -> Comparison:
    """Both windows, statement by statement, the largest change in time first."""
    names = (before.by_statement.keys() | after.by_statement.keys()) - {ALL}
    none, whole = Figures(), Change(ALL, before.whole, after.whole, 1.0, 1.0)
    changes = [
        Change(
            name,
            then := before.by_statement.get(name, none),
            now := after.by_statement.get(name, none),
            then.load / whole.before.load if whole.before.load else None,
            now.load / whole.after.load if whole.after.load else None,
        )
        for name in names
    ]
    worked = [change for change in changes if change.before.calls or change.after.calls]
    return Comparison(whole, sorted(worked, key=lambda change: (-abs(change.load), change.name)), before, after)
