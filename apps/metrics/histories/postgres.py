"""Samples in the portal's own PostgreSQL: rows of the last days, chunks of every level before."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import psycopg
import structlog
from django.db import connection
from numpy.typing import NDArray

from apps.metrics import chunks, copyformat, damaged, seal
from apps.metrics.chunks import chained
from apps.metrics.histories import Key
from apps.metrics.kernel import Row
from apps.metrics.levels import HOUR, RAW, Grid, grid
from apps.metrics.lines import Grain, Line
from apps.metrics.models import Tier
from apps.metrics.rolls import NEEDS, Numbers, interruption, merged, singled, starts_of, steps_of, thinned
from apps.metrics.store import SeriesBook, copy_stream

log = structlog.get_logger()

LINES = (Path(__file__).parent.parent / "sql" / "lines.sql").read_text(encoding="utf-8")
AT_ONCE = 36_000
"""Numbers of chunks that are read at once: with what is made of them they stay in the processor's cache."""
ROWS = {
    "avg": "sum(value) AS first, count(value)::float8 AS second",
    "max": "max(value) AS first, NULL::float8 AS second",
    "min": "min(value) AS first, NULL::float8 AS second",
    "count": "count(value)::float8 AS first, NULL::float8 AS second",
    "last": "(array_agg(value ORDER BY at DESC) FILTER (WHERE value IS NOT NULL))[1] AS first, NULL::float8 AS second",
}

Name = tuple[str, str, str]
"""Of a series: metric, node, object."""
Part = tuple[NDArray[np.int64], tuple[Numbers, ...]]
"""Numbers of steps, and for each the columns that the way of thinning out needs."""


class PostgresHistory:
    """The default: nothing else to run."""

    def __init__(self) -> None:
        self._book = SeriesBook()

    def write(self, tier: Tier, slot: datetime, values: Mapping[Key, float | None]) -> None:
        """Rows by one binary COPY."""
        ids = self._book.ids(tier.pk, values)
        numbers = np.fromiter((np.nan if v is None else v for v in values.values()), np.float64, len(values))
        numbers[~np.isfinite(numbers)] = np.nan  # not a number is no number
        series = np.fromiter((ids[key] for key in values), np.int64, len(values))
        times = np.full(len(values), round(slot.timestamp() * 1000), np.int64)
        copy_stream("metrics_sample", ("series_id", "at", "value"), copyformat.written(series, times, numbers))

    def settle(self, now: datetime) -> int:
        """Seal the hours that are over."""
        return seal.seal_due(now)

    def state(self, now: datetime) -> Row:
        """How long the oldest unsealed hour has been due: where none was ever sealed, that of the first poll."""
        until = seal.sealed_until() or seal.first_polled()
        behind = (now - until - HOUR - seal.GRACE).total_seconds() if until else 0.0
        return {"history_behind_seconds": max(behind, 0.0), "history_lost_polls": 0}

    def lines(
        self,
        tier: Tier,
        metrics: Sequence[str],
        start: datetime,
        end: datetime,
        points: int,
        reduce: str,
        *,
        objects: Sequence[str] | None = None,
    ) -> list[Line]:
        """One query, whatever the range and however many series."""
        wanted = grid(start, end, points, datetime.now(UTC))
        return drawn(metrics, read(tier, metrics, wanted, (wanted.origin, end), reduce, objects), wanted, reduce)


def drawn(metrics: Sequence[str], found: Mapping[Name, Sequence[Part]], wanted: Grid, reduce: str) -> list[Line]:
    """Lines of what was read, in the order of the metrics."""
    order = {metric: place for place, metric in enumerate(metrics)}
    grain = Grain(reduce, wanted.step, wanted.level.title)
    return [_line(key, found[key], wanted, grain) for key in sorted(found, key=lambda key: (order[key[0]], key))]


