"""The history of single statements: once a minute, what each of the costliest did a second since the reading before.

Kept are at most MOST statements a node at a time, each at every reading, idle ones with zeros, so that an average over a stretch is one
over all its time. The rest is summed as "other", all together as "". Who is kept changes slowly: by time spent, halved every quarter of an
hour, and at most NEWCOMERS a day come in, because each brings series of its own. What a statement did across a reset, or before it came
back to a list that had dropped it, cannot be told and is a gap; the standard deviation is of single calls within the minute, computed from
the sums of durations and of their squares.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from apps.metrics.kernel import NodeKind, NodeView, Row, Rows, Sample, TierView
from apps.queries.workload import total

HISTORY, COSTS, STATEMENTS = "queries.history", "queries.costs", "queries.statements"
EVERY = timedelta(minutes=1)
LONGEST = EVERY * 2.5  # between two readings; what lies further apart is a gap
MOST = 50
NEWCOMERS = 100  # a day
HALF_LIFE = timedelta(minutes=15)
ALL, OTHER = "", "other"
COUNTED = ("calls", "total_ms", "square_ms", "rows", "blocks_hit", "blocks_read", "temp_blocks", "wal_bytes", "read_ms")
METRICS = (
    "calls",
    "load",
    "rows",
    "deviation_ms",
    "blocks_hit",
    "blocks_read",
    "temp_blocks",
    "wal_bytes",
    "read_load",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one statement has cost: counters since a reset, or their difference within an interval. Times in ms, blocks of 8 kB."""

    calls: float
    total_ms: float
    square_ms: float
    rows: float
    blocks_hit: float
    blocks_read: float
    temp_blocks: float
    wal_bytes: float
    read_ms: float

    @classmethod
    def of(cls, row: Row) -> "Cost":
        """From a row of `costs`; what an older extension does not count is 0."""
        return cls(*(float(row.get(name) or 0) for name in COUNTED))

    @property
    def values(self) -> tuple[float, ...]:
        """In the order of COUNTED, as they are kept between polls."""
        return tuple(getattr(self, name) for name in COUNTED)

    def since(self, before: "Cost") -> "Cost | None":
        """What was added to an earlier reading; None when a counter fell, as after a reset."""
        added = [now - then for now, then in zip(self.values, before.values, strict=True)]
        if added[0] < 0 or added[1] < 0:
            return None
        return Cost(*(max(0.0, value) for value in added))

    @property
    def deviation_ms(self) -> float | None:
        """Standard deviation of single durations around their mean; None without calls."""
        if not self.calls:
            return None
        return math.sqrt(max(0.0, self.square_ms / self.calls - (self.total_ms / self.calls) ** 2))


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a node between two readings: its counters, scores of its statements, who is kept, who came in today.

    `rest`: calls, total time and rows of all statements together.
    """

    node: str
    at: str
    epoch: str
    rest: Sequence[float]
    costs: Mapping[str, Sequence[float]]
    scores: Mapping[str, float]
    kept: Sequence[str]
    day: str
    came: int

    @classmethod
    def of(cls, row: Row) -> "Known":
        """From the row it was kept as."""
        return cls(**row)

    @property
    def row(self) -> dict[str, Any]:
        """The row it is kept as."""
        return {name: getattr(self, name) for name in self.__slots__}


def history(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """Samples of each node's kept statements; its rows are what the next reading is compared with."""
    known = {row["node"]: Known.of(row) for row in view.previous}
    rows: list[Row] = []
    samples: list[Sample] = []
    for node in view.of(NodeKind.POSTGRES):
        before, reading = known.get(node.name), _reading(node)
        if reading is None:
            rows += [before.row] if before else []
            continue
        now, found = _compare(reading, before)
        rows.append(now.row)
        samples += found
    return rows, samples


def _reading(node: NodeView) -> Known | None:
    """The node's answers of this poll; None where it was not asked for them now."""
    costs, whole = node.rows(COSTS), total(node.rows(STATEMENTS) or ())
    if costs is None or whole is None or node.at is None:
        return None
    return Known(
        node.name,
        node.at.isoformat(),
        f"{whole.get('stats_reset')} {whole.get('dealloc')}",
        (whole["calls"], whole["total_ms"], whole["rows"]),
        {row["object"]: Cost.of(row).values for row in costs},
        {},
        (),
        node.at.date().isoformat(),
        0,
    )


