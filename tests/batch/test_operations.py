"""Each operation on raw tables and on models: what is in the database afterwards, and what the result says of it."""

import os
import pty
import subprocess
import termios
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from apps.accounts.models import Person
from apps.batch import (
    Ended,
    How,
    Isolation,
    OnError,
    Refused,
    Wire,
    bar,
    create,
    delete,
    process,
    stream,
    table,
    update,
    upsert,
)
from apps.batch.models import Job
from tests.batch.conftest import Shop

COLUMNS = ("id", "amount", "label")


def prices(count: int, start: int = 0) -> list[tuple[int, int, str]]:
    return [(n, n * 10, f"label {n}") for n in range(start, start + count)]


@pytest.mark.parametrize("parallel", [1, 3])
def test_rows_are_inserted_once_each_whatever_the_chunks(shop: Shop, parallel: int) -> None:
    how = How(chunk=70, parallel=parallel)
    result = create(shop.price, iter(prices(1000)), columns=COLUMNS, using=shop.address, how=how)
    assert result.ok
    assert result.token == ""
    assert (result.counts.seen, result.counts.written) == (1000, 1000)
    assert shop.rows("SELECT id, amount, label FROM price ORDER BY id") == prices(1000)


def test_mappings_tell_their_columns_themselves(shop: Shop) -> None:
    result = create(shop.price, [{"amount": 5, "id": 1}, {"amount": 6, "id": 2}, {"id": 3}], using=shop.address)
    assert shop.rows() == [(1, 5), (2, 6)]
    assert [error.first for error in result.errors] == [2]
    assert "names are not those of the first row" in result.errors[0].cause


def test_upsert_updates_what_is_there_and_the_last_of_a_key_counts(shop: Shop) -> None:
    create(shop.price, prices(3), columns=COLUMNS, using=shop.address)
    rows = [(1, 77, "new"), (9, 90, "first"), (9, 91, "second")]
    result = upsert(shop.price, rows, columns=COLUMNS, using=shop.address)
    assert (result.counts.written, result.counts.skipped) == (2, 1)
    assert shop.rows() == [(0, 0), (1, 77), (2, 20), (9, 91)]


def test_keys_without_a_value_are_keys_of_their_own(shop: Shop) -> None:
    shop.run("CREATE TABLE code (id int4, word text UNIQUE)")
    try:
        rows = [(1, None), (2, None), (3, "a"), (4, "a")]
        code = table("public.code", shop.address)
        result = upsert(code, rows, key=("word",), columns=("id", "word"), using=shop.address)
        assert (result.counts.written, result.counts.skipped) == (3, 1)
        assert shop.rows("SELECT id, word FROM code ORDER BY id") == [(1, None), (2, None), (4, "a")]
    finally:
        shop.run("DROP TABLE code")


def test_upsert_sets_only_what_it_is_told_or_nothing(shop: Shop) -> None:
    create(shop.price, prices(2), columns=COLUMNS, using=shop.address)
    upsert(shop.price, [(0, 1, "x")], columns=COLUMNS, update=["label"], using=shop.address)
    left = upsert(shop.price, [(1, 1, "x"), (2, 2, "y")], columns=COLUMNS, update=[], using=shop.address)
    assert shop.rows("SELECT id, amount, label FROM price ORDER BY id") == [
        (0, 0, "x"),
        (1, 10, "label 1"),
        (2, 2, "y"),
    ]
    assert (left.counts.written, left.counts.skipped) == (1, 1)


def test_update_and_delete_find_rows_by_their_key_and_tell_of_keys_that_are_not_there(shop: Shop) -> None:
    create(shop.price, prices(5), columns=COLUMNS, using=shop.address)
    changed = update(shop.price, [{"id": 1, "amount": 100}, {"id": 99, "amount": 1}], using=shop.address)
    gone = delete(shop.price, [0, 4, 98], using=shop.address)
    assert (changed.counts.written, changed.counts.skipped) == (1, 1)
    assert (gone.counts.written, gone.counts.skipped) == (2, 1)
    assert shop.rows() == [(1, 100), (2, 20), (3, 30)]


def test_delete_by_several_columns(shop: Shop) -> None:
    create(shop.keyless, [(1, "a"), (1, "b"), (2, "a")], columns=("n", "note"), using=shop.address)
    delete(shop.keyless, [(1, "b"), (2, "a")], key=("n", "note"), using=shop.address)
    assert shop.rows("SELECT n, note FROM keyless") == [(1, "a")]


