"""What the questions find in a real catalog: every kind of partitioned table, and every way one can be broken."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from apps.lab import postgres
from apps.lab.layout import Layout, Node
from apps.metrics.kernel import NodeKind, NodeView, TierView
from apps.partitions.probes import PROBES, TIER_PROBES
from tests.conftest import Until
from tests.watch import Asking, flush, samples_of, values

NAME = "partitions_test"
TABLES = next(probe for probe in TIER_PROBES if probe.id == "partitions.tables")
WANTED = next(probe for probe in TIER_PROBES if probe.id == "partitions.wanted")
SAME = next(probe for probe in TIER_PROBES if probe.id == "partitions.same")
PARTS = next(probe for probe in TIER_PROBES if probe.id == "partitions.parts")


@pytest.fixture(scope="module")
def database(lab: object, layout: Layout) -> Iterator[str]:
    """An empty database beside the application's."""
    with postgres.connect(layout, Node.PRIMARY) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        yield NAME
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))


@pytest.fixture
def owner(database: str, layout: Layout) -> Iterator[psycopg.Connection]:
    """Its owner's session, with one table by month that has two partitions and a default one."""
    with postgres.connect(layout, Node.PRIMARY, database) as connection:
        connection.execute("""
            CREATE TABLE message (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
            CREATE TABLE message_1 PARTITION OF message FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00');
            CREATE TABLE message_2 PARTITION OF message FOR VALUES FROM ('2020-02-01 00:00+00') TO ('2020-03-01 00:00+00');
            CREATE TABLE message_rest PARTITION OF message DEFAULT;
        """)
        yield connection
    with postgres.connect(layout, Node.PRIMARY, database) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
def primary(database: str, layout: Layout) -> Iterator[Asking]:
    """The primary, asked by the polling login."""
    asking = Asking(NodeKind.POSTGRES, layout.dsn(Node.PRIMARY, "opsportal_poll", database), PROBES)
    yield asking
    asking.close()


def sample(view: NodeView, probe: str, name: str, of: str = "public.message") -> float | None:
    return samples_of(view.answers[f"partitions.{probe}"])[f"partitions.{probe}.{name}", of]


def row(view: NodeView, probe: str, of: str) -> Any:
    return next(row for row in view.rows(f"partitions.{probe}") or () if row["object"] == of)


def test_bounds_sizes_and_age_of_each_partition(primary: Asking, owner: psycopg.Connection, until: Until) -> None:
    owner.execute("INSERT INTO message SELECT n, '2020-01-05' FROM generate_series(1, 1000) AS n; ANALYZE message")
    found: dict[str, dict[str, Any]] = {}

    def analysed() -> bool:
        rows, _samples = primary.derive(PARTS, primary.ask())
        found.update({str(part["object"]): dict[str, Any](part) for part in rows})
        return bool(found["public.message_1"]["last_analysed"])

    until(analysed, 5)
    first = found["public.message_1"]
    assert (first["from"], first["to"]) == ("2020-01-01T00:00:00+00:00", "2020-02-01T00:00:00+00:00")
    assert first["live_rows"] == 1000
    assert (first["total_bytes"] or 0) > 50_000
    assert first["flags"] == "past retention"
    assert found["public.message_rest"]["flags"] == "default"


def test_what_is_judged_in_time(primary: Asking, owner: psycopg.Connection) -> None:
    rows, told = primary.derive(TABLES, primary.ask())
    assert told["partitions.tables.hours_left", "public.message"] == 0, "the present is not covered"
    assert told["partitions.tables.missing_ahead", "public.message"] == 2
    assert told["partitions.tables.past_retention", "public.message"] == 2
    assert told["partitions.tables.gaps", "public.message"] == 0
    assert 0 <= (told["partitions.tables.periods_since_maintenance", "public.message"] or 0) < 1
    assert rows[0]["how"] == "RANGE (at), monthly"
    owner.execute(
        "CREATE TABLE message_4 PARTITION OF message FOR VALUES FROM ('2020-04-01 00:00+00') TO ('2020-05-01 00:00+00')"
    )
    _rows, told = primary.derive(TABLES, primary.ask())
    assert told["partitions.tables.gaps", "public.message"] == 1


