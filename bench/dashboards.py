"""All lines that a dashboard of the real tier reads, over 30 days and over a year."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg

from apps.metrics import chunks
from apps.metrics.board import Board
from apps.metrics.levels import HOUR, ONE_HOUR, floored
from apps.metrics.models import Series, Tier
from apps.metrics.ranges import Range
from apps.metrics.readings import Readings
from apps.metrics.rolls import rolled
from apps.overview.summary import boards
from bench.recording import Recorded


def dashboards_drawn(
    owner: psycopg.Connection, tier: Tier, recorded: Sequence[Recorded], end: datetime
) -> list[tuple[str, int, float, float]]:
    """Every dashboard of the real tier over 30 days and over a year: how many series, median milliseconds for all its lines."""
    rng = np.random.default_rng(2)
    hours = 400 * 24
    ids = {
        (node or "", metric, of): pk
        for pk, node, metric, of in Series.objects.filter(tier=tier).values_list("id", "node__name", "metric", "object")
    }
    begin = floored(end - hours * HOUR, ONE_HOUR.span)
    owner.execute("SELECT metrics_make_partitions(%s, 400)", [begin.date()])
    owner.execute("SELECT metrics_make_partitions(%s, 60)", [(begin + timedelta(days=400)).date()])
    owner.execute("TRUNCATE metrics_sealed")
    for place in range(0, hours, 768):
        when = begin + place * HOUR
        times = np.arange(768, dtype=np.int64) * 3_600_000 + round(when.timestamp() * 1000)
        packed = []
        for one in recorded:
            values = one.longer(768 * 6, rng)
            columns = rolled(values, np.arange(0, len(values), 6))
            packed.append((ids[one.node, one.metric, one.object], chunks.pack(chunks.Stretch(times, columns))))
        owner.execute(
            "SELECT metrics_keep_chunks('metrics_chunk_1h', %s, %s, %s)",
            [when, [pk for pk, _ in packed], [content for _, content in packed]],
        )
    owner.execute("INSERT INTO metrics_sealed (hour, polls) VALUES (%s, 0)", [end - HOUR])
    for name, kept in (("sample", 2), ("poll", 14), ("chunk_raw", 14), ("chunk_5m", 100)):  # as maintenance would
        owner.execute(
            "SELECT metrics_drop_partitions(%s, %s)", [f"metrics_{name}", (end - timedelta(days=kept)).date()]
        )
    owner.execute("ANALYZE metrics_chunk_1h")
    return [_dashboard(tier, board) for board in boards()]


def _dashboard(tier: Tier, board: Board) -> tuple[str, int, float, float]:
    now = datetime.now(UTC)
    found = []
    for days in (30, 365):
        times = []
        lines: list[object] = []
        for _ in range(7):
            began = datetime.now(UTC)
            lines = list(Readings(tier, board.room, ()).lines(board.charts, Range(now - timedelta(days=days), now)))
            times.append((datetime.now(UTC) - began).total_seconds() * 1000)
        found.append((len(lines), float(np.median(times))))
    return board.room, found[0][0], found[0][1], found[1][1]