def test_stream_gives_every_row_and_feeds_the_operations(shop: Shop) -> None:
    create(shop.price, prices(250), columns=COLUMNS, using=shop.address)
    rows = stream(shop.price, columns=("id", "amount"), using=shop.address, size=40)
    result = upsert(
        shop.price, ((n + 1000, amount) for n, amount in rows), columns=("id", "amount"), using=shop.address
    )
    assert result.counts.written == 250
    assert shop.one("SELECT count(*) FROM price") == 500


def test_a_stream_never_has_the_whole_table_in_memory(shop: Shop) -> None:
    shop.run("ALTER TABLE keyless SET (autovacuum_enabled = off)")
    shop.run("INSERT INTO keyless SELECT n, repeat('x', 500) FROM generate_series(1, 100000) AS n")  # 50 MB
    next(stream(shop.price, using=shop.address), None)
    before, most, count = memory(), 0, 0
    for n, _note in stream(shop.keyless, using=shop.address):
        count += 1
        if n % 20_000 == 1:
            most = max(most, memory())
    assert count == 100_000
    assert most - before < 25_000


def memory() -> int:
    """Kilobytes that this process has now; unlike its peak, no earlier test makes it look small."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())]))


def test_an_empty_input_is_complete_and_writes_nothing(shop: Shop) -> None:
    for operation in (create, upsert, update, delete):
        result = operation(shop.price, [], using=shop.address)
        assert result.ended is Ended.COMPLETE
        assert result.counts.seen == 0


@pytest.mark.parametrize("wire", list(Wire))
def test_every_type_arrives_as_it_left(shop: Shop, wire: Wire) -> None:
    shop.run("DROP TABLE keyless")
    shop.run("CREATE TYPE mood AS ENUM ('calm', 'odd')")
    shop.run("CREATE DOMAIN score AS int4 CHECK (VALUE < 100)")
    shop.run(
        "CREATE TABLE keyless (i2 int2, i4 int4, f4 float4, b bool, n numeric, t text, v varchar(9), by bytea, d date, ts timestamptz,"
        " u uuid, j jsonb, a int4[], m mood, s score, made int4 GENERATED ALWAYS AS (i4 * 2) STORED)"
    )
    row: dict[str, Any] = {
        "i2": -5, "i4": 2**31 - 1, "f4": 0.5, "b": True, "n": Decimal("12.340"), "t": "é\t\\N\n☃", "v": "x", "by": b"\0\xff",
        "d": datetime(2026, 1, 31, tzinfo=UTC).date(), "ts": datetime(2026, 1, 31, 12, tzinfo=UTC), "u": uuid4(),
        "j": {"a": [1, None]}, "a": [1, 2], "m": "odd", "s": 7,
    }  # fmt: skip
    try:
        names = ", ".join(row)
        row["i4"] = 5
        result = create(shop.keyless, [row, dict.fromkeys(row)], using=shop.address, how=How(wire=wire))
        assert result.ok, result.errors
        found, nothing = shop.rows(f"SELECT {names} FROM keyless ORDER BY i2")  # noqa: S608  names of this test
        assert dict(zip(row, found, strict=True)) == row
        assert set(nothing) == {None}
        assert isinstance(found[10], UUID)
    finally:
        shop.run("DROP TABLE keyless; DROP TYPE mood; DROP DOMAIN score; CREATE TABLE keyless (n int4)")


def test_text_is_read_by_the_server(shop: Shop) -> None:
    rows = [("1", "10", "2026-01-31 00:00+00"), ("2", "many", None)]
    how = How(wire=Wire.TEXT)
    result = create(shop.price, rows, columns=("id", "amount", "at"), using=shop.address, how=how)
    assert shop.rows() == [(1, 10)]
    assert [(error.first, error.kind) for error in result.errors] == [(1, "22P02")]


@pytest.mark.parametrize("level", list(Isolation))
def test_each_chunk_has_the_isolation_asked_for(shop: Shop, level: Isolation) -> None:
    shop.run("ALTER TABLE keyless ALTER note SET DEFAULT current_setting('transaction_isolation')")
    create(shop.keyless, [(1,), (2,)], columns=("n",), using=shop.address, how=How(chunk=1, isolation=level))
    assert {row[0] for row in shop.rows("SELECT note FROM keyless")} == {level.value.name.lower().replace("_", " ")}


def test_the_level_asked_for_holds_where_models_take_part_too(stored_shop: Shop) -> None:
    seen: list[str] = []

    def look(_rows: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_isolation")
            seen.append(cursor.fetchone()[0])

    for level in Isolation:
        assert process([1], look, how=How(isolation=level)).ok
    assert seen == ["read committed", "repeatable read", "serializable"]
    stored_shop.run("ALTER TABLE keyless ALTER note SET DEFAULT current_setting('transaction_isolation')")
    assert create(table("public.keyless"), [(1,)], columns=("n",), how=How(isolation=Isolation.SERIALIZABLE)).ok
    assert stored_shop.one("SELECT note FROM keyless") == "serializable"


def test_models_are_written_with_their_defaults_and_prepared_values(stored_shop: Shop) -> None:
    at = datetime(2026, 1, 31, tzinfo=UTC)
    texts = {
        "actor": "ann",
        "operation": "create",
        "target": "t",
        "head": "",
        "exact": True,
        "chunk": 1,
        "started_at": at,
        "noted_at": at,
    }
    result = create(Job, ({"name": f"n{n}", "errors": [n], **texts} for n in range(50)))
    assert result.ok, result.errors
    job = Job.objects.get(name="n7")
    assert (job.errors, job.missing, job.state, job.total, job.written) == ([7], {}, "running", None, 0)
    job.written, job.missing = 5, {"1": 0}
    assert update(Job, [job]).ok
    job.refresh_from_db()
    assert (job.written, job.missing) == (5, {"1": 0})
    assert delete(Job, Job.objects.values_list("pk", flat=True).iterator()).counts.written == 50


def test_instances_are_upserted_by_a_unique_field(stored_shop: Shop) -> None:
    Person.objects.create(username="ann", password="-", display_name="Old")
    people = [Person(username=name, password="-", display_name="New") for name in ("ann", "bob")]
    result = upsert(Person, people, key=("username",), update=["display_name"])
    assert result.counts.written == 2, result.errors
    assert set(Person.objects.values_list("username", "display_name")) == {("ann", "New"), ("bob", "New")}
    assert list(stream(Person, columns=("username",))) == [("ann",), ("bob",)]


def test_instances_are_deleted_by_their_key(stored_shop: Shop) -> None:
    ann, bob, eve = (Person.objects.create(username=name, password="-") for name in ("ann", "bob", "eve"))
    assert delete(Person, Person.objects.filter(pk=ann.pk).iterator()).counts.written == 1
    assert delete(Person, [eve], key=("username",)).counts.written == 1
    assert list(Person.objects.values_list("pk", flat=True)) == [bob.pk]


def test_process_runs_in_a_transaction_that_models_take_part_in(stored_shop: Shop) -> None:
    def hire(names: Any) -> None:
        for name in names:
            Person.objects.create(username=name, password="-")
            if name == "c":
                raise ValueError("c is not hired")

    result = process(list("abcdef"), hire, how=How(chunk=4))
    assert sorted(Person.objects.values_list("username", flat=True)) == ["a", "b", "d", "e", "f"]
    assert [(error.first, error.kind, error.cause) for error in result.errors] == [(2, "ValueError", "c is not hired")]


def test_process_gets_one_chunk_at_a_time_also_where_several_share_a_transaction(stored_shop: Shop) -> None:
    seen: list[list[int]] = []
    assert process(range(10), lambda rows: seen.append(list(rows)), how=How(chunk=2, together=4)).ok
    assert seen == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_what_process_does_not_expect_is_raised_and_what_was_done_stays(stored_shop: Shop) -> None:
    seen: list[int] = []

    def work(rows: Any) -> None:
        seen.extend(rows)
        if 3 in rows:
            raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        process(range(9), work, how=How(chunk=2))
    assert {0, 1} <= set(seen)


def test_a_batch_within_a_transaction_is_refused(stored_shop: Shop) -> None:
    with transaction.atomic(), pytest.raises(Refused, match=r"outside of atomic"):
        create(Job, [{"name": "x"}])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: create(s.price, [(1,)], using=s.address), "need columns"),
        (lambda s: create(s.price, [(1,)], columns=["idd"], using=s.address), "has no column 'idd'; it has id"),
        (lambda s: upsert(s.keyless, [{"n": 1}], using=s.address), "no primary key"),
        (lambda s: upsert(s.price, [{"amount": 1}], using=s.address), "Rows have no id"),
        (lambda s: update(s.price, [{"id": 1}], using=s.address), "nothing to set"),
        (lambda s: upsert(s.price, [{"id": 1, "amount": 1}], update=["label"], using=s.address), "no label to update"),
        (lambda s: create(s.price, [Job()], using=s.address), "Rows are Job, the target is a table"),
        (lambda s: create(s.price, [(1, 1)], columns=["id", "id"], using=s.address), "once each"),
    ],
)
def test_what_makes_no_sense_is_explained_and_changes_nothing(shop: Shop, call: Any, says: str) -> None:
    with pytest.raises(Refused, match=says):
        call(shop)
    assert shop.rows() == []


def test_a_name_that_postgresql_would_cut_short_hits_no_other_table(shop: Shop) -> None:
    shop.run(f'CREATE TABLE "{"x" * 63}" (id int4)')
    try:
        for name in ("x" * 69, "é" * 40, "", "a\0b"):
            with pytest.raises(Refused, match="no name of a table"):
                table(f"public.{name}", shop.address)
        assert table(f"public.{'x' * 63}", shop.address).oid
    finally:
        shop.run(f'DROP TABLE "{"x" * 63}"')


def test_hostile_names_are_names(shop: Shop) -> None:
    name, column = 'evil"; DROP TABLE price; --', "a\"b'%s{}"
    quoted, quoted_column = name.replace('"', '""'), column.replace('"', '""')
    shop.run(f'CREATE TABLE "{quoted}" (id int4 PRIMARY KEY, "{quoted_column}" text)')
    try:
        evil = table(f"public.{name}", shop.address)
        for operation in (create, upsert, update):
            result = operation(evil, [(1, operation.__name__)], columns=("id", column), using=shop.address)
            assert result.ok, result.errors
        assert shop.rows(f'TABLE "{quoted}"') == [(1, "update")]
        assert delete(evil, [1], using=shop.address).counts.written == 1
        assert shop.rows() == []
    finally:
        shop.run(f'DROP TABLE "{quoted}"')


def test_names_may_hold_dots_and_never_stand_for_two_tables(shop: Shop) -> None:
    shop.run('CREATE TABLE "price.v1.old" (id int4)')
    try:
        assert str(table("public.price.v1.old", shop.address)) == "public.price.v1.old"
        shop.run('CREATE SCHEMA "public.price"; CREATE TABLE "public.price"."v1.old" (id int4)')
        with pytest.raises(Refused, match="the name of 2 tables"):
            table("public.price.v1.old", shop.address)
        with pytest.raises(Refused, match="There is no table"):
            table("public.price.v2.old", shop.address)
    finally:
        shop.run('DROP TABLE "price.v1.old"; DROP SCHEMA IF EXISTS "public.price" CASCADE')


def test_tables_that_are_none_or_not_there_are_refused(shop: Shop) -> None:
    for name in ("public.nothing", "nowhere.price", "pg_catalog.pg_stat_activity", "PUBLIC.price"):
        with pytest.raises(Refused, match="There is no table"):
            table(name, shop.address)


def test_a_table_swapped_meanwhile_is_noticed(shop: Shop) -> None:
    old = shop.price
    shop.run("ALTER TABLE price RENAME TO price_old; CREATE TABLE price (LIKE price_old)")
    try:
        with pytest.raises(Refused, match="another table than when the run began"):
            create(old, prices(3), columns=COLUMNS, using=shop.address)
        assert shop.rows() == []
    finally:
        shop.run("DROP TABLE price_old")


def test_a_bar_in_the_terminal_shows_how_far_it_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    person, there = pty.openpty()
    termios.tcsetwinsize(there, (24, 80))
    with os.fdopen(there, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with bar("prices", total=300) as progress:
            create(shop.price, prices(300), columns=COLUMNS, using=shop.address, how=How(chunk=100, progress=progress))
        terminal.flush()
        drawn = ""
        while "\n" not in drawn:  # it ends its line when it is done
            drawn += os.read(person, 100_000).decode()
    os.close(person)
    assert "prices: 100%" in drawn
    assert "300/300" in drawn


def test_stop_is_an_option_of_every_operation(shop: Shop) -> None:
    how = How(chunk=2, on_error=OnError.STOP)
    result = create(
        shop.price, [(1, 1), (2, 2), (3, -1), (4, 4)], columns=("id", "amount"), using=shop.address, how=how
    )
    assert result.ended is Ended.STOPPED
    assert shop.rows() == [(1, 1), (2, 2)]
