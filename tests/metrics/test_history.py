"""History through all its levels: nothing counted twice, no hole, whatever crashes, comes late or runs twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings
from structlog.testing import capture_logs

from apps.metrics import chunks, damaged, seal, store
from apps.metrics.histories import postgres
from apps.metrics.histories.postgres import PostgresHistory
from apps.metrics.kernel import NodeKind
from apps.metrics.levels import FIVE_MINUTES, HOUR, LEVELS, ONE_HOUR, RAW, Grid, floored, grid
from apps.metrics.models import Node, Series, Tier
from apps.metrics.tasks import maintain
from apps.telemetry.outbox import client, outbox
from tests.conftest import Until

SLOT = timedelta(seconds=10)
METRIC = "pools.pools.waiting"
NOW = floored(datetime.now(UTC), HOUR)
FROM = NOW - 5 * HOUR  # the last hours: all sealed but the last, which is too young


def value_of(at: datetime, of: str) -> float | None:
    """Something to measure: one object counts, another has now and then no number."""
    number = int(at.timestamp()) // 10
    if of == "gaps":
        return None if number % 7 == 0 else number % 1000 + 0.25
    return float(number % 97)


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier with one node."""
    tier = Tier.objects.create(slug="t", name="T")
    Node.objects.create(tier=tier, name="n", kind=NodeKind.POSTGRES, address="postgresql://h/d")
    return tier


