"""What redis_exporter calls the fields of INFO."""

from apps.metrics.exporters import Kind, named
from apps.metrics.kernel import Row, Rows

INFO = "cache.info"
GAUGES = {
    "uptime_in_seconds": "redis_uptime_in_seconds",
    "connected_clients": "redis_connected_clients",
    "blocked_clients": "redis_blocked_clients",
    "maxclients": "redis_config_maxclients",
    "used_memory": "redis_memory_used_bytes",
    "used_memory_rss": "redis_memory_used_rss_bytes",
    "used_memory_peak": "redis_memory_used_peak_bytes",
    "used_memory_lua": "redis_memory_used_lua_bytes",
    "used_memory_overhead": "redis_memory_used_overhead_bytes",
    "used_memory_dataset": "redis_memory_used_dataset_bytes",
    "maxmemory": "redis_memory_max_bytes",
    "mem_fragmentation_ratio": "redis_mem_fragmentation_ratio",
    "mem_fragmentation_bytes": "redis_mem_fragmentation_bytes",
    "loading": "redis_loading_dump_file",
    "rdb_changes_since_last_save": "redis_rdb_changes_since_last_save",
    "rdb_bgsave_in_progress": "redis_rdb_bgsave_in_progress",
    "rdb_last_save_time": "redis_rdb_last_save_timestamp_seconds",
    "rdb_last_bgsave_time_sec": "redis_rdb_last_bgsave_duration_sec",
    "aof_enabled": "redis_aof_enabled",
    "aof_rewrite_in_progress": "redis_aof_rewrite_in_progress",
    "connected_slaves": "redis_connected_slaves",
    "master_repl_offset": "redis_master_repl_offset",
    "pubsub_channels": "redis_pubsub_channels",
    "pubsub_patterns": "redis_pubsub_patterns",
}
COUNTERS = {
    "total_connections_received": "redis_connections_received_total",
    "rejected_connections": "redis_rejected_connections_total",
    "total_commands_processed": "redis_commands_processed_total",
    "total_net_input_bytes": "redis_net_input_bytes_total",
    "total_net_output_bytes": "redis_net_output_bytes_total",
    "keyspace_hits": "redis_keyspace_hits_total",
    "keyspace_misses": "redis_keyspace_misses_total",
    "expired_keys": "redis_expired_keys_total",
    "evicted_keys": "redis_evicted_keys_total",
    "used_cpu_sys": "redis_cpu_sys_seconds_total",
    "used_cpu_user": "redis_cpu_user_seconds_total",
}
OK = {
    "rdb_last_bgsave_status": "redis_rdb_last_bgsave_status",
    "aof_last_bgrewrite_status": "redis_aof_last_bgrewrite_status",
    "aof_last_write_status": "redis_aof_last_write_status",
}


def went_well(rows: Rows) -> Rows:
    """Of what ended `ok` or not, 1 or 0."""
    return tuple({name: row[name] == "ok" for name in OK if name in row} for row in rows)


def databases(rows: Rows) -> Rows:
    """One row for each database that has keys; INFO is silent about the others."""
    return tuple({"db": name, **said} for row in rows for name, said in row.items() if _is_database(name, said))


def _is_database(name: str, said: object) -> bool:
    return name.removeprefix("db").isdecimal() and isinstance(said, dict)


def seconds(rows: Rows) -> Rows:
    """The times that INFO tells in microseconds, and since when the server runs, in seconds since 1970."""
    return tuple(_seconds(row) for row in rows)


def _seconds(row: Row) -> Row:
    now, up, fork = (row.get(name) for name in ("server_time_usec", "uptime_in_seconds", "latest_fork_usec"))
    return {
        "started": now // 1_000_000 - up if isinstance(now, int) and isinstance(up, int) else None,
        "latest_fork": fork / 1e6 if isinstance(fork, int) else None,
    }


EXPORTED = (
    *named(Kind.GAUGE, INFO, GAUGES),
    *named(Kind.COUNTER, INFO, COUNTERS),
    *named(Kind.GAUGE, INFO, OK, shape=went_well),
    *named(
        Kind.GAUGE,
        INFO,
        {"started": "redis_start_time_seconds", "latest_fork": "redis_latest_fork_seconds"},
        shape=seconds,
    ),
    *named(
        Kind.GAUGE,
        INFO,
        {"keys": "redis_db_keys", "expires": "redis_db_keys_expiring"},
        {"db": "db"},
        shape=databases,
    ),
)
