"""Clients that misbehave: each fault is a living client, ended to heal."""

from datetime import timedelta
from functools import partial

from apps.lab import postgres
from apps.lab.faults import culprits
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.faults.states import run
from apps.lab.hindrances import SQL
from apps.lab.layout import Node
from apps.lab.servers import Servers


def _begin(deed: str, servers: Servers) -> Record:
    culprits.start(servers, deed)
    return {}


def _end(deed: str, servers: Servers, _: Record) -> None:
    culprits.stop(servers, deed)


def _evict(servers: Servers) -> Record:
    with postgres.connect(servers.layout, Node.PRIMARY) as connection:
        if connection.info.server_version < 140000:
            raise FaultImpossible("Before PostgreSQL 14 nothing tells that pg_stat_statements dropped statements.")
    return _begin("evict-statements", servers)


def _evict_no_more(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "evict-statements")
    run(servers, Node.PRIMARY, (SQL / "forget_statements.sql").read_bytes(), database="postgres")


def _read_past_cache(servers: Servers) -> Record:
    run(
        servers,
        Node.PRIMARY,
        # A row a page, because the rest of each is left free: 50 MB, more than the quarter of the cache that a table may take.
        """CREATE UNLOGGED TABLE lab_wide WITH (fillfactor = 10, autovacuum_enabled = off)
           AS SELECT repeat('x', 700) AS filler FROM generate_series(1, 6400)""",
        "GRANT SELECT ON lab_wide TO app",
    )
    return _begin("read-past-cache", servers)


def _read_no_more(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "read-past-cache")
    run(servers, Node.PRIMARY, "DROP TABLE IF EXISTS lab_wide")


def _cancel_reports(servers: Servers) -> Record:
    run(servers, Node.REPLICA_2, "ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()")
    run(servers, Node.PRIMARY, "CREATE TABLE lab_contended ()", "GRANT SELECT, UPDATE ON lab_contended TO app")
    return _begin("cancel-reports", servers)


def _cancel_no_more(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "cancel-reports")
    run(servers, Node.PRIMARY, "DROP TABLE IF EXISTS lab_contended")
    run(servers, Node.REPLICA_2, "ALTER SYSTEM RESET max_standby_streaming_delay", "SELECT pg_reload_conf()")


def _fault(name: str, node: str, says: str, *fires: str, after: timedelta = timedelta(0)) -> Fault:
    return Fault(name, says, node, partial(_begin, name), partial(_end, name), fires, after)


FAULTS = (
    _fault(
        "exhaust-pool",
        Node.PGBOUNCER,
        "Clients occupy the whole pool inside transactions; fifteen more wait.",
        "pools.utilisation",
        "pools.waiting",
        "pools.maxwait",
    ),
    _fault(
        "crowd-servers",
        Node.PGBOUNCER,
        "Twice as many clients as the pool has servers run statements of 0.2 s: each waits for its turn.",
        "pools.waits",
    ),
    _fault(
        "leak-connection",
        Node.PGBOUNCER,
        "Three clients sit idle inside a transaction and keep a server connection each.",
        "pools.held_servers",
        "pools.leak",
        after=timedelta(minutes=2),
    ),
    _fault(
        "idle-in-transaction",
        Node.PRIMARY,
        "Three sessions of the primary stay idle inside a transaction.",
        "queries.idle_in_transaction",
        "queries.longest_transaction",
        after=timedelta(minutes=5),
    ),
    _fault(
        "hold-lock",
        Node.PRIMARY,
        "One session locks conversation_message against everybody; three more wait for it.",
        "queries.blocked",
        "queries.lock_wait",
    ),
    _fault(
        "slow-queries",
        Node.PRIMARY,
        "Two dozen sessions run statements of 0.7 s without a pause.",
        "queries.p95",
        "queries.p95_health",
        "queries.slow_share",
    ),
    _fault(
        "fill-connections",
        Node.PRIMARY,
        "Idle sessions take all but a few of the primary's connections.",
        "queries.connections",
    ),
    _fault(
        "hoard-locks",
        Node.PRIMARY,
        "One session holds 3,000 advisory locks.",
        "queries.lock_table",
    ),
    _fault(
        "crowd-pool",
        Node.PGBOUNCER,
        "Idle clients take nine tenths of the connections that PgBouncer allows.",
        "pools.clients",
    ),
    _fault("deadlock", Node.PRIMARY, "Two sessions run into a deadlock about once a second.", "queries.deadlocks"),
    _fault(
        "roll-back",
        Node.PRIMARY,
        "A client rolls back up to a hundred transactions a second.",
        "queries.rollback_ratio",
    ),
    _fault(
        "old-snapshot",
        Node.PRIMARY,
        "A session keeps the snapshot of its transaction, and a million transactions have begun since.",
        "replicas.old_xmin",
    ),
    Fault(
        "evict-statements",
        "A client sends statements of ever new shapes: pg_stat_statements is full and drops those it counted least.",
        Node.PRIMARY,
        _evict,
        _evict_no_more,
        ("queries.evictions",),
    ),
    Fault(
        "read-past-cache",
        "A client reads a table of 50 MB again and again, of which nothing stays in shared buffers.",
        Node.PRIMARY,
        _read_past_cache,
        _read_no_more,
        ("queries.buffer_hit",),
    ),
    Fault(
        "cancel-reports",
        "The second replica lets no query keep it from replaying: a report on it is cancelled about once a second.",
        Node.REPLICA_2,
        _cancel_reports,
        _cancel_no_more,
        ("replicas.conflicts",),
    ),
    _fault(
        "cold-cache",
        Node.REDIS,
        "Every cached entry is removed ten times a second, so that reads miss.",
        "cache.hit_rate",
        "cache.keys",
    ),
    _fault(
        "crowd-watchers",
        Node.REPLICA_2,
        "Eight more sessions of the login that only looks: watching the second replica costs more than its cap.",
        "node.budget",
        "node.backed_off",
        after=timedelta(minutes=8),
    ),
    _fault(
        "slow-commands",
        Node.REDIS,
        "A script occupies Redis for some hundredths of a second, every second.",
        "cache.slow_log",
    ),
)
