"""History: rows a second into it, bytes a sample in it, and ranges out of it, beside Prometheus and VictoriaMetrics."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import psycopg
from django.db import connection, models
from numpy.typing import NDArray

from apps.lab.layout import Layout, Node
from apps.lab.tier import Lab
from apps.metrics import copyformat, seal, store
from apps.metrics.histories import postgres
from apps.metrics.kernel import NodeKind
from apps.metrics.levels import HOUR, RAW, Grid, floored
from apps.metrics.models import Node as Watched
from apps.metrics.models import Series, Slot, Tier
from apps.metrics.ranges import Range
from bench import stores
from bench.dashboards import dashboards_drawn
from bench.ground import store_pids
from bench.harness import Contestant, Goal, Part, Times, machine, race, report, table
from bench.history import furnish
from bench.recording import Recorded, mixed, record
from bench.year import year

SLUG = "bench-history"
STEP = timedelta(seconds=10)
KEPT = ("metrics_sample", "metrics_poll", "metrics_chunk_raw", "metrics_chunk_5m", "metrics_chunk_1h", "metrics_sealed")
OURS, BULK, MANY, FLOOR = "portal", "bulk_create", "executemany", "packed binary COPY"
EXACT, TAKEN = "portal, single samples", "portal, the level it takes"


class BenchSample(models.Model):
    """A table laid out like a day's partition of samples."""

    pk = models.CompositePrimaryKey("series_id", "at")
    series_id = models.BigIntegerField()
    at = models.DateTimeField()
    value = models.FloatField(null=True)

    objects: ClassVar[models.Manager["BenchSample"]] = models.Manager()

    class Meta:
        app_label, db_table, managed = "metrics", "bench_sample", False

    def __str__(self) -> str:
        return f"{self.series_id} {self.at:%H:%M:%S}"


