"""Carrying rows into a table: ours, what Django and the driver offer, and a bare binary COPY of the same rows.

The servers' CPU is left out: ours hangs up after each run, and a backend that ended cannot be asked any more.
"""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import psycopg
from django.db import connection, models

from apps.batch import How, Table, create, table, upsert
from apps.lab.layout import Node
from apps.lab.tier import Lab
from bench.harness import Contestant, Goal, Part, Times, machine, race, report
from bench.harness import table as drawn
from bench.streamed import COLUMNS

TYPES = ("int8", "timestamptz", "float8", "text")
MAKE = b"""
DROP TABLE IF EXISTS bench_batch;
CREATE TABLE bench_batch (id int8 PRIMARY KEY, at timestamptz NOT NULL, value float8, label text);
"""
INSERT = b"INSERT INTO bench_batch (id, at, value, label) VALUES (%s, %s, %s, %s)"
ON_CONFLICT = b" ON CONFLICT (id) DO UPDATE SET at = excluded.at, value = excluded.value, label = excluded.label"
COPY = b"COPY %s (id, at, value, label) FROM STDIN (FORMAT BINARY)"
STAGE = b"CREATE TEMPORARY TABLE stage ON COMMIT DROP AS TABLE bench_batch WITH NO DATA"
DJANGO_BATCH = 1000
SHARE = 10  # the peers carry a tenth of the rows: they are that much slower, and their rate hardly depends on it
PEAK = 200  # MB
FEW = {"create, instances", "bulk_create", "executemany"}
Row = tuple[int, datetime, float, str]


class Measured(models.Model):
    """The table as Django sees it."""

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    value = models.FloatField(null=True)
    label = models.TextField(null=True)  # noqa: DJ001  as the table is

    objects: ClassVar[models.Manager["Measured"]] = models.Manager()

    class Meta:
        app_label = "batch"
        managed = False
        db_table = "bench_batch"

    def __str__(self) -> str:
        return self.label or ""


class Ways:
    """The contestants' ways to write the same rows; each commits."""

    def __init__(self, address: str, rows: list[Row]) -> None:
        self.address, self.rows, self.few = address, rows, rows[: len(rows) // SHARE]
        self.plain = psycopg.connect(address, autocommit=True)
        self.target: Table = table("public.bench_batch", address)

    def empty(self) -> None:
        """Nothing in the table."""
        self.plain.execute("TRUNCATE bench_batch")

    def half(self) -> None:
        """Every second row is there, with another value."""
        self.empty()
        with self.plain.cursor().copy(COPY % b"bench_batch") as stream:
            stream.set_types(TYPES)
            for row in self.rows[::2]:
                stream.write_row((row[0], row[1], 0.0, "before"))
        self.plain.execute("VACUUM ANALYZE bench_batch")

    def ours(self, operation: Callable[..., Any], parallel: int, target: Any = None) -> Callable[[], object]:
        """One of our operations; it must succeed."""

        def run() -> None:
            how = How(parallel=parallel)
            result = operation(target or self.target, iter(self.rows), columns=COLUMNS, using=self.address, how=how)
            assert result.ok, result.errors

        return run

    def instances(self) -> None:
        """Ours, of model instances made on the way."""
        made = (Measured(id=row[0], at=row[1], value=row[2], label=row[3]) for row in self.few)
        assert create(Measured, made).ok

    def django(self, *, conflicts: bool) -> Callable[[], object]:
        """bulk_create, instances made on the way."""
        options: dict[str, Any] = {"batch_size": DJANGO_BATCH}
        if conflicts:
            options |= {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["at", "value", "label"]}

        def run() -> None:
            made = [Measured(id=row[0], at=row[1], value=row[2], label=row[3]) for row in self.few]
            Measured.objects.bulk_create(made, **options)

        return run

    def executemany(self, statement: bytes) -> Callable[[], object]:
        """The driver's pipelined executemany, one transaction."""

        def run() -> None:
            with self.plain.transaction(), self.plain.cursor() as cursor:
                cursor.executemany(statement, self.few)

        return run

    def copy(self, name: bytes) -> None:
        """Bare binary COPY in the transaction that is open, or one of its own."""
        with self.plain.cursor().copy(COPY % name) as stream:
            stream.set_types(TYPES)
            for row in self.rows:
                stream.write_row(row)

    def copy_merged(self) -> None:
        """Bare binary COPY aside and one INSERT … ON CONFLICT from there."""
        with self.plain.transaction():
            self.plain.execute(STAGE)
            self.copy(b"stage")
            self.plain.execute(b"INSERT INTO bench_batch TABLE stage" + ON_CONFLICT)


def main(lab: Lab, quick: bool) -> None:
    """Measure and print."""
    count, rounds = (100_000, 2) if quick else (300_000, 7)
    start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=1)
    rows = [(n, start + n * step, n * 0.5, f"label {n % 1000}") for n in range(count)]
    address = lab.layout.dsn(Node.STORE, "opsportal_owner")  # it empties the table between two contestants
    with psycopg.connect(address, autocommit=True) as making:
        making.execute(MAKE)
        making.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON bench_batch TO opsportal_app")
        try:
            ways = Ways(address, rows)

            inserted = race(_inserting(ways), rounds, list)
            merged = race(_upserting(ways), rounds, list)
            ways.empty()
            streamed = _streamed(address, 500_000 if quick else 10_000_000)
        finally:
            connection.close()
            making.execute("DROP TABLE bench_batch")
    _report(count, rounds, inserted, merged, streamed)


