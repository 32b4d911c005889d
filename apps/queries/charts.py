"""What the queries page draws and lists."""

from apps.metrics.board import Chart, Column, Table
from apps.metrics.kernel import Unit

CHARTS = (
    Chart(
        "p95",
        "Query time, p95 of statement means",
        Unit.MILLISECONDS,
        ("queries.statements.p95_ms",),
        check="queries.p95",
        reduce="max",
    ),
    Chart("calls", "Statements executed", Unit.PER_SECOND, ("queries.statements.calls_per_second",)),
    Chart(
        "slow-share",
        "Share of slow queries",
        Unit.RATIO,
        ("queries.statements.slow_share",),
        check="queries.slow_share",
        reduce="max",
    ),
    Chart(
        "connections",
        "Connections used",
        Unit.RATIO,
        ("queries.sessions.connections_used",),
        check="queries.connections",
        reduce="max",
    ),
    Chart("active", "Sessions at work", Unit.COUNT, ("queries.sessions.active",), reduce="max"),
    Chart(
        "transaction",
        "Longest transaction",
        Unit.SECONDS,
        ("queries.sessions.longest_transaction_seconds",),
        check="queries.longest_transaction",
        reduce="max",
    ),
    Chart(
        "buffer-hit",
        "Blocks found in shared buffers",
        Unit.RATIO,
        ("queries.counters.buffer_hit_ratio",),
        check="queries.buffer_hit",
        reduce="min",
    ),
    Chart("transactions", "Transactions", Unit.PER_SECOND, ("queries.counters.transactions_per_second",)),
)

TABLES = (
    Table(
        "statements",
        "Statements, those with the most time since the last poll first",
        "queries.top",
        (
            Column("node", "Node"),
            Column("query", "Statement", code=True),
            Column("recent_share", "Share of time now", Unit.RATIO),
            Column("recent_calls", "Calls now", Unit.COUNT),
            Column("recent_mean_ms", "Mean now", Unit.MILLISECONDS),
            Column("share", "Share of all time", Unit.RATIO),
            Column("calls", "Calls", Unit.COUNT),
            Column("mean_ms", "Mean", Unit.MILLISECONDS),
            Column("rows", "Rows", Unit.COUNT),
        ),
        empty="No statements are known. Is the extension pg_stat_statements loaded and installed in this database?",
        limit=60,
    ),
    Table(
        "sessions",
        "Sessions at work or in a transaction, the longest first",
        "queries.activity",
        (
            Column("object", "Process", code=True),
            Column("seconds", "Since", Unit.SECONDS),
            Column("state", "State"),
            Column("waits_for", "Waits for", code=True),
            Column("blocked_by", "Blocked by", code=True),
            Column("login", "Login", code=True),
            Column("application", "Application", code=True),
            Column("query", "Statement", code=True),
        ),
        empty="No session does anything at this moment.",
    ),
    Table(
        "dead-rows",
        "Tables with the most dead rows",
        "queries.tables",
        (
            Column("object", "Table", code=True),
            Column("dead_ratio", "Dead", Unit.RATIO),
            Column("dead_rows", "Dead rows", Unit.COUNT),
            Column("live_rows", "Live rows", Unit.COUNT),
            Column("last_vacuum", "Last vacuum"),
        ),
        empty="No table has dead rows.",
    ),
    Table(
        "sequences",
        "Sequences, the fullest first",
        "queries.sequences",
        (
            Column("object", "Sequence", code=True),
            Column("used", "Used", Unit.RATIO),
        ),
        empty="This database has no sequences.",
    ),
)