def main(lab: Lab, quick: bool) -> None:
    """Measure and print."""
    days, many, polls, rounds = (3, 10, 40, 3) if quick else (30, 48, 180, 9)
    tier = furnish(lab.layout)
    with _own_history(lab.layout) as owner:
        recorded = record(lab.layout, tier, polls)
        ingest = _ingest(lab, owner, recorded, rounds)
        mine = Tier.objects.create(slug=SLUG, name="Bench")
        rng = np.random.default_rng(1)
        chosen = mixed(recorded, many)
        count = days * 8640
        series = [one.longer(count, rng) for one in chosen]
        end = floored(datetime.now(UTC), HOUR) - 2 * HOUR
        start = end - timedelta(days=days)
        sealed = _fill(owner, mine, chosen, series, start)
        with tempfile.TemporaryDirectory(dir=lab.layout.directory) as folder, ExitStack() as stack:
            peers = [stack.enter_context(make(Path(folder))) for make in (stores.prometheus, stores.victoria_metrics)]
            for peer in peers:
                peer.fill(series, round(start.timestamp() * 1000), 10_000)
            sizes = _sizes(owner, peers, sum(int(np.isfinite(values).sum()) for values in series))
            lively = [n for n, one in enumerate(chosen) if one.lively] or [0]
            ranges = _ranges(lab, mine, peers, lively[len(lively) // 2], Range(start, end), rounds * 3)
        dashboards = dashboards_drawn(owner, tier, recorded, end)
        long = year(lab, owner, mine, recorded, Range(end - timedelta(days=40 if quick else 365), end), rounds * 3)
    _report(
        lab.layout, Found(ingest, sizes, ranges, long, dashboards, f"{len(chosen)} series over {days} days", sealed)
    )


@contextmanager
def _own_history(layout: Layout) -> Iterator[psycopg.Connection]:
    """The owner's login; all history of this lab is gone before and after."""
    with psycopg.connect(layout.dsn(Node.STORE, "opsportal_owner"), autocommit=True) as owner:

        def forget() -> None:
            owner.execute(f"TRUNCATE {', '.join(KEPT)}")
            owner.execute("DROP TABLE IF EXISTS bench_sample")
            Slot.objects.filter(at__gt=datetime.now(UTC) + timedelta(days=1)).delete()
            Series.objects.filter(tier__slug=SLUG).delete()
            Watched.every.filter(tier__slug=SLUG).delete()
            Tier.objects.filter(slug=SLUG).delete()

        forget()
        try:
            yield owner
        finally:
            forget()


def _ingest(
    lab: Lab, owner: psycopg.Connection, recorded: Sequence[Recorded], rounds: int
) -> tuple[dict[str, Times], int]:
    """The recording as rows, into a table with the same index as a day of samples."""
    owner.execute(
        "CREATE TABLE bench_sample (series_id bigint, at timestamptz, value float8, PRIMARY KEY (series_id, at))"
    )
    slots = len(recorded[0].values)
    now = floored(datetime.now(UTC), HOUR)
    series = np.tile(np.arange(len(recorded), dtype=np.int64), slots)
    times = np.repeat(np.arange(slots, dtype=np.int64) * 10_000 + round(now.timestamp() * 1000), len(recorded))
    values = np.array([one.values for one in recorded]).T.ravel()
    rows = [
        (int(pk), datetime.fromtimestamp(at / 1000, UTC), None if value != value else value)  # noqa: PLR0124
        for pk, at, value in zip(series, times, values.tolist(), strict=True)
    ]
    stream = copyformat.written(series, times, values)
    columns = ("series_id", "at", "value")

    def many() -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO bench_sample VALUES (%s, %s, %s)", rows)

    def bulk() -> None:
        BenchSample.objects.bulk_create(
            [BenchSample(series_id=s, at=at, value=v) for s, at, v in rows], batch_size=5000
        )

    ways: list[tuple[str, Part, Callable[[], object]]] = [
        (
            OURS,
            Part.OURS,
            lambda: store.copy_stream("bench_sample", columns, copyformat.written(series, times, values)),
        ),
        (BULK, Part.PEER, bulk),
        (MANY, Part.PEER, many),
        (FLOOR, Part.FLOOR, lambda: store.copy_stream("bench_sample", columns, stream)),
    ]
    settle = lambda: owner.execute("TRUNCATE bench_sample")  # noqa: E731
    contestants = [Contestant(name, part, run, settle=settle) for name, part, run in ways]
    return race(contestants, rounds, lambda: store_pids(lab)), len(rows)


def _fill(
    owner: psycopg.Connection,
    tier: Tier,
    chosen: Sequence[Recorded],
    series: Sequence[NDArray[np.float64]],
    start: datetime,
) -> float:
    """The rows of all samples, then sealed as the worker does it; CPU seconds of this process for one hour of one series."""
    node = Watched.objects.create(tier=tier, name="n", kind=NodeKind.POSTGRES, address="postgresql://h/d")
    ids = [Series.objects.create(tier=tier, node=node, metric=f"bench.series.s{n}").pk for n in range(len(chosen))]
    count = len(series[0])
    owner.execute("SELECT metrics_make_partitions(%s, %s)", [start.date(), count // 8640 + 3])
    times = np.arange(count, dtype=np.int64) * 10_000 + round(start.timestamp() * 1000)
    for pk, values in zip(ids, series, strict=True):
        content = copyformat.written(np.full(count, pk, np.int64), times, values)
        store.copy_stream("metrics_sample", ("series_id", "at", "value"), content)
    owner.execute("INSERT INTO metrics_sealed (hour, polls) VALUES (%s, 0)", [start - HOUR])
    began = datetime.now(UTC)
    hours = seal.seal_due(start + count * STEP + HOUR + seal.GRACE - timedelta(seconds=1))
    spent = (datetime.now(UTC) - began).total_seconds() / max(hours * len(ids), 1)
    owner.execute(
        "SELECT metrics_drop_partitions('metrics_sample', (metrics_sealed_until() AT TIME ZONE 'UTC')::date - 1)"
    )
    owner.execute("TRUNCATE metrics_sample")
    owner.execute("VACUUM FULL metrics_chunk_raw, metrics_chunk_5m, metrics_chunk_1h")
    return spent


def _sizes(owner: psycopg.Connection, peers: Sequence[stores.Store], samples: int) -> dict[str, float]:
    """Bytes a sample, all told: of single samples, of their five-minute and hourly levels, and of the peers."""
    found = {}
    for level in ("raw", "5m", "1h"):
        row = owner.execute(
            "SELECT coalesce(sum(pg_total_relation_size(inhrelid)) FILTER (WHERE reltuples > 0), 0)::bigint"
            " FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = %s::regclass",
            [f"metrics_chunk_{level}"],
        ).fetchone()
        found[level] = int(row[0]) / samples if row else 0.0
    return found | {peer.name: peer.settled_bytes() / samples for peer in peers}


def _ranges(
    lab: Lab, tier: Tier, peers: Sequence[stores.Store], number: int, within: Range, rounds: int
) -> dict[str, Times]:
    """One series, by its number, over all days to a thousand points."""
    metrics, start, end = [f"bench.series.s{number}"], within.start, within.end
    ours, points = postgres.PostgresHistory(), 1000

    def exact() -> object:
        wanted = Grid(RAW, start, (end - start).total_seconds() / points)
        return postgres.drawn(metrics, postgres.read(tier, metrics, wanted, (start, end), "avg"), wanted, "avg")

    def asked(peer: stores.Store) -> Contestant:
        begin, finish = start.timestamp(), end.timestamp()
        return Contestant(peer.name, Part.PEER, lambda: peer.range(number, begin, finish, points), lambda: [peer.pid])

    contestants = [
        Contestant(TAKEN, Part.OURS, lambda: ours.lines(tier, metrics, start, end, points, "avg")),
        Contestant(EXACT, Part.OURS, exact),
        *map(asked, peers),
    ]
    return race(contestants, rounds, lambda: store_pids(lab))


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured. `what`: the history it was measured on; `sealing`: seconds for one hour of one series."""

    ingest: tuple[dict[str, Times], int]
    sizes: dict[str, float]
    ranges: dict[str, Times]
    year: dict[str, Times]
    dashboards: Sequence[tuple[str, int, float, float]]
    what: str
    sealing: float


def _drawn_out(title: str, found: dict[str, Times]) -> str:
    head = ("way", "wall, ms", "own CPU, ms", "store's CPU, ms")
    return table(title, head, [
        (name, *(one.median(what) * 1000 for what in ("wall", "cpu", "servers"))) for name, one in found.items()
    ])  # fmt: skip


def _report(layout: Layout, found: Found) -> None:
    times, rows = found.ingest
    sealing = f"sealing one hour of one series takes {found.sealing * 1000:.2f} ms"
    sizes, dashboards = found.sizes, found.dashboards
    speed = {name: rows / one.median("wall") for name, one in times.items()}
    wall, year_wall = (
        {name: one.median("wall") * 1000 for name, one in of.items()} for of in (found.ranges, found.year)
    )
    tables = [
        table(f"{rows:,} rows into a table laid out as a day of samples", ("way", "rows/s", "own CPU, ms", "servers' CPU, ms"), [
            (name, f"{speed[name]:,.0f}", one.median("cpu") * 1000, one.median("servers") * 1000) for name, one in times.items()
        ]),
        table(f"Bytes a sample, {found.what}; {sealing}", ("where", "bytes"), sizes.items()),
        _drawn_out("One series over all of it, to 1,000 points", found.ranges),
        _drawn_out("One series over a year, to 1,000 points", found.year),
        table("All lines of a dashboard, ms", ("dashboard", "lines", "30 days", "1 year"), dashboards),
    ]  # fmt: skip
    goals = [
        Goal("rows/s to packed COPY's", speed[OURS] / speed[FLOOR], 0.85, least=True),
        Goal("rows/s to bulk_create's", speed[OURS] / speed[BULK], 10, least=True),
        Goal("bytes a sample to VictoriaMetrics'", sizes["raw"] / sizes["VictoriaMetrics"], 2.0),
        Goal("one series to Prometheus' time", wall[TAKEN] / wall["Prometheus"], 0.5),
        Goal("one series of single samples to Prometheus' time", wall[EXACT] / wall["Prometheus"], 1.1),
        Goal("one series over a year to Prometheus' time", year_wall[TAKEN] / year_wall["Prometheus"], 0.5),
        Goal("slowest dashboard over 30 days, ms", max(one[2] for one in dashboards), 50),
        Goal("slowest dashboard over a year, ms", max(one[3] for one in dashboards), 50),
    ]
    with psycopg.connect(layout.dsn(Node.STORE, "opsportal_owner")) as owner:
        version = owner.info.parameter_status("server_version") or ""
    raw = {
        "rows_per_second": speed,
        "bytes_per_sample": sizes,
        "range_ms": wall,
        "year_ms": year_wall,
        "dashboards": list(dashboards),
    }
    report("samples", tables, goals, machine(postgresql=version, psycopg=psycopg.__version__), raw)