def _compare(now: Known, before: Known | None) -> tuple[Known, list[Sample]]:
    seconds = (datetime.fromisoformat(now.at) - datetime.fromisoformat(before.at)).total_seconds() if before else 0.0
    if before is None or not 0 < seconds <= LONGEST.total_seconds():
        kept = before.kept if before else ()
        return replace(now, scores=before.scores if before else {}, kept=kept, came=_came(now, before)), []
    works = _works(now, before)
    scores = _scores(now, before, works, seconds)
    kept = chosen(scores, before.kept, NEWCOMERS - _came(now, before))
    came = _came(now, before) + len(set(kept) - set(before.kept))
    samples = list(_samples(now.node, {name: works[name] for name in kept if name in works}, seconds))
    if now.epoch == before.epoch:
        samples += _sums(now, before, [works[name] for name in kept if name in works], seconds)
    return replace(now, scores=scores, kept=kept, came=came), samples


def _came(now: Known, before: Known | None) -> int:
    return before.came if before and before.day == now.day else 0


def _works(now: Known, before: Known) -> dict[str, Cost]:
    """Work within the interval of each statement listed at both readings."""
    if now.epoch.partition(" ")[0] != before.epoch.partition(" ")[0]:
        return {}
    both = {
        name: (Cost(*values), Cost(*before.costs[name])) for name, values in now.costs.items() if name in before.costs
    }
    return {name: work for name, (new, old) in both.items() if (work := new.since(old)) is not None}


def _scores(now: Known, before: Known, works: Mapping[str, Cost], seconds: float) -> dict[str, float]:
    """Time spent lately, of the statements that are listed; a recent minute weighs more than one long ago."""
    fading = 0.5 ** (seconds / HALF_LIFE.total_seconds())
    return {
        name: before.scores.get(name, 0.0) * fading + (works[name].total_ms if name in works else 0.0)
        for name in now.costs
    }


def chosen(scores: Mapping[str, float], kept: Sequence[str], room: int) -> tuple[str, ...]:
    """Who is kept from now on: the MOST with the highest scores, but no more than `room` who are not yet.

    >>> chosen({"a": 9.0, "b": 5.0, "c": 1.0}, ("c",), 1)
    ('a', 'c')
    """
    ranked = sorted((name for name in scores if scores[name] > 0 or name in kept), key=lambda name: -scores[name])
    best = ranked[:MOST]
    new = [name for name in best if name not in kept][: max(0, room)]
    stay = [name for name in ranked if name in kept][: MOST - len(new)]
    return tuple(name for name in ranked if name in {*new, *stay})


def _samples(node: str, works: Mapping[str, Cost], seconds: float) -> Iterator[Sample]:
    """Each statement's rates; `load` is the number of sessions that were at work on it, on average; `read_load` waiting for reads."""
    for name, work in works.items():
        figures = (
            work.calls / seconds,
            work.total_ms / 1000 / seconds,
            work.rows / seconds,
            work.deviation_ms,
            work.blocks_hit / seconds,
            work.blocks_read / seconds,
            work.temp_blocks / seconds,
            work.wal_bytes / seconds,
            work.read_ms / 1000 / seconds,
        )
        for metric, value in zip(METRICS, figures, strict=True):
            if value is not None:
                yield Sample(f"{HISTORY}.{metric}", value, name, node)


def _sums(now: Known, before: Known, kept: Sequence[Cost], seconds: float) -> Iterator[Sample]:
    """All statements together, and those that are not kept one by one; nothing where counters fell."""
    added = [new - old for new, old in zip(now.rest, before.rest, strict=True)]
    if min(added[:2]) < 0:
        return
    of_kept = (sum(w.calls for w in kept), sum(w.total_ms for w in kept), sum(w.rows for w in kept))
    for metric, part, whole, scale in zip(("calls", "load", "rows"), of_kept, added, (1, 1000, 1), strict=True):
        yield Sample(f"{HISTORY}.{metric}", max(whole, part) / scale / seconds, ALL, now.node)
        yield Sample(f"{HISTORY}.{metric}", max(0.0, whole - part) / scale / seconds, OTHER, now.node)


def texts_missing(node: str, answers: Mapping[str, Rows]) -> bool:
    """Whether a node listed a statement of which the portal has no text yet."""
    known = {row["object"] for row in answers.get("queries.top", ()) if row["node"] == node and row["query"]}
    listed = {row["object"] for row in answers.get(STATEMENTS, ()) if row["object"]}
    return not listed or not listed <= known
