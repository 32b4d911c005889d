"""What postgres_exporter calls replication: lag, standbys, slots and a few settings.

The lag is the portal's own: the exporter's, time since the last commit replayed, grows while nothing is written.
"""

from apps.metrics.exporters import Exported, Kind, named, turned

SLOT, STANDBY = (
    {"slot_name": "object"},
    {"application_name": "object", "client_addr": "client", "state": "state", "slot_name": "slot"},
)

EXPORTED = (
    Exported("pg_replication_is_replica", Kind.GAUGE, "replicas.wal", "in_recovery"),
    Exported("pg_stat_database_conflicts", Kind.COUNTER, "replicas.wal", "conflicts"),  # of all databases together
    Exported("pg_replication_lag_seconds", Kind.GAUGE, "replicas.lag", "lag_seconds"),
    Exported("pg_stat_replication_pg_wal_lsn_diff", Kind.GAUGE, "replicas.senders", "unreplayed_bytes", STANDBY),
    *named(
        Kind.GAUGE,
        "replicas.slots",
        {"active": "pg_replication_slots_active", "kept_bytes": "pg_replication_slots_pg_wal_lsn_diff"},
        SLOT,
    ),
    Exported(
        "pg_replication_slot_safe_wal_size_bytes",
        Kind.GAUGE,
        "replicas.slots",
        "safe_bytes",
        SLOT | {"slot_type": "slot_type"},
    ),
    *named(
        Kind.GAUGE,
        "replicas.settings",
        {
            name: f"pg_settings_{name}"
            for name in (
                "max_connections",
                "max_locks_per_transaction",
                "max_prepared_transactions",
                "max_wal_senders",
                "max_worker_processes",
            )
        },
        shape=turned("object", "value"),
    ),
)
