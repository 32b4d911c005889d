"""What a room's dashboard is made of: declared as data, drawn by `pages`.

A room's `charts.py` declares CHARTS and TABLES; its `views.py` makes a Board of them with its verdict sentence and its facts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from apps.metrics.kernel import Rows, State, Unit, Verdict


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: lines of one or more metrics on one axis.

    `metrics`: metric names; one line for each series found (node, object). `lines`: what names a line: "node", "object" or "metric"
    (then `names` gives the label of each metric in order). `check`: its thresholds are drawn.
    `reduce`: "avg", "max", "min" or "last" within a pixel's time.
    """

    id: str
    title: str
    unit: Unit
    metrics: tuple[str, ...]
    lines: str = "node"
    names: tuple[str, ...] = ()
    check: str = ""
    reduce: str = "avg"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: `key` in the answer's rows; `unit` None for text; `code` for query texts and identifiers.

    `link`: the key in the rows whose value is the last part of the address that the cell leads to, below the board's own; a row without a
    value there has no link.
    """

    key: str
    title: str
    unit: Unit | None = None
    code: bool = False
    link: str = ""
    spark: str = ""  # metric whose last hour is drawn as a sparkline in this column


@dataclass(frozen=True, slots=True)
class Table:
    """The objects a room watches, one row each, from the latest answer of `source` on every node (with a Node column).

    `having`: only rows with a value under this key are objects.
    """

    id: str
    title: str
    source: str
    columns: tuple[Column, ...]
    empty: str
    limit: int = 200
    having: str = ""

    def of(self, rows: Rows) -> Rows:
        """The rows of an answer that are shown."""
        return tuple(row for row in rows if row.get(self.having)) if self.having else rows


@dataclass(frozen=True, slots=True)
class NodeRows:
    """The latest rows of a probe from one node (empty name: the tier's own), with their time and the question asked."""

    node: str
    at: datetime
    rows: Rows
    question: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry of the state row: what, how it is, in which state, how old. `judged`: not so where its check is only shown."""

    label: str
    text: str
    state: State
    at: datetime | None
    check_id: str = ""
    judged: bool = True


class BoardData(Protocol):
    """What a verdict sentence and facts may ask; answered from the store in few queries."""

    @property
    def now(self) -> datetime:
        """The moment of drawing (aware, UTC)."""

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """This room's current verdicts, stale ones already NO_DATA."""

    def rows(self, probe_id: str) -> Sequence[NodeRows]:
        """Latest rows of a probe of any room, node by node."""

    def state(self, *check_ids: str) -> State:
        """The worst state of these checks over all nodes and objects."""

    def value(self, check_id: str, node: str = "") -> float | None:
        """The worst value of a check (on one node, or over all), None where nothing is known."""

    def at(self, check_id: str) -> datetime | None:
        """When the oldest value of that check was taken."""


@dataclass(frozen=True, slots=True)
class Board:
    """A room's dashboard. Raises ValueError where a chart and a table, or two of them, have one id: their files have one address."""

    room: str
    title: str
    verdict: Callable[[BoardData], str]
    facts: Callable[[BoardData], Sequence[Fact]]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]

    def __post_init__(self) -> None:
        ids = [chart.id for chart in self.charts] + [table.id for table in self.tables]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(
                f"The board of {self.room} has more than one {', '.join(twice)}: name one of them otherwise."
            )
