"""What the pools page draws and lists."""

from apps.metrics.board import Chart, Column, Table
from apps.metrics.kernel import Unit

CHARTS = (
    Chart(
        "utilisation",
        "Pool utilisation",
        Unit.RATIO,
        ("pools.use.utilisation",),
        lines="object",
        check="pools.utilisation",
        reduce="max",
    ),
    Chart(
        "waiting",
        "Clients waiting",
        Unit.COUNT,
        ("pools.use.waiting_total",),
        check="pools.waiting",
        reduce="max",
    ),
    Chart(
        "servers",
        "Server connections",
        Unit.COUNT,
        ("pools.pools.servers_active", "pools.pools.servers_idle", "pools.pools.servers_login"),
        lines="metric",
        names=("active", "idle", "logging in"),
    ),
    Chart(
        "wait",
        "Wait per transaction",
        Unit.SECONDS,
        ("pools.stats.wait",),
        lines="object",
        check="pools.waits",
    ),
    Chart(
        "transactions",
        "Transactions and queries",
        Unit.PER_SECOND,
        ("pools.stats.transactions", "pools.stats.queries"),
        lines="metric",
        names=("transactions", "queries"),
    ),
    Chart(
        "longest-held",
        "Longest held server",
        Unit.SECONDS,
        ("pools.held.longest",),
        check="pools.held_servers",
        reduce="max",
    ),
)

TABLES = (
    Table(
        "pools",
        "Pools",
        "pools.use",
        (
            Column("node", "Node"),
            Column("object", "Pool", code=True),
            Column("mode", "Mode"),
            Column("size", "Size", Unit.COUNT),
            Column("utilisation", "Used", Unit.RATIO, spark="pools.use.utilisation"),
            Column("in_use", "In use", Unit.COUNT),
            Column("idle", "Idle", Unit.COUNT),
            Column("clients", "Clients", Unit.COUNT),
            Column("waiting", "Waiting", Unit.COUNT),
            Column("maxwait", "Longest wait", Unit.SECONDS),
        ),
        empty="Nobody has connected through PgBouncer yet.",
    ),
    Table(
        "databases",
        "Databases",
        "pools.databases",
        (
            Column("name", "Database", code=True),
            Column("host", "Host", code=True),
            Column("port", "Port"),
            Column("pool_size", "Pool size", Unit.COUNT),
            Column("reserve_pool", "Reserve", Unit.COUNT),
            Column("current_connections", "Connections", Unit.COUNT),
            Column("max_connections", "Most (0: no limit)", Unit.COUNT),
            Column("paused", "Paused", Unit.YES_NO),
            Column("disabled", "Disabled", Unit.YES_NO),
        ),
        empty="PgBouncer has no database configured.",
    ),
    Table(
        "held",
        "Servers in use, longest silent first",
        "pools.held",
        (
            Column("node", "Node"),
            Column("pool", "Pool", code=True),
            Column("seconds", "Silent for at least", Unit.SECONDS),
            Column("application", "Application", code=True),
            Column("client", "Client", code=True),
            Column("backend_pid", "Backend"),
            Column("server", "Server", code=True),
        ),
        empty="No client has a server at this moment.",
    ),
    Table(
        "settings",
        "Configuration: changed settings first, then those that are not the default",
        "pools.settings",
        (
            Column("node", "Node"),
            Column("key", "Setting", code=True),
            Column("value", "Value", code=True),
            Column("default", "Default", code=True),
            Column("before", "Before the last change", code=True),
            Column("changed_at", "Seen to change"),
        ),
        empty="The configuration has not been read yet.",
        limit=40,
    ),
)
