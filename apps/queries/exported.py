"""What postgres_exporter calls a server's work. Counts are of all databases of a server together, without `datname` and `datid`."""

from datetime import datetime

from apps.metrics.exporters import Exported, Kind, named
from apps.metrics.kernel import Rows

COUNTERS, SESSIONS, UPKEEP = "queries.counters", "queries.sessions", "queries.upkeep"


def started(rows: Rows) -> Rows:
    """When the server was started, in seconds since 1970."""
    return tuple({"started": datetime.fromisoformat(row["started_at"]).timestamp()} for row in rows)


EXPORTED = (
    *named(
        Kind.COUNTER,
        COUNTERS,
        {
            "commits": "pg_stat_database_xact_commit",
            "rollbacks": "pg_stat_database_xact_rollback",
            "blocks_hit": "pg_stat_database_blks_hit",
            "blocks_read": "pg_stat_database_blks_read",
            "rows_read": "pg_stat_database_tup_returned",
            "deadlocks": "pg_stat_database_deadlocks",
            "temporary_bytes": "pg_stat_database_temp_bytes",
        },
    ),
    Exported(
        "pg_postmaster_start_time_seconds",
        Kind.GAUGE,
        COUNTERS,
        "started",
        fixed={"process_name": "postmaster"},
        shape=started,
    ),
    *(
        Exported("pg_stat_activity_count", Kind.GAUGE, SESSIONS, column, fixed={"state": state})
        for column, state in (
            ("active", "active"),
            ("idle", "idle"),
            ("idle_in_transaction", "idle in transaction"),  # aborted ones too
        )
    ),
    *named(
        Kind.COUNTER,
        UPKEEP,
        {
            "checkpoints_timed": "pg_stat_bgwriter_checkpoints_timed_total",
            "checkpoints_requested": "pg_stat_bgwriter_checkpoints_req_total",
        },
    ),
)
