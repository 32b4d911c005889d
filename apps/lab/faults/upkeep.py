"""What nobody looked after: indexes left half made or twice, dead rows, a sequence near its end, weeks detached or far too many."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg

from apps.lab.faults.kinds import Fault, Record
from apps.lab.faults.states import run, statements, undo
from apps.lab.layout import Node
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
    Fault(
        "unreplayed-week",
        "The first replica applies no WAL, and the primary has made a further week of message_queue.",
        Node.REPLICA_1,
        _hide_a_week,
        _show_it,
        ("partitions.replicas_same",),
    ),
)
