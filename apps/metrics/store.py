"""What was measured, kept: samples by COPY into day partitions, the latest answers and standings beside them.

Reads serve the pages: few queries, no node is ever asked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import psycopg
from django.db import connection, transaction
from django.db.models import F, Max
from psycopg import sql
from psycopg.rows import dict_row

from apps.accounts.statements import ask
from apps.metrics.board import NodeRows
from apps.metrics.histories import history
from apps.metrics.kernel import State, Verdict
from apps.metrics.lines import Line
from apps.metrics.models import Alert, LatestAnswer, NodeStatus, Series, Standing, Tier
from apps.metrics.registry import checks

SQL = Path(__file__).parent / "sql"
TIER_FIELDS = ("id", "slug", "name", "time_zone", "created_at")


def verdicts(tier: Tier, room: str | None = None, now: datetime | None = None) -> list[Verdict]:
    """Present verdicts of a tier (of one room's checks): a value older than its check allows is NO_DATA, whatever it was."""
    now = now or datetime.now(UTC)
    found = Standing.objects.filter(tier=tier)
    if room:
        found = found.filter(check_id__startswith=f"{room}.")
    known = checks()
    fresh = []
    rows = found.order_by("id").values_list("check_id", "node__name", "object", "value", "state", "at")
    for check_id, node, of, value, said, at in rows:
        check = known.get(check_id)
        if check is None:  # a check that no longer exists
            continue
        state = State(said)
        if state.known and (at is None or now - at > check.stale_after):
            state = State.NO_DATA
        fresh.append(Verdict(check_id, node or "", of, value, state, at))
    return fresh


def answers(tier: Tier, probe_ids: Iterable[str]) -> dict[str, list[NodeRows]]:
    """The latest rows of these probes, node by node in the order of the tier."""
    found: dict[str, list[NodeRows]] = {probe: [] for probe in probe_ids}
    rows = LatestAnswer.objects.filter(tier=tier, probe__in=found).annotate(node_name=F("node__name"))
    for row in rows.order_by("node_id"):
        found[row.probe].append(NodeRows(row.node_name or "", row.at, tuple(row.rows), row.question))
    return found


def version(tier: Tier) -> str:
    """Changes with every poll: pages send it and get 204 while it is the same."""
    last = last_slot(tier)
    return f"{last:%Y%m%dT%H%M%S}" if last else "never"


def mark(tier: Tier) -> int:
    """Changes whenever anything that a tier's pages are drawn from was written; see `sql/mark.sql`."""
    with connection.cursor() as cursor:
        cursor.execute(_statement("mark.sql"), {"tier": tier.pk})
        return int(cursor.fetchone()[0])


def mark_of(tier: str) -> str:
    """The same as SQL, to be asked within another statement. `tier`: its id there, such as `t.id`."""
    return _statement("mark.sql").partition("SELECT")[2].replace("%(tier)s", tier)


def tiers(seen: Collection[str] | None, named: str) -> list[tuple[Tier, int | None]]:
    """The tiers of these slugs (None: all), each with `open_alerts`; the mark beside the named one, beside each where none is named."""
    statement = _statement("tiers.sql").replace("/*mark*/", f"SELECT {mark_of('t.id')}")
    found = []
    for *values, alerts, known in ask(statement, {"seen": None if seen is None else list(seen), "named": named}):
        tier = Tier.from_db(connection.alias, TIER_FIELDS, values)
        tier.open_alerts = alerts
        found.append((tier, None if known is None else int(known)))
    return found


def last_slot(tier: Tier) -> datetime | None:
    """The latest slot of which anything was kept; a slot that was only claimed does not count."""
    found: datetime | None = NodeStatus.objects.filter(node__tier=tier).aggregate(last=Max("slot"))["last"]
    return found


def claim(tier: Tier, slot: datetime) -> bool:
    """Take a slot; False when somebody has it."""
    return bool(_rows("claim.sql", [tier.pk, slot]))


@dataclass(frozen=True, slots=True)
class Slots:
    """Since when, within a window, a tier was to be polled; how many slots since then were taken by a worker, how many have rows of any
    node, and the latest of these.
    """

    start: datetime
    kept: int
    claimed: int
    last: datetime | None


def slots(tier: Tier, after: datetime, before: datetime, worker: str) -> Slots:
    """What became of a tier's slots within (after, before). `worker`: the name under which those who poll keep their lives."""
    ((start, kept, claimed, last),) = _rows(
        "slots.sql", {"tier": tier.pk, "from": after, "at": before, "worker": worker}
    )
    return Slots(start, kept, claimed, last)


def inward(worker: str, beat: str, fresh: timedelta) -> dict[str, Any]:
    """What the store knows of the portal's own work; see `sql/inward.sql`. `fresh`: a process that was seen so lately lives."""
    return _named("inward.sql", {"worker": worker, "beat": beat, "fresh": fresh})[0]


def silent_tiers(before: datetime, after: datetime) -> list[tuple[int, datetime]]:
    """Ids of the tiers of which nothing was kept between these moments, each with when something was last."""
    return _rows("silent_tiers.sql", {"before": before, "after": after})


def own_tables() -> list[dict[str, Any]]:
    """How large the portal's own history is; see `sql/own_tables.sql`."""
    return _named("own_tables.sql", ())


def polls(tier: Tier, start: datetime, end: datetime) -> list[tuple[str, datetime, bool]]:
    """Node name, slot, and whether it answered, of every poll within [start, end)."""
    return _rows("polls.sql", {"tier": tier.pk, "start": start, "end": end})


def standings(tier: Tier) -> list[tuple[Any, ...]]:
    """Check, node name (None: the tier's own), object, state, value, at, since, failing since of every verdict that stands."""
    return _rows("standings.sql", [tier.pk])


def open_alerts(tier: Tier) -> list[Alert]:
    """Alerts not closed, worst first, then newest."""
    return sorted(
        Alert.objects.filter(tier=tier, closed_at=None).select_related(
            "tier", "node", "acknowledged_by", "cause", "mute", "mute__by"
        ),
        key=lambda alert: (alert.state != State.FAIL, -alert.opened_at.timestamp()),
    )


def lines(
    tier: Tier,
    metrics: Sequence[str],
    start: datetime,
    end: datetime,
    points: int = 400,
    reduce: str = "avg",
    *,
    objects: Sequence[str] | None = None,
) -> list[Line]:
    """Every series of these metrics (of these objects only, where given) in [start, end), thinned to about `points` values each (average,
    max, min or last of each step).

    A stretch without samples of over two and a half steps is a gap: one None. Raises HistoryUnreachable.
    """
    return history().lines(tier, metrics, start, end, points, reduce, objects=objects)


class SeriesBook:
    """Series ids by what they are of, kept in memory once their transaction is committed; new ones are made once."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, int | None, str, str], int] = {}

    def ids(
        self, tier_id: int, wanted: Iterable[tuple[int | None, str, str]]
    ) -> Mapping[tuple[int | None, str, str], int]:
        """Ids of `(node id, metric, object)`, made where they do not exist yet."""
        keys = {(tier_id, *key) for key in wanted}
        known = self._ids if keys <= self._ids.keys() else self._load(tier_id)
        if missing := keys - known.keys():
            Series.objects.bulk_create(
                [Series(tier_id=t, node_id=n, metric=m, object=o) for t, n, m, o in missing], ignore_conflicts=True
            )
            known = self._load(tier_id)
        if known is not self._ids:
            transaction.on_commit(lambda: self._ids.update(known))
        return {key[1:]: known[key] for key in keys}

    def _load(self, tier_id: int) -> dict[tuple[int, int | None, str, str], int]:
        found = Series.objects.filter(tier_id=tier_id).values_list("id", "node_id", "metric", "object")
        return {(tier_id, node, metric, of): pk for pk, node, metric, of in found}


def copy(table: str, columns: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows into one of our own tables by binary COPY, within the caller's transaction."""
    with connection.cursor() as cursor, cursor.cursor.copy(_copy_into(table, columns)) as stream:
        stream.set_types(list(types))
        for row in rows:
            stream.write_row(row)


def copy_stream(table: str, columns: Sequence[str], content: bytes) -> None:
    """The same for a whole stream that is in the format of binary COPY already; see `copyformat`."""
    with connection.cursor() as cursor, cursor.cursor.copy(_copy_into(table, columns)) as stream:
        stream.write(content)


def _copy_into(table: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


def upsert_answers(tier_id: int, rows: Sequence[tuple[int | None, str, datetime, str, Any, str, str]]) -> None:
    """Replace the latest answers: node id, probe, at, question, rows, failure, message. A failure keeps the rows before."""
    said = [(*row[:4], orjson.dumps(row[4]).decode(), *row[5:]) for row in rows]
    _execute("upsert_answers.sql", tier_id, said)


def upsert_standings(
    tier_id: int,
    rows: Sequence[tuple[int | None, str, str, str, float | None, datetime | None, datetime, datetime | None]],
) -> None:
    """Replace the standings: node id, check, object, state, value, at, since, failing since."""
    _execute("upsert_standings.sql", tier_id, rows)


def update_alerts(
    slot: datetime,
    rows: Sequence[tuple[int, str, float | None, float | None, int | None, int | None, str]],
) -> None:
    """Bring open alerts up to date: id, state, value, threshold, cause's and mute's id, the state that was told."""
    _execute("update_alerts.sql", slot, rows)


def upsert_newest(slot: datetime, rows: Sequence[tuple[int, float | None]]) -> None:
    """Replace the newest samples by series id, where samples are kept elsewhere."""
    _execute("upsert_newest.sql", slot, rows)


def upsert_statuses(slot: datetime, rows: Sequence[tuple[Any, ...]]) -> list[tuple[int, str, str]]:
    """How a poll found the nodes: node id, up, failure, message, role, version, identity, clock offset, duration (seconds).

    Up None: it was left alone, and is as it was. Role, version and identity None: as they were. Returns node id, role before and role now
    of those that changed it.
    """
    return _execute("upsert_statuses.sql", slot, rows)


def _execute(file: str, first: Any, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """One statement for all rows, its parameters bound by the server: quoting documents into a statement costs more than the rest."""
    return _rows(file, [first, *map(array, zip(*rows, strict=True))]) if rows else []


def _rows(file: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_statement(file), values, binary=True)
        return cursor.fetchall() if cursor.description else []


def _named(file: str, values: Sequence[Any] | Mapping[str, Any]) -> list[dict[str, Any]]:
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection, row_factory=dict_row) as cursor:
        return cursor.execute(_statement(file), values, binary=True).fetchall()


def array(column: Iterable[Any]) -> str:
    """A column as PostgreSQL's array literal, to be bound as one parameter: psycopg's own costs ten times as much.

    >>> array([1, None, 0.5, True, 'a "b" \\\\ {c}'])
    '{1,NULL,0.5,true,"a \\\\"b\\\\" \\\\\\\\ {c}"}'
    """
    return f"{{{','.join(map(_element, column))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value.isoformat()}"' if isinstance(value, datetime) else repr(value)


@cache
def _statement(file: str) -> str:
    return (SQL / file).read_text(encoding="utf-8")