def test_tables_that_are_not_partitioned_are_listed_with_what_is_wanted(
    primary: Asking, owner: psycopg.Connection
) -> None:
    owner.execute("CREATE TABLE conversation (id bigint); CREATE TABLE other (id bigint)")
    rows, _told = primary.derive(TABLES, primary.ask())
    plain = {table["object"]: table for table in rows if not table["partitioned"]}
    assert (plain["public.conversation"]["how"], plain["public.conversation"]["wanted"]) == (
        "not partitioned",
        "quarterly",
    )
    assert plain["public.other"]["wanted"] == ""


def test_whether_the_programmes_tables_are_partitioned(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("CREATE TABLE conversation_message (id bigint); CREATE TABLE other (id bigint)")
    _rows, told = primary.derive(WANTED, primary.ask())
    assert told == {
        ("partitions.wanted.partitioned", "public.message"): 1,
        ("partitions.wanted.periods", "public.message"): 2,  # without the default one
        ("partitions.wanted.partitioned", "public.conversation_message"): 0,
        ("partitions.wanted.periods", "public.conversation_message"): 0,
    }
    owner.execute("""
        CREATE TABLE conversation_message_partitioned (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE conversation_message_1 PARTITION OF conversation_message_partitioned
            FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00');
    """)
    rows, told = primary.derive(WANTED, primary.ask())
    assert told["partitions.wanted.partitioned", "public.conversation_message"] == 1
    assert told["partitions.wanted.periods", "public.conversation_message"] == 1
    twin = next(table for table in rows if table["object"] == "public.conversation_message")
    assert twin["parent"] == "public.conversation_message_partitioned"
    owner.execute("""
        ALTER TABLE conversation_message RENAME TO conversation_message_old;
        ALTER TABLE conversation_message_partitioned RENAME TO conversation_message;
    """)
    primary.probes = [probe for probe in primary.probes if probe.id in {"partitions.parents", "partitions.names"}]
    rows, told = primary.derive(WANTED, primary.ask())
    assert told["partitions.wanted.partitioned", "public.conversation_message"] == 1, "told at every poll"
    assert told["partitions.wanted.periods", "public.conversation_message"] is None, "its bounds are not read yet"


def test_replicas_that_show_other_partitions(
    primary: Asking, owner: psycopg.Connection, layout: Layout, database: str, until: Until
) -> None:
    replica = Asking(NodeKind.POSTGRES, layout.dsn(Node.REPLICA_1, "opsportal_poll", database), PROBES)
    here = replace(primary.ask(), name="primary")

    def differing() -> float | None:
        view = TierView(primary.at, (here, replace(replica.ask(), name="replica")))
        _rows, samples = SAME.derive(view)
        return values(samples)["partitions.same.differing", ""]

    try:
        until(lambda: differing() == 0)
        owner.execute("CREATE TABLE message_4 PARTITION OF message FOR VALUES FROM ('2020-04-01') TO ('2020-05-01')")
        until(lambda: differing() == 1)
        here = replace(primary.ask(), name="primary")
        until(lambda: differing() == 0)
    finally:
        replica.close()


def _of_parent(primary: Asking, owner: psycopg.Connection, name: str) -> float | None:
    flush(owner)
    return sample(primary.ask(), "parents", name)


def test_rows_in_the_default(primary: Asking, owner: psycopg.Connection, until: Until) -> None:
    assert sample(primary.ask(), "parents", "default_rows") == 0
    owner.execute("INSERT INTO message SELECT n, now() FROM generate_series(1, 70) AS n")
    until(lambda: _of_parent(primary, owner, "default_rows") == 70, 5)


def test_statistics_that_were_lost_are_not_zero_rows(primary: Asking, owner: psycopg.Connection, until: Until) -> None:
    owner.execute("INSERT INTO message SELECT n, now() FROM generate_series(1, 70) AS n")
    owner.execute("VACUUM message_rest")
    until(lambda: sample(primary.ask(), "parents", "default_rows") == 70, 5)
    owner.execute("SELECT pg_stat_reset()")
    assert sample(primary.ask(), "parents", "default_rows") == 70, "the catalog's estimate"


def test_a_parent_without_statistics(primary: Asking, owner: psycopg.Connection, until: Until) -> None:
    owner.execute("INSERT INTO message SELECT n, '2020-01-05' FROM generate_series(1, 1000) AS n")
    if owner.info.server_version < 140000:
        assert sample(primary.ask(), "parents", "never_analysed") is None, "seen by who may read the table"
        owner.execute("GRANT USAGE ON SCHEMA public TO opsportal_poll; GRANT SELECT ON message TO opsportal_poll")
    until(lambda: _of_parent(primary, owner, "never_analysed") == 1, 5)
    owner.execute("ANALYZE message")
    assert sample(primary.ask(), "parents", "never_analysed") == 0


def test_locks_of_a_statement_without_the_key(primary: Asking, owner: psycopg.Connection) -> None:
    share = sample(primary.ask(), "parents", "lock_share") or 0
    with owner.transaction():
        owner.execute("SELECT count(*) FROM message")
        locks = owner.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE 'message%'"
        )
        (held,) = locks.fetchone() or (0,)
    assert share * 64 * 100 == pytest.approx(held)


