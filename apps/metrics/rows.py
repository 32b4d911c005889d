"""The rows of a dashboard's tables, ready to be written: cells with text, sort key and sparkline; checks with their evidence."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson
from django.utils.text import slugify

from apps.metrics.board import Column, NodeRows, Table
from apps.metrics.kernel import Check, Row, State, Verdict
from apps.metrics.readings import Readings, SparkKey
from apps.metrics.registry import checks
from apps.metrics.units import show

MUTED = "muted"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
SHORT, LONG = 24, 60  # characters
_ORDER = (State.FAIL, State.ERROR, State.NO_DATA, State.WARN, State.INCONCLUSIVE, State.PASS)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what is shown, what it sorts by, and the last hour of its metric where a trend matters."""

    text: str
    sort: str
    numeric: bool = False
    code: bool = False
    spark: Sequence[float | None] = ()
    moment: datetime | None = None
    href: str = ""

    @property
    def long(self) -> bool:
        """Whether it is a text of several lines: a query, a path."""
        return not self.numeric and len(self.text) > LONG

    @property
    def css(self) -> str:
        """Its classes: numbers to the right, code in mono, short words unbroken, long ones in a column wide enough."""
        if self.numeric:
            return "num"
        length = len(self.text)
        return (
            f"{'code ' if self.code else ''}{'long' if length > LONG else 'nowrap' if length < SHORT else ''}".strip()
        )


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object of a table on one node; `key`: an id for what unfolds in it, the same after a poll."""

    key: str
    node: str
    at: datetime
    stale: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class DrawnTable:
    """A table with its rows; `more` counts those beyond its limit, `asked` the question behind it."""

    table: Table
    rows: tuple[ObjectRow, ...]
    more: int
    asked: str
    by_node: bool


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A verdict with all that answers "how do we know?": the question, the raw row it was read from, and when."""

    check: Check
    verdict: Verdict
    look: str
    value: str
    stale: bool
    question: str
    raw: str
    first: bool  # of its check: the one that links lead to

    @property
    def key(self) -> str:
        """An id for the page, unique among its checks."""
        return "-".join(filter(None, [self.check.id.replace(".", "-"), self.verdict.node, self.verdict.object]))


def tables(data: Readings, declared: Sequence[Table]) -> list[DrawnTable]:
    """All tables of a board, drawn; sparklines of all of them in one query."""
    sparks = data.sparks(column.spark for table in declared for column in table.columns if column.spark)
    return [_drawn(data, table, sparks) for table in declared]


def _drawn(data: Readings, table: Table, sparks: Mapping[SparkKey, Sequence[float | None]]) -> DrawnTable:
    answers, keys = data.rows(table.source), Counter[str]()
    made = []
    for answer in answers:
        for row in table.of(answer.rows)[: table.limit]:
            stale = data.stale(table.source, answer.node, answer.at)
            cells = tuple(_cell(column, row, answer.node, sparks) for column in table.columns)
            key = _key(table, row, answer.node, keys) if any(cell.long for cell in cells) else ""
            made.append(ObjectRow(key, answer.node, answer.at, stale, cells))
    total = sum(len(table.of(answer.rows)) for answer in answers)
    asked = next((answer.question for answer in answers if answer.question), "")
    by_node = any(answer.node for answer in answers) and "node" not in {column.key for column in table.columns}
    return DrawnTable(table, tuple(made[: table.limit]), max(total - table.limit, 0), asked, by_node)


def _key(table: Table, row: Row, node: str, used: Counter[str]) -> str:
    key = f"row-{table.id}-{slugify(node or row.get('node') or '')}-{slugify(row.get('object') or '')}"
    used[key] += 1
    return f"{key}-{used[key]}"


def _cell(column: Column, row: Row, node: str, sparks: Mapping[SparkKey, Sequence[float | None]]) -> Cell:
    value = row.get(column.key)
    of = node or str(row.get("node", ""))  # a tier probe's rows tell their node themselves
    spark = sparks.get((column.spark, of, str(row.get("object", ""))), ()) if column.spark else ()
    if column.unit is not None:
        number = float(value) if isinstance(value, (int, float)) else None
        return Cell(show(number, column.unit), "" if number is None else repr(number), numeric=True, spark=spark)
    part = str(row.get(column.link) or "") if column.link else ""
    href = f"{quote(part, safe='')}/" if part else ""  # one part of a path, whatever the tier wrote
    text = "–" if value is None or (value == "" and not href) else _flat(value)  # a link says that it has no text
    return Cell(text, text.casefold(), code=column.code, spark=spark, moment=_moment(value), href=href)


def _moment(value: Any) -> datetime | None:
    """A moment in ISO 8601, as answers keep them; None for any other text."""
    if not isinstance(value, str) or not _MOMENT.match(value):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _flat(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return str(value)


def check_rows(data: Readings) -> list[CheckRow]:
    """Every verdict of the room, worst first, then in the order of the declarations; those that are not judged last."""
    place = {check_id: index for index, check_id in enumerate(checks())}
    known = checks()
    muted = {check.id for check in known.values() if check.shadow}
    ordered = sorted(
        data.verdicts,
        key=lambda v: (v.check_id in muted, _ORDER.index(v.state), place.get(v.check_id, 0), v.node, v.object),
    )
    seen: set[str] = set()
    made = []
    for verdict in ordered:
        if check := data.limits.of(verdict.check_id, verdict.node):
            made.append(check_row(data, check, verdict, first=check.id not in seen))
            seen.add(check.id)
    return made


def check_row(data: Readings, check: Check, verdict: Verdict, first: bool = True) -> CheckRow:
    """One verdict with its evidence."""
    answers = data.rows(check.source)
    answer = next((a for a in answers if a.node == verdict.node), answers[0] if len(answers) == 1 else None)
    return CheckRow(
        check,
        verdict,
        MUTED if check.shadow else verdict.state.value,
        show(verdict.value, check.unit),
        verdict.at is not None and data.now - verdict.at > check.stale_after,
        answer.question if answer else "",
        _raw(answer, verdict),
        first,
    )


def _raw(answer: NodeRows | None, verdict: Verdict) -> str:
    """The row a verdict was read from, as JSON; all rows (at most ten) where none bears its object's or node's name."""
    if answer is None:
        return ""
    name = verdict.object or (verdict.node if not answer.node else "")
    named = [row for row in answer.rows if name and name in {str(row.get("object", "")), str(row.get("node", ""))}]
    rows = (named or list(answer.rows))[:10]
    return orjson.dumps(rows[0] if len(rows) == 1 else rows, option=orjson.OPT_INDENT_2, default=str).decode()[:4000]
