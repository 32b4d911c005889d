"""The portal's own store, asked with this room's questions: which partitions there are, and how they are kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from django.db import connection

from apps.metrics import upkeep
from apps.metrics.probe import Question, sql
from apps.partitions.own import OwnTable, Told, tables

BOUNDS, SIZES = sql(__file__, "bounds"), sql(__file__, "sizes")


class Cursor(Protocol):
    """What Django's cursors and psycopg's have in common."""

    @property
    def connection(self) -> Any:
        """psycopg's connection."""

    @property
    def description(self) -> Sequence[Any] | None:
        """The columns of the last answer, each with its name first."""

    def execute(self, query: Any, /) -> Any:
        """Ask."""

    def fetchall(self) -> list[Any]:
        """All rows of the answer."""


def told(now: datetime) -> Told:
    """What is judged of the tables, read now over Django's connection."""
    with connection.cursor() as cursor:
        return ask(cursor, now)


def own_tables(now: datetime) -> list[OwnTable]:
    """The tables with their sizes, read and judged now."""
    with connection.cursor() as cursor:
        return tables({**ask(cursor, now), "sizes": _rows(cursor, SIZES)}, now)


def asked() -> list[str]:
    """What the store is asked, as its version understands it."""
    major = connection.cursor().connection.info.server_version // 10000
    return [BOUNDS.for_version(major), SIZES.for_version(major), upkeep.question()]


def ask(cursor: Cursor, now: datetime) -> Told:
    """The same over a cursor of one's own; rows as tuples."""
    kept = _rows(cursor, upkeep.question())
    ends = upkeep.ends(now, kept[0]["sealed_until"] if kept else None)
    retention = upkeep.retention()
    return {
        "bounds": _rows(cursor, BOUNDS),
        "kept": [
            {
                **row,
                "setting": upkeep.SETTINGS.get(row["name"], ""),
                "keep_days": retention[row["name"]].days if row["name"] in retention else None,
                "past_before": ends.get(row["name"]),
            }
            for row in kept
        ],
    }


def _rows(cursor: Cursor, question: Question | str) -> list[dict[str, Any]]:
    major = cursor.connection.info.server_version // 10000
    cursor.execute(question if isinstance(question, str) else question.for_version(major))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
