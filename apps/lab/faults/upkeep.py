"""What nobody looked after: indexes left half made or twice, dead rows, a worn sequence, WAL not archived, partitions in disorder."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg

from apps.lab import postgres
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.faults.states import run, statements, undo
from apps.lab.layout import DATABASE, Node
from apps.lab.processes import NotStarted, until
from apps.lab.servers import Servers

EXTRA_WEEKS = 150
SQL = Path(__file__).resolve().parents[1] / "sql"


def _break_off(servers: Servers) -> Record:
    with suppress(psycopg.errors.UniqueViolation):  # as meant: it stays, and no query uses it
        run(servers, Node.PRIMARY, "CREATE UNIQUE INDEX CONCURRENTLY lab_broken_off ON api_key (tier)")
    return {}


def _hide_a_week(servers: Servers) -> Record:
    run(servers, Node.REPLICA_1, "SELECT pg_wal_replay_pause()")
    run(servers, Node.PRIMARY, "SELECT message_queue_ahead(5)")
    return {}


def _show_it(servers: Servers, _: Record) -> None:
    run(servers, Node.REPLICA_1, "SELECT pg_wal_replay_resume()")
    run(servers, Node.PRIMARY, (SQL / "drop_far_weeks.sql").read_bytes())


def _halve(servers: Servers) -> Record:
    with (
        postgres.connect(servers.layout, Node.PRIMARY, DATABASE) as reader,
        postgres.connect(servers.layout, Node.PRIMARY, DATABASE) as detaching,
    ):
        if detaching.info.server_version < 140000:
            raise FaultImpossible("PostgreSQL 14 is the first that detaches CONCURRENTLY, and so can be left half way.")
        detaching.execute((SQL / "make_halved.sql").read_bytes())
        detaching.execute("SET statement_timeout = '300ms'")
        pending = "SELECT 1 FROM pg_inherits WHERE inhparent = 'lab_halved'::regclass AND inhdetachpending"
        with reader.transaction():
            reader.execute("SELECT FROM lab_halved")  # the detaching waits for it
            for _ in range(20):  # a busy server may take longer than that to get so far
                with suppress(psycopg.errors.QueryCanceled):
                    detaching.execute("ALTER TABLE lab_halved DETACH PARTITION lab_halved_2 CONCURRENTLY")
                if detaching.execute(pending).fetchone():
                    return {}
    raise NotStarted("Detaching a partition CONCURRENTLY could not be broken off half way.")


def _fail_archiving(servers: Servers) -> Record:
    with postgres.connect(servers.layout, Node.PRIMARY) as connection:
        if connection.execute("SHOW archive_mode").fetchone() == ("off",):
            raise FaultImpossible(
                "This primary was started without archiving. `manage.py lab down` and `lab up` turn it on."
            )
        connection.execute("ALTER SYSTEM SET archive_command = 'false'")
        connection.execute("SELECT pg_reload_conf()")
        _end_segment(connection)
        if not until(lambda: _archiving_fails(connection), 20):
            raise NotStarted("The primary archived its WAL though the command to do so fails.")
    return {}


def _archive(servers: Servers, _: Record) -> None:
    with postgres.connect(servers.layout, Node.PRIMARY) as connection:
        connection.execute("ALTER SYSTEM RESET archive_command")
        connection.execute("SELECT pg_reload_conf()")
        if _archiving_fails(connection):
            _end_segment(connection)
            until(lambda: not _archiving_fails(connection), 20)


def _end_segment(connection: psycopg.Connection) -> None:
    """Give the archiver something to do."""
    connection.execute("SELECT pg_logical_emit_message(true, 'lab', 'x')")
    connection.execute("SELECT pg_switch_wal()")


def _archiving_fails(connection: psycopg.Connection) -> bool:
    query = "SELECT FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity')"
    return connection.execute(query).fetchone() is not None


def _sql(name: str, says: str, put: LiteralString | bytes, back: LiteralString | bytes, *fires: str) -> Fault:
    return Fault(name, says, Node.PRIMARY, statements(Node.PRIMARY, put), undo(Node.PRIMARY, back), fires)


FAULTS = (
    Fault(
        "broken-index",
        "A unique index of api_key was broken off half made; no query uses it.",
        Node.PRIMARY,
        _break_off,
        undo(Node.PRIMARY, "DROP INDEX IF EXISTS lab_broken_off"),
        ("queries.invalid_indexes",),
    ),
    _sql(
        "redundant-index",
        "api_key has a second index on its primary key.",
        "CREATE INDEX IF NOT EXISTS lab_redundant ON api_key (id)",
        "DROP INDEX IF EXISTS lab_redundant",
        "queries.redundant_indexes",
    ),
    _sql(
        "incomplete-index",
        "An index of message_queue is there for the whole and on none of its partitions.",
        "CREATE INDEX IF NOT EXISTS lab_incomplete ON ONLY message_queue (attempts)",
        "DROP INDEX IF EXISTS lab_incomplete",
        "partitions.invalid_indexes",
    ),
    Fault(
        "dead-rows",
        "A table without autovacuum has 40,000 dead rows.",
        Node.PRIMARY,
        statements(
            Node.PRIMARY,
            "CREATE TABLE lab_dead_rows WITH (autovacuum_enabled = off) AS SELECT generate_series(1, 40000) AS number",
            "DELETE FROM lab_dead_rows",
        ),
        undo(Node.PRIMARY, "DROP TABLE IF EXISTS lab_dead_rows"),
        ("queries.dead_tuples",),
    ),
    Fault(
        "worn-sequence",
        "A sequence has used nine tenths of its numbers.",
        Node.PRIMARY,
        statements(
            Node.PRIMARY,
            "CREATE SEQUENCE lab_worn AS smallint",
            "GRANT SELECT ON SEQUENCE lab_worn TO opsportal_poll",
            "SELECT setval('lab_worn', 29500)",
        ),
        undo(Node.PRIMARY, "DROP SEQUENCE IF EXISTS lab_worn"),
        ("queries.sequences",),
    ),
    Fault(
        "hasty-checkpoints",
        "Somebody asks for a checkpoint after each change.",
        Node.PRIMARY,
        statements(Node.PRIMARY, *(("SELECT pg_logical_emit_message(true, 'lab', 'x')", "CHECKPOINT") * 4)),
        undo(Node.PRIMARY),
        ("queries.requested_checkpoints",),
        timedelta(minutes=5),
    ),
    Fault(
        "fail-archiving",
        "The command that archives WAL fails: the primary keeps what it could not archive.",
        Node.PRIMARY,
        _fail_archiving,
        _archive,
        ("queries.archiver",),
    ),
    Fault(
        "half-detached",
        "Detaching a partition of a table of the lab's own was broken off half way.",
        Node.PRIMARY,
        _halve,
        undo(Node.PRIMARY, "DROP TABLE IF EXISTS lab_halved, lab_halved_1, lab_halved_2"),
        ("partitions.detach_pending",),
    ),
    _sql(
        "neglected-partitions",
        "A partitioned table of the lab's own is past retention, filled unevenly and never analysed.",
        (SQL / "neglect.sql").read_bytes(),
        "DROP SCHEMA IF EXISTS lab_neglected CASCADE",
        "partitions.past_retention",
        "partitions.skew",
        "partitions.never_analysed",
    ),
    _sql(
        "detach-partition",
        "A week to come of message_queue was detached and kept: there is a gap.",
        (SQL / "detach_week.sql").read_bytes(),
        (SQL / "drop_detached_weeks.sql").read_bytes(),
        "partitions.gaps",
        "partitions.detached",
    ),
    _sql(
        "too-many-partitions",
        f"message_queue has {EXTRA_WEEKS} weeks ahead: a statement without its key locks all of them.",
        b"SELECT message_queue_ahead(%d)" % EXTRA_WEEKS,
        (SQL / "drop_far_weeks.sql").read_bytes(),
        "partitions.lock_budget",
    ),
    _sql(
        "overlapping-partitions",
        "Two partitions of a table of the lab's own both claim a day: the catalog is damaged.",
        (SQL / "overlap.sql").read_bytes(),
        "DROP TABLE IF EXISTS lab_overlapping",
        "partitions.overlaps",
    ),
    Fault(
        "unreplayed-week",
        "The first replica applies no WAL, and the primary has made a further week of message_queue.",
        Node.REPLICA_1,
        _hide_a_week,
        _show_it,
        ("partitions.replicas_same",),
    ),
)
