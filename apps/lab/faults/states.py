"""Servers that run and are in a bad state: replay paused, a slot forgotten, rows in the wrong place, a privilege lost."""

from functools import partial
from typing import LiteralString, TypeAlias

import psycopg

from apps.lab import postgres
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.layout import DATABASE, Node
from apps.lab.servers import Servers

Statement: TypeAlias = LiteralString | bytes


def run(servers: Servers, node: str, *statements: Statement, database: str = DATABASE) -> None:
    """Run these as superuser on a server itself, each by itself."""
    with postgres.connect(servers.layout, node, database) as connection:
        for statement in statements:
            connection.execute(statement)


def statements(node: str, *wanted: Statement) -> partial[Record]:
    """A fault that is put in by statements of a superuser."""
    return partial(_put, node, wanted)


def _put(node: str, statements: tuple[Statement, ...], servers: Servers) -> Record:
    try:
        run(servers, node, *statements)
    except psycopg.errors.UndefinedTable as error:
        raise FaultImpossible(
            f"The lab has no messages ({error}). `manage.py lab reset` and `lab up` make a filled one."
        ) from error
    return {}


def undo(node: str, *wanted: Statement) -> partial[None]:
    """One that is healed by statements of a superuser."""
    return partial(_take_back, node, wanted)


def _take_back(node: str, statements: tuple[Statement, ...], servers: Servers, _: Record) -> None:
    try:
        run(servers, node, *statements)
    except psycopg.errors.UndefinedTable:
        return  # never put in


def _pause_replay(servers: Servers) -> Record:
    run(servers, Node.REPLICA_1, "SELECT pg_wal_replay_pause()")
    # Something to be behind of, should the primary be idle.
    run(servers, Node.PRIMARY, "SELECT pg_logical_emit_message(true, 'lab', repeat('x', 65536))")
    return {}


def _fall_behind(servers: Servers) -> Record:
    _pause_replay(servers)
    filling = "SELECT pg_logical_emit_message(false, 'lab', repeat('x', 1000000)) FROM generate_series(1, 80)"
    run(servers, Node.PRIMARY, filling)
    return {}


def pool(command: Statement, servers: Servers) -> None:
    """Give PgBouncer's console one command, with the login that may act."""
    dsn = servers.layout.dsn(Node.PGBOUNCER, "opsportal_admin", direct=True)
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor, connect_timeout=5) as console:
        console.execute(command)


def _disable_pool(servers: Servers) -> Record:
    pool("DISABLE messaging", servers)
    return {}


def _enable_pool(servers: Servers, _: Record) -> None:
    pool("ENABLE messaging", servers)


def _pool_by_session(servers: Servers) -> Record:
    pool("SET pool_mode = session", servers)
    return {}


def _pool_by_transaction(servers: Servers, _: Record) -> None:
    pool("SET pool_mode = transaction", servers)


FAULTS = (
    Fault(
        "pause-replay",
        "The first replica receives WAL and does not apply it.",
        Node.REPLICA_1,
        _pause_replay,
        undo(Node.REPLICA_1, "SELECT pg_wal_replay_resume()"),
        (
            "replicas.replay_lag",
            "replicas.lag_health",
            "replicas.streaming",
            "replicas.count",
        ),
    ),
    Fault(
        "fall-behind",
        "The first replica applies no WAL, and the primary has written 80 MB more.",
        Node.REPLICA_1,
        _fall_behind,
        undo(Node.REPLICA_1, "SELECT pg_wal_replay_resume()"),
        ("replicas.lag_bytes",),
    ),
    Fault(
        "inactive-slot",
        "A replication slot nobody uses keeps WAL on the primary.",
        Node.PRIMARY,
        statements(Node.PRIMARY, "SELECT pg_create_physical_replication_slot('forgotten', true)"),
        undo(
            Node.PRIMARY,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'forgotten'",
        ),
        ("replicas.slot_active",),
    ),
    Fault(
        "fill-default-partition",
        "500 rows of message_queue lie beyond every week, in the default partition.",
        Node.PRIMARY,
        statements(
            Node.PRIMARY,
            """INSERT INTO message_queue (conversation_message_id, message_created_at, created_at)
               SELECT n, now(), now() + interval '10 years' FROM generate_series(1, 500) AS n""",
        ),
        undo(Node.PRIMARY, "DELETE FROM message_queue_default WHERE created_at > now() + interval '5 years'"),
        ("partitions.default_rows",),
    ),
    Fault(
        "drop-future-partitions",
        "The coming weeks of message_queue have no partition.",
        Node.PRIMARY,
        statements(
            Node.PRIMARY,
            """DO $$ DECLARE week regclass; BEGIN
                 FOR week IN SELECT inhrelid::regclass FROM pg_inherits
                             WHERE inhparent = 'message_queue'::regclass
                               AND to_date(substring(inhrelid::regclass::text FROM '_(\\d{4}w\\d{2})$'), 'IYYY"w"IW') > now()
                 LOOP EXECUTE format('DROP TABLE %s', week); END LOOP; END $$""",
        ),
        undo(Node.PRIMARY, "SELECT message_queue_ahead()"),
        (
            "partitions.ahead",
            "partitions.hours_left",
        ),
    ),
    Fault(
        "error-rate",
        "The application's login may no longer read conversation_message: its requests fail.",
        Node.PRIMARY,
        statements(Node.PRIMARY, "REVOKE SELECT ON conversation_message FROM app"),
        undo(Node.PRIMARY, "GRANT SELECT ON conversation_message TO app"),
        ("app.error_rate",),
    ),
    Fault(
        "settings-drift",
        "The second replica has other settings than its primary.",
        Node.REPLICA_2,
        statements(Node.REPLICA_2, "ALTER SYSTEM SET work_mem = '1MB'", "SELECT pg_reload_conf()"),
        undo(Node.REPLICA_2, "ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()"),
        ("replicas.settings_drift",),
    ),
    Fault(
        "pending-restart",
        "A setting of the primary was changed that waits for a restart.",
        Node.PRIMARY,
        statements(Node.PRIMARY, "ALTER SYSTEM SET max_locks_per_transaction = 128", "SELECT pg_reload_conf()"),
        undo(Node.PRIMARY, "ALTER SYSTEM RESET max_locks_per_transaction", "SELECT pg_reload_conf()"),
        ("queries.pending_restart",),
    ),
    Fault(
        "count-no-statements",
        "The primary counts no statements any more: pg_stat_statements is told to track none.",
        Node.PRIMARY,
        statements(Node.PRIMARY, "ALTER SYSTEM SET pg_stat_statements.track = 'none'", "SELECT pg_reload_conf()"),
        undo(Node.PRIMARY, "ALTER SYSTEM RESET pg_stat_statements.track", "SELECT pg_reload_conf()"),
        ("queries.statements_total",),
    ),
    Fault(
        "disable-pool",
        "PgBouncer refuses new clients of the database messaging.",
        Node.PGBOUNCER,
        _disable_pool,
        _enable_pool,
        ("pools.paused",),
    ),
    Fault(
        "pool-by-session",
        "PgBouncer keeps a server for each client until it hangs up.",
        Node.PGBOUNCER,
        _pool_by_session,
        _pool_by_transaction,
        ("pools.mode_transaction",),
    ),
)
