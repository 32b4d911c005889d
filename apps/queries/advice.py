"""Indexes that a plan might profit from: guesses from what it reads from end to end and throws away, judged by the planner where it can be.

Nothing is ever made: with the extension hypopg the planner is asked again as if the index were there; without it the guess stays one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LARGE_PAGES = 1000  # of 8 kB: a table below this is read in no time
FEW = 0.1  # of a table's rows: with more of them an index would not be used
MOST = 3
_EQUAL = r"(?:\)?::[\w \[\]().]+?)?\)* (?:= |IS NULL)"
_RANGE = r"(?:\)?::[\w \[\]().]+?)?\)* (?:<|>|<=|>=|BETWEEN) ?"


@dataclass(frozen=True, slots=True)
class Table:
    """What is known of a table that a plan reads whole: its columns, pages of 8 kB and rows (estimates of the catalog)."""

    columns: Sequence[str]
    pages: int
    rows: float


@dataclass(frozen=True, slots=True)
class Guess:
    """An index that might help: on which table and columns, for which condition, and the plan's cost without and with it.

    `cost_with`: None where nobody could be asked.
    """

    schema: str
    table: str
    columns: tuple[str, ...]
    condition: str
    cost: float
    cost_with: float | None = None

    @property
    def statement(self) -> str:
        """What would make it; shown, never run."""
        names = ", ".join(map(quoted, self.columns))
        return f"CREATE INDEX CONCURRENTLY ON {quoted(self.schema)}.{quoted(self.table)} ({names});"

    @property
    def hypothetical(self) -> str:
        """The same for hypopg, which knows no CONCURRENTLY."""
        return self.statement.replace(" CONCURRENTLY", "").removesuffix(";")

    @property
    def saved(self) -> float | None:
        """The part of the plan's cost that would be saved; None where it is not known."""
        return None if self.cost_with is None or not self.cost else 1 - self.cost_with / self.cost


def quoted(name: str) -> str:
    """An identifier as SQL writes it.

    >>> quoted("created_at"), quoted('odd"name')
    ('created_at', '"odd""name"')
    """
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def guesses(plan: Mapping[str, Any], tables: Mapping[str, Table]) -> list[Guess]:
    """Indexes for the large tables that a plan reads whole although it keeps few of their rows, at most MOST."""
    found: dict[tuple[str, tuple[str, ...]], Guess] = {}
    for scan in scans(plan):
        table = tables.get(f"{scan.get('Schema')}.{scan['Relation Name']}")
        condition = str(scan.get("Filter", ""))
        if table is None or table.pages < LARGE_PAGES or scan["Plan Rows"] > FEW * max(table.rows, 1):
            continue
        columns = columns_of(condition, table.columns)
        if columns:
            guess = Guess(scan["Schema"], scan["Relation Name"], columns, condition, float(plan["Total Cost"]))
            found.setdefault((f"{guess.schema}.{guess.table}", columns), guess)
    return list(found.values())[:MOST]


def scans(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts of a plan that read a table from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


def columns_of(condition: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns of a condition that an index could serve: those compared for equality first, then one that is compared by order.

    >>> columns_of("((m.created_at > $1) AND ((m.status)::text = 'sent'::text))", ["id", "status", "created_at"])
    ('status', 'created_at')
    >>> columns_of("((lower(m.name) = 'x'::text) AND (m.note >= $2))", ["name", "note"])
    ('note',)
    """
    equal, ordered = [], []
    for column in columns:
        name = rf'(?<!\w\()(?<![\w."])(?:\w+\.|"[^"]+"\.)?{re.escape(quoted(column))}'
        if re.search(name + _EQUAL, condition):
            equal.append(column)
        elif re.search(name + _RANGE, condition):
            ordered.append(column)
    return (*equal, *ordered[:1])
