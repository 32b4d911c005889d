"""Sealing: each hour of samples, once it is over, goes into chunks of every level, in one transaction.

An hour may be sealed as often as one likes: what it adds to a chunk replaces what it added before, so that nothing counts twice. A
crash leaves the hour as it was. An hour to which a late poll added rows is sealed again while its rows are there.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import psycopg
import structlog
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import sql

from apps.metrics import chunks, copyformat, damaged
from apps.metrics.levels import HOUR, LEVELS, Level, floored
from apps.metrics.rolls import rolled, starts_of

log = structlog.get_logger()

GRACE = timedelta(minutes=10)
"""How long after its end an hour is left alone, because a slow poll may still write to it."""
LATE = timedelta(hours=24)
"""For how long after its end an hour is looked at again; its rows are kept for longer than that."""
TOLD = 10
"""How many damaged chunks are named in one line."""
LOCK = 0x6F707361  # one sealer at a time: "opsa"


class Busy(Exception):
    """Another worker is sealing. Whoever goes on to the next hour would put the watermark over one that may yet fail."""


Stretches: TypeAlias = dict[int, chunks.Stretch]


def seal_due(now: datetime) -> int:
    """Seal every hour that is over and not sealed yet, and those that got late rows; how many. One transaction each."""
    sealed = 0
    try:
        for hour in [*_late(), *_unsealed(now)]:
            sealed += seal(hour)
    except Busy:
        log.info("history.busy", sealed=sealed)
    if sealed:
        log.info("history.sealed", hours=sealed)
    return sealed


def seal(hour: datetime) -> bool:
    """Put the rows of one hour into chunks; False where that was done before. Raises Busy.

    Hours must be sealed in their order: the last one that is sealed is the watermark.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise Busy
        polls = _polls(hour)  # counted first: a poll that is committed now makes the hour late, never lost
        cursor.execute("SELECT polls FROM metrics_sealed WHERE hour = %s", [hour])
        if cursor.fetchone() == (polls,):
            return False
        cursor.execute("SELECT metrics_make_partitions(%s, 1)", [hour.date()])
        series, times, values = _rows(hour)
        for level in LEVELS:
            _keep(level, hour, _stretches(level, series, times, values))
        cursor.execute(
            "INSERT INTO metrics_sealed (hour, polls) VALUES (%s, %s)"
            " ON CONFLICT (hour) DO UPDATE SET polls = excluded.polls, sealed_at = now()",
            [hour, polls],
        )
    return True


def sealed_until() -> datetime | None:
    """The watermark: all before it is in chunks. None where nothing is yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(hour) FROM metrics_sealed")
        last: datetime | None = cursor.fetchone()[0]
    return last + HOUR if last else None


def first_polled() -> datetime | None:
    """The hour of the first poll that was ordered and is remembered; None where none is."""
    with connection.cursor() as cursor:
        cursor.execute(_statement("first_slot.sql"))
        first: datetime | None = cursor.fetchone()[0]
    return floored(first.astimezone(UTC), HOUR) if first else None


def _unsealed(now: datetime) -> Iterator[datetime]:
    hour = sealed_until() or _first_hour() or floored(now - 2 * HOUR, HOUR)
    while hour + HOUR + GRACE <= now:
        yield hour
        hour += HOUR


def _first_hour() -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(at) FROM metrics_sample")
        first: datetime | None = cursor.fetchone()[0]
    return floored(first.astimezone(UTC), HOUR) if first else None


def _late() -> list[datetime]:
    """Sealed hours that had fewer polls then than they have now."""
    with connection.cursor() as cursor:
        cursor.execute(_statement("late_hours.sql"), [str(LATE)])
        return [hour.astimezone(UTC) for (hour,) in cursor.fetchall()]


@cache
def _statement(file: str) -> str:
    return (Path(__file__).parent / "sql" / file).read_text(encoding="utf-8")


def _polls(hour: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metrics_poll WHERE at >= %s AND at < %s", [hour, hour + HOUR])
        return int(cursor.fetchone()[0])


def _rows(hour: datetime) -> tuple[copyformat.Ids, copyformat.Times, copyformat.Numbers]:
    """All samples of an hour, by series and time."""
    statement = sql.SQL(
        "COPY (SELECT series_id, at, coalesce(value, 'NaN') FROM metrics_sample WHERE at >= {} AND at < {})"
        " TO STDOUT (FORMAT BINARY)"
    ).format(sql.Literal(hour), sql.Literal(hour + HOUR))
    with connection.cursor() as cursor, cursor.cursor.copy(statement) as stream:
        series, times, values = copyformat.read(b"".join(map(bytes, stream)))
    order = np.lexsort((times, series))
    return series[order], times[order], values[order]


def _stretches(level: Level, series: copyformat.Ids, times: copyformat.Times, values: copyformat.Numbers) -> Stretches:
    """What an hour adds to each series of a level."""
    if level.width is None:
        return _split(series, times, (values,))
    width = int(level.width.total_seconds() * 1000)
    begins = times // width * width
    starts = starts_of(series * (1 << 20) + (begins - begins.min() if len(begins) else begins) // width)
    return _split(series[starts], begins[starts], rolled(values, starts)) if len(series) else {}


def _split(series: copyformat.Ids, times: copyformat.Times, columns: tuple[NDArray[np.float64], ...]) -> Stretches:
    starts = starts_of(series)
    ends = [*starts[1:], len(series)][: len(starts)]
    return {
        int(series[a]): chunks.Stretch(times[a:b], tuple(column[a:b] for column in columns))
        for a, b in zip(starts, ends, strict=True)
    }


def _readable(level: Level, begin: datetime, found: Sequence[tuple[int, bytes]]) -> Stretches:
    """The chunks, by series, that are not damaged. The others begin anew; their hours are sealed again while their rows are there."""
    whole, broken = {}, {}
    for series, packed in found:
        try:
            whole[series] = chunks.unpack(packed)
        except chunks.UnknownChunk as error:
            broken[series] = str(error)
            damaged.note(packed)
    if broken:
        told = {"chunks": len(broken), "series": [*broken][:TOLD], "error": next(iter(broken.values()))}
        log.error("history.damaged", table=level.table, start=begin.isoformat(), **told)
    return whole


def _keep(level: Level, hour: datetime, found: Stretches) -> None:
    """Put an hour's part into the chunks of a level, in place of what that hour had in them before."""
    begin = level.start_of(hour)
    start, end = (int(moment.timestamp() * 1000) for moment in (hour, hour + HOUR))
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            sql.SQL("SELECT series_id, packed FROM {} WHERE start = %s AND series_id = ANY(%s)").format(
                sql.Identifier(level.table)
            ),
            [begin, list(found)],
            binary=True,
        )
        before = _readable(level, begin, cursor.fetchall())
        if len(before) < cursor.rowcount:
            cursor.execute("UPDATE metrics_sealed SET polls = -1 WHERE hour >= %s AND hour < %s", [begin, hour])
        whole = [
            chunks.pack(chunks.joined(before[pk], [part], start, end) if pk in before else part)
            for pk, part in found.items()
        ]
        cursor.execute(
            "SELECT metrics_keep_chunks(%s, %s, %s::bigint[], %s::bytea[])", [level.table, begin, list(found), whole]
        )