def test_an_invalid_and_a_missing_index(primary: Asking, owner: psycopg.Connection) -> None:
    assert sample(primary.ask(), "indexes", "broken") == 0
    owner.execute("CREATE INDEX by_time ON ONLY message (at)")
    view = primary.ask()
    assert (sample(view, "indexes", "invalid"), sample(view, "indexes", "missing")) == (1, 3)
    assert row(view, "indexes", "public.message")["names"].endswith("by_time")
    for part in ("message_1", "message_2", "message_rest"):
        owner.execute(
            f"CREATE INDEX {part}_by_time ON {part} (at); ALTER INDEX by_time ATTACH PARTITION {part}_by_time"
        )
    assert sample(primary.ask(), "indexes", "broken") == 0


def test_a_partition_detached_and_kept(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("CREATE TABLE message_notes (id bigint, note text)")  # of another shape: none of ours
    assert sample(primary.ask(), "detached", "detached") == 0
    owner.execute("ALTER TABLE message DETACH PARTITION message_2")
    view = primary.ask()
    assert sample(view, "detached", "detached") == 1
    assert row(view, "detached", "public.message")["names"] == "message_2"


def test_a_detach_that_was_broken_off(primary: Asking, owner: psycopg.Connection, layout: Layout, until: Until) -> None:
    if owner.info.server_version < 140000:
        pytest.skip("PostgreSQL 14 is the first that detaches CONCURRENTLY")
    owner.execute("DROP TABLE message_rest")  # a default partition forbids CONCURRENTLY
    with postgres.connect(layout, Node.PRIMARY, NAME) as reader, postgres.connect(layout, Node.PRIMARY, NAME) as other:
        with reader.transaction():
            reader.execute("SELECT FROM message")
            other.execute("SET statement_timeout = '300ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                other.execute("ALTER TABLE message DETACH PARTITION message_2 CONCURRENTLY")
        assert sample(primary.ask(), "parents", "detach_pending") == 1
        rows, _samples = primary.derive(PARTS, primary.ask())
        flags = next(str(part["flags"]) for part in rows if part["object"] == "public.message_2")
        assert flags.startswith("detach pending")
        other.execute("RESET statement_timeout")
        other.execute("ALTER TABLE message DETACH PARTITION message_2 FINALIZE")
    assert sample(primary.ask(), "parents", "detach_pending") == 0


def test_lists_hashes_and_sub_partitions_are_found_and_not_judged_in_time(
    primary: Asking, owner: psycopg.Connection
) -> None:
    owner.execute("""
        CREATE TABLE by_word (word text) PARTITION BY LIST (word);
        CREATE TABLE by_word_it PARTITION OF by_word FOR VALUES IN ('it''s', NULL);
        CREATE TABLE by_hash (n int) PARTITION BY HASH (n);
        CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY LIST (n);
    """)
    view = primary.ask()
    rows, told = primary.derive(TABLES, view)
    assert {table["object"] for table in rows if table["partitioned"]} >= {
        "public.by_word",
        "public.by_hash",
        "public.by_hash_0",
    }
    assert not [key for key in told if key[1].startswith("public.by_")]
    assert values(view.answers["partitions.parents"].samples)["partitions.parents.partitions", "public.by_word"] == 1
