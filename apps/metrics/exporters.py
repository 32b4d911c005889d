"""The names that exporters of Prometheus give to what the portal reads too, so that dashboards and alerts made for them go on working.

Each room says in its `exported.py` which column of which probe bears which name; here is how such a declaration is written and read.
The names are those of postgres_exporter, prometheus-community's pgbouncer_exporter and redis_exporter.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import orjson

from apps.accounts.statements import ask
from apps.metrics.kernel import Row, Rows

ANSWERED = (Path(__file__).parent / "sql" / "answered.sql").read_text(encoding="utf-8")
Shape = Callable[[Rows], Rows]


class Kind(StrEnum):
    """The type of a metric, as the format names it."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Exported:
    """One column of a probe's rows under the name that an exporter gives it.

    `labels`: the exporter's label to the column with its value; `fixed`: to a value; `scale`: what the column is multiplied with to be in
    the exporter's unit; `shape`: turns the kept rows into those that have the column.
    """

    name: str
    kind: Kind
    probe: str
    column: str
    labels: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0
    shape: Shape = tuple


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of an exporter: its name and type, labels, value."""

    name: str
    kind: Kind
    labels: Mapping[str, str]
    value: float


NO_LABELS: Mapping[str, str] = MappingProxyType({})


def named(
    kind: Kind,
    probe: str,
    names: Mapping[str, str],
    labels: Mapping[str, str] = NO_LABELS,
    scale: float = 1.0,
    shape: Shape = tuple,
) -> tuple[Exported, ...]:
    """Several columns of one probe that have labels and shape in common: `names` is column to name."""
    return tuple(
        Exported(name, kind, probe, column, labels, scale=scale, shape=shape) for column, name in names.items()
    )


def turned(key: str, value: str) -> Shape:
    """For rows of names and values: one row with a column for each name.

    >>> turned("list", "items")(({"list": "pools", "items": 1}, {"list": "users", "items": 4}))
    ({'pools': 1, 'users': 4},)
    """
    return lambda rows: ({row[key]: row[value] for row in rows},)


def readings(declared: tuple[Exported, ...]) -> Iterator[Reading]:
    """What all watched nodes that answered lately say under these names; one read of the portal's own store.

    A series stands once, as the format wants it: of two rows that only differ in what an exporter does not tell, the first.
    """
    by_probe: dict[str, list[Exported]] = {}
    for one in declared:
        by_probe.setdefault(one.probe, []).append(one)
    told = set()
    for tier, node, probe, rows in ask(ANSWERED, {"probes": list(by_probe)}):
        known = orjson.loads(rows)
        for one in by_probe[probe]:
            for row in one.shape(tuple(known)):
                value = _number(row.get(one.column))
                labels = {"tier": tier, "node": node or str(row.get("node") or ""), **_labels(one, row)}
                key = (one.name, *labels.items())
                if value is not None and key not in told:
                    told.add(key)
                    yield Reading(one.name, one.kind, labels, value * one.scale)


def _labels(one: Exported, row: Row) -> dict[str, str]:
    found = {label: row.get(column) for label, column in one.labels.items()}
    return {label: "" if value is None else str(value) for label, value in found.items()} | dict(one.fixed)


def _number(value: object) -> float | None:
    """A kept value as a number; settings are kept as text. None for whatever is none."""
    if isinstance(value, bool | int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