def _inserting(ways: Ways) -> list[Contestant]:
    return [
        Contestant("create", Part.OURS, ways.ours(create, 1), settle=ways.empty),
        Contestant("create, 2 parallel", Part.OURS, ways.ours(create, 2), settle=ways.empty),
        Contestant("create, instances", Part.OURS, ways.instances, settle=ways.empty),
        Contestant("bulk_create", Part.PEER, ways.django(conflicts=False), settle=ways.empty),
        Contestant("executemany", Part.PEER, ways.executemany(INSERT), settle=ways.empty),
        Contestant("bare COPY", Part.FLOOR, lambda: ways.copy(b"bench_batch"), settle=ways.empty),
    ]


def _upserting(ways: Ways) -> list[Contestant]:
    return [
        Contestant("upsert", Part.OURS, ways.ours(upsert, 1), settle=ways.half),
        Contestant("upsert, 2 parallel", Part.OURS, ways.ours(upsert, 2), settle=ways.half),
        Contestant("bulk_create", Part.PEER, ways.django(conflicts=True), settle=ways.half),
        Contestant("executemany", Part.PEER, ways.executemany(INSERT + ON_CONFLICT), settle=ways.half),
        Contestant("bare COPY and merge", Part.FLOOR, ways.copy_merged, settle=ways.half),
    ]


def _streamed(address: str, count: int) -> tuple[int, float, float]:
    """Rows, peak memory in MB and seconds of a process that carries so many."""
    run = subprocess.run(
        [sys.executable, "-m", "bench.streamed", str(count)], input=address, capture_output=True, text=True, check=True
    )
    peak, seconds = run.stdout.split()
    return count, float(peak), float(seconds)


def _report(
    count: int, rounds: int, inserted: dict[str, Times], merged: dict[str, Times], streamed: tuple[int, float, float]
) -> None:
    head = ("thousand rows/s", "by wall", "to the floor", "own CPU, µs/row")
    tables = [
        _drawn(f"Insert {count:,} rows: medians of {rounds} interleaved rounds", head, count, inserted, "bare COPY"),
        _drawn(f"Upsert {count:,} rows, half of them there", head, count, merged, "bare COPY and merge"),
        drawn(
            "A stream in a process of its own",
            ("rows", "peak memory, MB", "thousand rows/s"),
            [(f"{streamed[0]:,}", streamed[1], streamed[0] / streamed[2] / 1000)],
        ),
    ]
    goals = [
        Goal("insert to bare COPY", _ratio(inserted, "create", "bare COPY"), 0.85, least=True),
        Goal("insert, 2 parallel, to bare COPY", _ratio(inserted, "create, 2 parallel", "bare COPY"), 0.85, least=True),
        Goal("insert to bulk_create", _ratio(inserted, "create", "bulk_create"), 15, least=True),
        Goal("upsert to bare COPY and merge", _ratio(merged, "upsert", "bare COPY and merge"), 0.85, least=True),
        Goal(
            "upsert, 2 parallel, to the same",
            _ratio(merged, "upsert, 2 parallel", "bare COPY and merge"),
            0.85,
            least=True,
        ),
        Goal("upsert to bulk_create", _ratio(merged, "upsert", "bulk_create"), 5, least=True),
        Goal("peak memory of a stream, MB", streamed[1], PEAK),
    ]
    version = connection.cursor().connection.info.parameter_status("server_version")
    raw = {
        what: {name: {part: found.median(part) for part in ("wall", "cpu")} for name, found in times.items()}
        for what, times in (("insert", inserted), ("upsert", merged))
    }
    report(
        "batch", tables, goals, machine(postgresql=version, psycopg=psycopg.__version__), {**raw, "stream": streamed}
    )


def _drawn(title: str, head: tuple[str, ...], count: int, times: dict[str, Times], floor: str) -> str:
    rows = []
    for name, found in times.items():
        micro = 1e6 / _carried(name, count)
        rate, ratio = 1000 / (found.median("wall") * micro), _ratio(times, name, floor)
        rows.append((name, rate, f"{ratio:.2f} ×", found.median("cpu") * micro))
    return drawn(title, head, rows)


def _carried(name: str, count: int) -> int:
    return count // SHARE if name in FEW else count


def _ratio(times: dict[str, Times], name: str, to: str) -> float:
    """How many times the rows per second of another."""
    one, other = (times[which].median("wall") / _carried(which, SHARE) for which in (name, to))
    return other / one
