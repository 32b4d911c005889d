"""What the store has of one interval of a watch, judged: pure functions of stored samples, polls and thresholds.

An interval is as bad as the worst that was measured in it, on any node. A node that was not polled in it gives no data, one that was polled
and did not answer an error; neither is a measurement, and neither is filled up from the others.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.metrics.judge import TIER
from apps.metrics.kernel import Check, Direction, State, worst
from apps.metrics.lines import Line


@dataclass(frozen=True, slots=True)
class Watched:
    """What one entry of a watch is judged by, as it was fixed at the start: on which nodes, and the check of each."""

    check: Check
    nodes: tuple[str, ...]
    of_nodes: Mapping[str, Check]

    def on(self, node: str) -> Check:
        """The check with the thresholds that counted on a node."""
        return self.of_nodes.get(node, self.check)


def watched(check: Check, terms: Mapping[str, Any]) -> Watched:
    """A check with the nodes and thresholds that were kept for it."""
    kept = {
        node: replace(check, warn=ends[0], fail=ends[1], changed=None) for node, ends in terms["thresholds"].items()
    }
    return Watched(kept.pop(TIER), tuple(terms["nodes"]), kept)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a watch, [start, end)."""

    number: int
    start: datetime
    end: datetime


def intervals(begins: datetime, every: timedelta, first: int, until: datetime, most: int) -> list[Interval]:
    """
    At most `most` intervals from the `first` on that are over at `until`.

    >>> at = datetime(2026, 3, 1, tzinfo=UTC)
    >>> [i.number for i in intervals(at, timedelta(minutes=1), 2, at + timedelta(minutes=5, seconds=59), 10)]
    [2, 3, 4]
    """
    count = min(int((until - begins) / every) - first, most)
    return [Interval(n, begins + n * every, begins + (n + 1) * every) for n in range(first, first + max(count, 0))]


@dataclass(frozen=True, slots=True)
class Seen:
    """What an interval was judged to be; `value`: the worst in it, None where nothing was measured.

    `distinct`: how many different values were measured within it where that worst one was; 0 where it was measured before.
    """

    interval: Interval
    state: State
    value: float | None
    distinct: int = 0


class Store:
    """Samples and polls of a stretch of time, ready to be asked about intervals."""

    def __init__(self, lines: Sequence[Line], polls: Iterable[tuple[str, datetime, bool]]) -> None:
        self._lines: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in lines:
            self._lines[line.metric, line.node].append(line)
        self._polls: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for node, at, answered in polls:
            for owner in (node, TIER):
                self._polls[owner].append((at.timestamp(), answered))
        for found in self._polls.values():
            found.sort()

    def seen(self, wanted: Watched, interval: Interval) -> Seen:
        """The worst of all nodes in an interval."""
        found = [self._on(wanted.on(node), node, interval) for node in wanted.nodes]
        state = worst([one.state for one in found])
        measured = [one for one in found if one.value is not None and one.state is state and state.known]
        pick = min if wanted.check.direction is Direction.LOW else max
        return pick(measured, key=lambda one: one.value or 0.0) if measured else Seen(interval, state, None)

    def _on(self, check: Check, node: str, interval: Interval) -> Seen:
        start, end = interval.start.timestamp(), interval.end.timestamp()
        polled = [answered for at, answered in self._polls[node] if start <= at < end]
        if not any(polled):
            return Seen(interval, State.ERROR if polled else State.NO_DATA, None)
        lines = self._lines[check.metric, node]
        judged = [one for line in lines for one in _judged(check, line, start, end)]
        state = worst([one for one, _value in judged])
        values = [value for one, value in judged if one is state and value is not None]
        if not values:
            return Seen(interval, state, None)
        value = max(values) if check.direction is Direction.HIGH else min(values)
        return Seen(interval, state, value, len({value for line in lines for value in _within(line, start, end)}))


def _within(line: Line, start: float, end: float) -> list[float]:
    """The numbers of a series' samples in [start, end)."""
    first, after = bisect_left(line.times, start), bisect_left(line.times, end)
    return [value for value in line.values[first:after] if value is not None]


def _judged(check: Check, line: Line, start: float, end: float) -> Iterable[tuple[State, float | None]]:
    """What a series says in [start, end): each number of its samples, else that it had none, else the last one before, as old as it is at
    the end. A series without any of these is gone, such as that of a dropped table, and says nothing.
    """
    first, after = bisect_left(line.times, start), bisect_left(line.times, end)
    if first < after:
        numbers = _within(line, start, end)
        return [(check.judge(value, timedelta(0)), value) for value in numbers or (None,)]
    before = [
        (at, value) for at, value in zip(line.times[:first], line.values[:first], strict=True) if value is not None
    ]
    if not before:
        return []
    age = timedelta(seconds=end - before[-1][0])
    return [(check.judge(before[-1][1], age), before[-1][1])] if age <= check.stale_after else []


def read_from(first: datetime, poll_seconds: int) -> datetime:
    """A moment as a whole multiple of the polls' interval, so that a step of what is read holds exactly one poll."""
    seconds = int(first.timestamp())
    return datetime.fromtimestamp(seconds - seconds % poll_seconds, UTC)
