"""What prometheus-community's pgbouncer_exporter calls the answers of the console."""

from apps.metrics.exporters import Exported, Kind, named, turned

DATABASE = {name: name for name in ("name", "host", "port", "database", "force_user", "pool_mode")}
SECONDS = 1e-6  # of the console's microseconds

EXPORTED = (
    *named(
        Kind.GAUGE,
        "pools.pools",
        {
            "cl_active": "pgbouncer_pools_client_active_connections",
            "cl_waiting": "pgbouncer_pools_client_waiting_connections",
            "sv_active": "pgbouncer_pools_server_active_connections",
            "sv_idle": "pgbouncer_pools_server_idle_connections",
            "sv_used": "pgbouncer_pools_server_used_connections",
            "sv_tested": "pgbouncer_pools_server_testing_connections",
            "sv_login": "pgbouncer_pools_server_login_connections",
            "maxwait": "pgbouncer_pools_client_maxwait_seconds",
        },
        {"database": "database", "user": "user"},
    ),
    *named(
        Kind.GAUGE,
        "pools.databases",
        {
            name: f"pgbouncer_databases_{name}"
            for name in ("pool_size", "reserve_pool", "max_connections", "current_connections", "paused", "disabled")
        },
        DATABASE,
    ),
    *named(
        Kind.COUNTER,
        "pools.stats",
        {
            "total_query_count": "pgbouncer_stats_queries_pooled_total",
            "total_xact_count": "pgbouncer_stats_sql_transactions_pooled_total",
            "total_received": "pgbouncer_stats_received_bytes_total",
            "total_sent": "pgbouncer_stats_sent_bytes_total",
        },
        {"database": "database"},
    ),
    *named(
        Kind.COUNTER,
        "pools.stats",
        {
            "total_query_time": "pgbouncer_stats_queries_duration_seconds_total",
            "total_xact_time": "pgbouncer_stats_server_in_transaction_seconds_total",
            "total_wait_time": "pgbouncer_stats_client_wait_seconds_total",
        },
        {"database": "database"},
        scale=SECONDS,
    ),
    *named(
        Kind.GAUGE,
        "pools.lists",
        {
            name: f"pgbouncer_{name}"
            for name in (
                "databases",
                "users",
                "pools",
                "free_clients",
                "used_clients",
                "login_clients",
                "free_servers",
                "used_servers",
            )
        },
        shape=turned("list", "items"),
    ),
    Exported(
        "pgbouncer_config_max_client_connections",
        Kind.GAUGE,
        "pools.config",
        "max_client_conn",
        shape=turned("key", "value"),
    ),
)
