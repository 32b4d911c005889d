"""What the replicas page draws and lists."""

from apps.metrics.board import Chart, Column, Table
from apps.metrics.kernel import Unit

CHARTS = (
    Chart(
        "lag",
        "Replay lag",
        Unit.SECONDS,
        ("replicas.lag.seconds",),
        check="replicas.replay_lag",
        reduce="max",
    ),
    Chart(
        "lag-bytes",
        "WAL not yet replayed",
        Unit.BYTES,
        ("replicas.lag.bytes",),
        check="replicas.lag_bytes",
        reduce="max",
    ),
    Chart("wal-rate", "WAL written and replayed, bytes per second", Unit.BYTES, ("replicas.wal.bytes_per_second",)),
    Chart("reads", "SELECTs", Unit.PER_SECOND, ("replicas.reads.selects_per_second",)),
    Chart("slots", "WAL kept for slots", Unit.BYTES, ("replicas.slots.kept_bytes",), lines="object", reduce="max"),
    Chart("serving", "Replicas in service", Unit.COUNT, ("replicas.topology.replicas_serving",), reduce="min"),
)

TABLES = (
    Table(
        "replicas",
        "Replicas",
        "replicas.lag",
        (
            Column("node", "Replica"),
            Column("standing", "State"),
            Column("cause", "Because"),
            Column("lag_seconds", "Behind by at most", Unit.SECONDS, spark="replicas.lag.seconds"),
            Column("lag_bytes", "WAL behind", Unit.BYTES),
            Column("unreplayed_bytes", "Received, not replayed", Unit.BYTES),
            Column("receiver", "Receiver"),
            Column("timeline", "Timeline", Unit.COUNT),
        ),
        empty="This tier has no replicas.",
    ),
    Table(
        "servers",
        "Servers and their roles",
        "replicas.topology",
        (
            Column("node", "Server"),
            Column("declared", "Declared"),
            Column("role", "Observed"),
            Column("timeline", "Timeline", Unit.COUNT),
            Column("clock_skew_seconds", "Clock apart from the primary's", Unit.SECONDS),
            Column("message", "Failure"),
        ),
        empty="This tier has no PostgreSQL servers.",
    ),
    Table(
        "senders",
        "Standbys as the primary sees them",
        "replicas.senders",
        (
            Column("object", "Standby", code=True),
            Column("client", "Address", code=True),
            Column("state", "State"),
            Column("sync_state", "Commit waits"),
            Column("unsent_bytes", "Not sent", Unit.BYTES),
            Column("unflushed_bytes", "Not flushed", Unit.BYTES),
            Column("unreplayed_bytes", "Not replayed", Unit.BYTES),
            Column("replay_seconds", "Replay took", Unit.SECONDS),
            Column("reply_age_seconds", "Last heard", Unit.SECONDS),
        ),
        empty="No standby is connected to the primary.",
    ),
    Table(
        "slot-states",
        "Replication slots",
        "replicas.slots",
        (
            Column("object", "Slot", code=True),
            Column("slot_type", "Kind"),
            Column("active", "In use", Unit.YES_NO),
            Column("inactive_seconds", "Unused for (not told before PostgreSQL 17)", Unit.SECONDS),
            Column("wal_status", "WAL"),
            Column("lost_because", "Lost because", code=True),
            Column("kept_bytes", "Kept for it", Unit.BYTES, spark="replicas.slots.kept_bytes"),
            Column("safe_bytes", "Room before it loses WAL", Unit.BYTES),
        ),
        empty="The primary has no replication slots.",
    ),
    Table(
        "drift",
        "Settings that differ from the primary's",
        "replicas.drift",
        (Column("node", "Server"), Column("differs", "Differs", code=True)),
        empty="The settings have not been read yet.",
    ),
)
