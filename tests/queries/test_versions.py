"""Statements are read whatever version of pg_stat_statements a database has: older ones for real, later ones as their columns are."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from apps.lab import postgres
from apps.lab.layout import Layout, Node
from apps.metrics.kernel import NodeKind
from apps.metrics.probe import Question
from apps.queries.probes import PROBES
from apps.replicas.probes import PROBES as REPLICATION
from tests.watch import Asking

NAME = "statistics_of_old"
LATER = """
    ALTER EXTENSION pg_stat_statements SET SCHEMA original;
    CREATE FUNCTION pg_stat_statements(showtext boolean) RETURNS TABLE (
        userid oid, dbid oid, toplevel bool, queryid bigint, query text, calls bigint, total_exec_time float8, min_exec_time float8,
        max_exec_time float8, mean_exec_time float8, stddev_exec_time float8, rows bigint, shared_blks_hit bigint, shared_blks_read bigint,
        local_blks_hit bigint, local_blks_read bigint, temp_blks_read bigint, temp_blks_written bigint, shared_blk_read_time float8,
        wal_bytes numeric, wal_buffers_full bigint, unheard_of text, stats_since timestamptz)
    LANGUAGE sql AS $$
        SELECT 10, 1, top, 7, 'SELECT $1', 4, 20, 2, 8, 5, 2, 4, 8, 4, 0, 0, 0, 0, 1.5, 100, 0, 'new', now()
        FROM (VALUES (true), (false)) AS t (top)
    $$;
    CREATE VIEW pg_stat_statements_info AS SELECT 3::bigint AS dealloc, now() AS stats_reset, 'new' AS unheard_of;
    GRANT SELECT ON pg_stat_statements_info TO PUBLIC;
"""


@pytest.fixture
def database(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A database without the extension, on the primary."""
    with postgres.connect(layout, Node.PRIMARY) as superuser:
        superuser.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        with postgres.connect(layout, Node.PRIMARY, NAME) as connection:
            yield connection
        superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))


@pytest.fixture
def asking(database: psycopg.Connection, layout: Layout) -> Iterator[Asking]:
    asked = {"queries.statements", "queries.costs", "queries.texts", "replicas.reads"}
    statements = [p for p in (*PROBES, *REPLICATION) if p.id in asked]
    found = Asking(NodeKind.POSTGRES, layout.dsn(Node.PRIMARY, "opsportal_poll", NAME), statements)
    yield found
    found.close()


def has(database: psycopg.Connection, version: str) -> None:
    """Skip what the server's own PostgreSQL has no such version for."""
    names = "SELECT FROM pg_available_extension_versions WHERE name = 'pg_stat_statements' AND version = %s"
    if database.execute(names, [version]).fetchone() is None:
        pytest.skip(f"this PostgreSQL comes without pg_stat_statements {version}")


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
def test_older_versions(database: psycopg.Connection, asking: Asking, version: str) -> None:
    has(database, version)
    database.execute(sql.SQL("CREATE EXTENSION pg_stat_statements VERSION {}").format(sql.Literal(version)))
    view = asking.ask()
    whole, *statements = view.rows("queries.statements") or ()
    assert whole["calls"] > 0
    assert (whole["dealloc"] is None) is (version == "1.8"), "1.8 cannot tell"
    costs = {row["object"]: row for row in view.rows("queries.costs") or ()}
    assert statements
    assert costs
    assert all(row["square_ms"] >= 0 and row["read_ms"] is not None for row in costs.values())
    (reads,) = view.rows("replicas.reads") or ()
    assert reads["selects"] >= 0
    assert (reads["stats_reset"] is None) is (version == "1.8")


def test_an_extension_that_is_brought_up_to_date_is_noticed_without_a_new_connection(
    database: psycopg.Connection, asking: Asking
) -> None:
    has(database, "1.9")
    database.execute("CREATE EXTENSION pg_stat_statements VERSION '1.8'")
    assert (asking.ask().rows("queries.statements") or ())[0]["stats_reset"] is None
    database.execute("ALTER EXTENSION pg_stat_statements UPDATE")
    assert (asking.ask().rows("queries.statements") or ())[0]["stats_reset"] is not None


def test_columns_of_later_versions(database: psycopg.Connection, asking: Asking) -> None:
    has(database, "1.9")
    database.execute("CREATE SCHEMA original")
    database.execute("CREATE EXTENSION pg_stat_statements")
    database.execute(LATER)
    view = asking.ask()
    assert (view.rows("queries.statements") or ())[0]["dealloc"] == 3
    (row,) = view.rows("queries.costs") or ()
    assert (row["calls"], row["read_ms"]) == (4, 1.5), "what runs within functions is in the calling statement's time"
    assert row["since"] is not None


IO_OF_16 = """
    CREATE VIEW pg_stat_io AS SELECT 'client backend' AS backend_type, 'relation' AS object, 'normal' AS context, 3::bigint AS reads,
        1.5::float8 AS read_time, 2::bigint AS writes, 0::float8 AS write_time, NULL::bigint AS extends, NULL::float8 AS extend_time,
        8192::bigint AS op_bytes, 40::bigint AS hits, now() AS stats_reset
"""


def test_reads_and_writes_of_16_are_counted_in_blocks(database: psycopg.Connection) -> None:
    if database.execute("SELECT to_regclass('pg_catalog.pg_stat_io')").fetchone() != (None,):
        pytest.skip("this PostgreSQL has a pg_stat_io of its own")
    database.execute(IO_OF_16)
    question = next(probe.question for probe in PROBES if probe.id == "queries.io")
    assert isinstance(question, Question)
    with database.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(question.for_version(17).encode()).fetchall()
    assert (row["read_bytes"], row["write_bytes"], row["extend_bytes"], row["hits"]) == (24576, 16384, None, 40)
    assert (row["read_ms"], row["write_ms"]) == (1.5, None), "no time was taken of what was written"