def keep(
    tier: Tier, start: datetime, end: datetime, every: timedelta = SLOT, skip: Callable[[int], bool] = lambda _: False
) -> None:
    """Polls of every slot in [start, end)."""
    node = Node.objects.get(tier=tier).pk
    slots = [start + number * every for number in range((end - start) // every) if not skip(number)]
    for of in ("counts", "gaps"):
        series, _new = Series.objects.get_or_create(tier=tier, node_id=node, metric=METRIC, object=of)
        rows = [(series.pk, at, value_of(at, of)) for at in slots]
        store.copy("metrics_sample", ("series_id", "at", "value"), ("int8", "timestamptz", "float8"), rows)
    columns = ("node_id", "at", "failure", "message", "duration_seconds")
    polls = [(node, at, "", "", 0.1) for at in slots]
    store.copy("metrics_poll", columns, ("int8", "timestamptz", "text", "text", "float8"), polls)


def contents() -> dict[str, list[tuple[int, datetime, bytes]]]:
    """Every chunk of every level."""
    found = {}
    with connection.cursor() as cursor:
        for level in LEVELS:
            cursor.execute(f"SELECT series_id, start, packed FROM {level.table} ORDER BY 1, 2")  # noqa: S608  our names
            found[level.name] = [(pk, start, bytes(packed)) for pk, start, packed in cursor.fetchall()]
    return found


def forget_that_it_was_sealed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metrics_sealed SET polls = -1")


def expected(reduce: str, of: str, start: datetime, step: timedelta) -> float | None:
    """The same by hand, from what was measured."""
    slots = [start + n * SLOT for n in range(step // SLOT)]
    values = [v for at in slots if (v := value_of(at, of)) is not None]
    if reduce == "count":
        return float(len(values))
    ways: dict[str, Callable[[list[float]], float]] = {
        "avg": fmean,
        "max": max,
        "min": min,
        "last": lambda all_: all_[-1],
    }
    return ways[reduce](values) if values else None


@pytest.mark.parametrize("reduce", ["avg", "max", "min", "last", "count"])
@pytest.mark.parametrize(("points", "width"), [(1800, 10), (60, 300), (5, 3600)])
def test_every_level_says_the_same_of_the_same_time_across_the_watermark(
    tier: Tier, reduce: str, points: int, width: int
) -> None:
    keep(tier, FROM, NOW)
    assert seal.seal_due(NOW + seal.GRACE / 2) == 4
    lines = store.lines(tier, [METRIC], FROM, NOW, points, reduce)
    assert [line.object for line in lines] == ["counts", "gaps"]
    for line in lines:
        assert line.grain is not None
        assert line.grain.step_seconds == width
        assert len(line.times) == 5 * 3600 // width
        for at, value in zip(line.times, line.values, strict=True):
            assert value == pytest.approx(
                expected(reduce, line.object, datetime.fromtimestamp(at, UTC), timedelta(seconds=width))
            )


@pytest.mark.parametrize("at_once", [1, postgres.AT_ONCE])
@pytest.mark.parametrize("reduce", ["avg", "max", "last", "count"])
def test_a_step_that_lies_in_several_chunks_counts_all_of_them(
    tier: Tier, reduce: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "AT_ONCE", at_once)
    start, step = NOW - 28 * HOUR, 14 * HOUR
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions(%s, 2)", [start.date()])
    keep(tier, start, NOW)
    seal.seal_due(NOW)
    wanted = Grid(RAW, start, step.total_seconds())
    lines = postgres.drawn([METRIC], postgres.read(tier, [METRIC], wanted, (start, NOW), reduce), wanted, reduce)
    assert [line.object for line in lines] == ["counts", "gaps"]
    for line in lines:
        assert list(line.values) == pytest.approx(
            [expected(reduce, line.object, start + n * step, step) for n in (0, 1)]
        )


def test_sealing_again_gives_the_same_bytes(tier: Tier) -> None:
    keep(tier, FROM, NOW)
    seal.seal_due(NOW)
    first = contents()
    forget_that_it_was_sealed()
    assert seal.seal_due(NOW) == 4
    assert contents() == first
    assert seal.seal_due(NOW) == 0


def test_a_damaged_chunk_is_a_gap_until_its_hours_are_sealed_again(tier: Tier, until: Until) -> None:
    end = floored(NOW, RAW.span)
    start = end - RAW.span  # one chunk of single samples
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions(%s, 2)", [start.date()])
    keep(tier, start, end)
    for hour in range(5):
        seal.seal(start + hour * HOUR)
    whole = store.lines(tier, [METRIC], start, start + 5 * HOUR, 1800, "avg")
    with connection.cursor() as cursor:  # as a disk does
        cursor.execute("SELECT series_id, packed FROM metrics_chunk_raw WHERE start = %s ORDER BY 1 LIMIT 1", [start])
        series, packed = cursor.fetchone()
        changed = bytes(packed[:-9]) + bytes([packed[-9] ^ 16]) + bytes(packed[-8:])
        cursor.execute("SELECT metrics_keep_chunks('metrics_chunk_raw', %s, %s, %s)", [start, [series], [changed]])
    with capture_logs() as logged:
        assert store.lines(tier, [METRIC], start, start + 5 * HOUR, 1800, "avg") == whole[1:]
    assert [(line["event"], line["object"], line["log_level"]) for line in logged] == [
        ("history.damaged", "counts", "error")
    ]

    seal.seal(start + 5 * HOUR)
    assert seal.seal_due(start + 6 * HOUR) == 5
    assert store.lines(tier, [METRIC], start, start + 5 * HOUR, 1800, "avg") == whole
    until(outbox.flush)  # it may rest from a Redis that was away
    with client() as there:  # emptied: it is everybody's, and would be told for a day
        assert (damaged.count(there), there.delete(damaged.KEY)) == (1, 1), "read and sealed, it is one"


def test_an_hour_is_sealed_once_it_is_over_and_was_left_alone_for_a_while(tier: Tier) -> None:
    keep(tier, FROM, FROM + HOUR)
    assert seal.seal_due(FROM + HOUR + seal.GRACE - SLOT) == 0
    assert seal.seal_due(FROM + HOUR + seal.GRACE) == 1
    assert seal.sealed_until() == FROM + HOUR


def test_a_poll_that_is_written_late_is_in_every_level_once(tier: Tier) -> None:
    keep(tier, FROM, FROM + 2 * HOUR, skip=lambda number: number == 100)
    seal.seal_due(NOW)
    late = FROM + 100 * SLOT
    keep(tier, late, late + SLOT)
    assert seal.seal_due(NOW) == 1
    found = contents()
    assert [len(chunks.unpack(packed).times) for _pk, _start, packed in found["raw"]].count(720 - 1) == 0
    counted = chunks.unpack(found["1h"][0][2]).columns[ONE_HOUR.columns.index("count")]
    assert counted.tolist()[:2] == [360, 360]


def test_a_crash_in_the_middle_leaves_the_hour_as_it_was_and_the_next_run_finishes(
    tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tier, FROM, FROM + 2 * HOUR)
    seal.seal(FROM)
    before = contents()
    packed, pack = iter(range(100)), chunks.pack

    def crash(stretch: chunks.Stretch) -> bytes:
        if next(packed) == 3:  # the raw level is written, the next one half
            raise MemoryError
        return pack(stretch)

    monkeypatch.setattr(chunks, "pack", crash)
    with pytest.raises(MemoryError):
        seal.seal(FROM + HOUR)
    monkeypatch.undo()
    assert contents() == before
    assert seal.sealed_until() == FROM + HOUR
    seal.seal_due(NOW)
    (line, _gaps) = store.lines(tier, [METRIC], FROM, FROM + 2 * HOUR, 24, "avg")
    assert line.values == [
        pytest.approx(expected("avg", "counts", FROM + n * FIVE_MINUTES.width, FIVE_MINUTES.width))  # type: ignore[operator,arg-type]
        for n in range(24)
    ]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_count_nothing_twice(transactional_db: None) -> None:
    tier = Tier.objects.create(slug="t", name="T")
    Node.objects.create(tier=tier, name="n", kind=NodeKind.POSTGRES, address="postgresql://h/d")
    keep(tier, FROM, FROM + 3 * HOUR)

    def work(_: int) -> int:
        try:
            return seal.seal_due(NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as workers:
        sealed = sum(workers.map(work, range(3)))
    assert sealed + seal.seal_due(NOW) == 4  # the fourth hour is over, and empty
    counted = chunks.unpack(contents()["1h"][0][2]).columns[ONE_HOUR.columns.index("count")]
    assert counted.tolist() == [360, 360, 360]


def test_a_gap_stays_a_gap_at_every_level(tier: Tier) -> None:
    keep(tier, FROM, NOW, skip=lambda number: 360 <= number < 1440)  # three hours nothing was polled
    seal.seal_due(NOW)
    for points in (1800, 60, 5):
        (line, _gaps) = store.lines(tier, [METRIC], FROM, NOW, points, "avg")
        assert line.values.count(None) == 1
        hole = line.values.index(None)
        assert line.times[hole + 1] == (FROM + 4 * HOUR).timestamp()


def test_what_is_asked_every_minute_is_no_gap_every_minute(tier: Tier) -> None:
    keep(tier, FROM, FROM + HOUR, every=timedelta(minutes=1), skip=lambda number: 30 <= number < 35)
    (line, _gaps) = store.lines(tier, [METRIC], FROM, FROM + HOUR, 360, "avg")
    assert line.values.count(None) == 1, "the five minutes without"
    assert len(line.values) == 56


def test_numbers_that_are_none_are_kept_as_none(tier: Tier) -> None:
    node = Node.objects.get().pk
    PostgresHistory().write(tier, FROM, {(node, METRIC, "x"): float("nan"), (node, METRIC, "y"): float("inf")})
    seal.seal_due(NOW)
    assert [line.values for line in store.lines(tier, [METRIC], FROM, FROM + SLOT)] == [[None], [None]]


@pytest.mark.parametrize(
    ("days", "level"), [(0.01, "raw"), (0.25, "raw"), (1, "5m"), (7, "5m"), (30, "1h"), (365, "1h")]
)
def test_a_range_is_read_from_the_coarsest_level_that_is_fine_enough(days: float, level: str) -> None:
    now = datetime.now(UTC)
    found = grid(now - timedelta(days=days), now, 300, now)
    assert found.level.name == level
    assert timedelta(days=days).total_seconds() / found.step <= 300 * 1.25


def test_a_short_range_long_ago_is_read_from_what_is_left_of_it() -> None:
    now = datetime.now(UTC)
    names = [
        grid(now - timedelta(days=ago), now - timedelta(days=ago) + HOUR, 300, now).level.name for ago in (3, 30, 300)
    ]
    assert names == ["raw", "5m", "1h"]


def test_maintenance_seals_and_drops_only_rows_that_are_in_chunks(tier: Tier) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=4)
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions(%s, 3)", [day.date()])
        keep(tier, day, day + 2 * HOUR, every=timedelta(minutes=1))
        with pytest.raises(DatabaseError, match="not all in chunks"), transaction.atomic():
            cursor.execute("SELECT metrics_drop_partitions('metrics_sample', %s)", [day.date() + timedelta(days=2)])
        before = store.lines(tier, [METRIC], day, day + 2 * HOUR, 24, "max")
        maintain()
        cursor.execute("SELECT to_regclass(%s)", [f"metrics_sample_{day:%Y%m%d}"])
        assert cursor.fetchone() == (None,)
    after = store.lines(tier, [METRIC], day, day + 2 * HOUR, 24, "max")
    assert [line.values for line in after] == [line.values for line in before]


def test_each_level_is_kept_as_long_as_its_setting_says(tier: Tier, settings: Settings) -> None:
    settings.RAW_RETENTION = timedelta(days=10)
    settings.HISTORY_RETENTION = {"raw": timedelta(days=10), "5m": timedelta(days=60), "1h": timedelta(days=200)}
    today = datetime.now(UTC).date()

    def kept() -> dict[str, int]:
        """The age in days of the oldest partition of each table, by its end."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT t.name, max(%s - to_date(right(i.inhrelid::regclass::text, 8), 'YYYYMMDD') - t.days)"
                " FROM metrics_history_table t JOIN pg_inherits i ON i.inhparent = to_regclass(t.name) GROUP BY 1",
                [today],
            )
            return dict(cursor.fetchall())

    with connection.cursor() as cursor:
        for ago in (300, 150, 40, 20, 8):
            cursor.execute("SELECT metrics_make_partitions(%s, 1)", [today - timedelta(days=ago)])
    assert all(age > 250 for age in kept().values())
    maintain()
    found = kept()
    assert {name for name, age in found.items() if age < 10} >= {"metrics_poll", "metrics_chunk_raw"}
    assert 10 < found["metrics_chunk_5m"] < 60
    assert 60 < found["metrics_chunk_1h"] < 200


def test_a_table_whose_name_ends_in_other_digits_stops_no_retention(tier: Tier) -> None:
    day = datetime.now(UTC).date() - timedelta(days=40)
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions(%s, 3)", [day])
        cursor.execute("CREATE TEMPORARY TABLE pg_toast_like_86545602 (id int) ON COMMIT DROP")
        # As it is planned where there are many partitions: all relations are looked at.
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL enable_indexscan = off")
        cursor.execute("SELECT metrics_drop_partitions('metrics_poll', %s)", [day + timedelta(days=1)])
        assert cursor.fetchone() == (1,)


def test_what_is_older_than_two_days_before_the_watermark_is_final(tier: Tier) -> None:
    keep(tier, FROM, FROM + HOUR)
    seal.seal_due(NOW)
    old = ONE_HOUR.start_of(FROM - 2 * ONE_HOUR.span)
    with connection.cursor() as cursor:
        for arguments, said in (
            (("metrics_chunk_1h", old), "are final"),
            (("metrics_chunk_5m", FROM + timedelta(seconds=1)), "no chunk of"),
            (("metrics_sample", FROM), "no level of history"),
        ):
            with pytest.raises(DatabaseError, match=said), transaction.atomic():
                cursor.execute("SELECT metrics_keep_chunks(%s, %s, '{1}', '{x}')", arguments)


def test_partitions_of_every_level_touch_and_do_not_overlap(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM metrics_history_table")
        for (name,) in cursor.fetchall():
            cursor.execute(
                "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid IN"
                " (SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass) ORDER BY relname",
                [name],
            )
            bounds = [bound.split("'")[1::2] for (bound,) in cursor.fetchall()]
            assert bounds
            assert all(before[1] == after[0] for before, after in pairwise(bounds))