def read(
    tier: Tier,
    metrics: Sequence[str],
    wanted: Grid,
    within: tuple[datetime, datetime],
    reduce: str,
    objects: Sequence[str] | None = None,
) -> dict[Name, list[Part]]:
    """What the store has of each series (metric, node, object), chunk by chunk and step by step."""
    level, (start, end) = wanted.level, within
    columns = [level.columns.index(name) for name in NEEDS[reduce]] if level is not RAW else None
    low, high = (round(moment.timestamp() * 1000) for moment in (start, end))
    parameters = {
        "tier": tier.pk,
        "metrics": list(metrics),
        "objects": None if objects is None else list(objects),
        "first": start - level.span,
        "start": start,
        "end": end,
        "origin": wanted.origin,
        "step": wanted.step,
    }
    found: dict[Name, list[Part]] = defaultdict(list)
    packed: dict[Name, list[bytes]] = defaultdict(list)
    rows: dict[Name, list[tuple[int, float | None, float | None]]] = defaultdict(list)
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_statement(level.table, reduce), parameters, binary=True)
        for metric, node, of, chunk, number, first, second in cursor:
            if chunk is None:
                rows[metric, node, of].append((number, first, second))
            else:
                packed[metric, node, of].append(chunk)
    for key, part in _parts(packed, columns, wanted, (low, high), reduce):
        found[key].append(part)
    for key, listed in rows.items():
        table = np.array(listed, np.float64)
        found[key].append((table[:, 0].astype(np.int64), tuple(table[:, 1 : 1 + len(NEEDS[reduce])].T)))
    return found


def _parts(
    packed: Mapping[Name, Sequence[bytes]],
    columns: Sequence[int] | None,
    wanted: Grid,
    within: tuple[int, int],
    reduce: str,
) -> Iterator[tuple[Name, Part]]:
    """What the chunks of each series have within a range (milliseconds), in the order of time."""
    chunked = [(key, one) for key, ones in packed.items() for one in sorted(ones, key=chunks.begin_of)]
    many = math.ceil(AT_ONCE / wanted.level.most)
    for at in range(0, len(chunked), many):
        for key, same in groupby(_unpacked(chunked[at : at + many], columns), itemgetter(0)):
            for stretch in chained([stretch for _key, stretch in same]):
                if part := stretch.within(*within):
                    yield key, _stepped(part, wanted, reduce)


def _unpacked(
    chunked: Sequence[tuple[Name, bytes]], columns: Sequence[int] | None
) -> Iterator[tuple[Name, chunks.Stretch]]:
    """Chunks with their series. One that is damaged is left out, which makes a gap, and said in the log."""
    keys, ones = zip(*chunked, strict=True)
    try:
        stretches = chunks.unpack_all(ones, columns)
    except chunks.UnknownChunk as error:
        if len(chunked) > 1:
            for one in chunked:
                yield from _unpacked([one], columns)
            return
        (metric, node, of), begin = keys[0], chunks.begin_of(ones[0])
        damaged.note(ones[0])
        log.error("history.damaged", metric=metric, node=node, object=of, begin_ms=begin, error=str(error))
    else:
        yield from zip(keys, stretches, strict=True)


def _stepped(stretch: chunks.Stretch, wanted: Grid, reduce: str) -> Part:
    origin, step = round(wanted.origin.timestamp() * 1000), wanted.step * 1000
    numbers, starts = steps_of(stretch.times, origin, step)
    gathered = singled if wanted.level is RAW else merged
    return numbers, gathered(reduce, stretch.columns, starts)


@cache
def _statement(table: str, reduce: str) -> str:
    return LINES.replace("/*chunks*/", table).replace("/*reduce*/", ROWS[reduce])


def _line(key: tuple[str, str, str], parts: Sequence[Part], wanted: Grid, grain: Grain) -> Line:
    """One line of its parts: a step that lies in several of them gets one value. Long stretches without any are gaps."""
    numbers = np.concatenate([part[0] for part in parts])
    columns = tuple(np.concatenate(column) for column in zip(*(part[1] for part in parts), strict=True))
    if (np.diff(numbers) < 0).any():  # chunks come in no order, and a node that was added again has two series
        order = np.argsort(numbers, kind="stable")
        numbers, columns = numbers[order], tuple(column[order] for column in columns)
    starts = starts_of(numbers)
    if not len(starts):
        return Line(*key, [], [], grain)
    values, numbers = thinned(grain.reduce, columns, starts), numbers[starts]
    apart = np.diff(numbers)
    gaps = np.flatnonzero(apart > interruption(apart)) + 1
    values = np.insert(values, gaps, np.nan)
    numbers = np.insert(numbers, gaps, numbers[gaps - 1] + 1)
    times = wanted.origin.timestamp() + numbers * wanted.step
    measured = [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  NaN alone differs from itself
    return Line(*key, times.tolist(), measured, grain)
