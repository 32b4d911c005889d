"""What the cache page draws and lists."""

from apps.metrics.board import Chart, Column, Table
from apps.metrics.kernel import Unit

CHARTS = (
    Chart("hit-rate", "Hit rate", Unit.RATIO, ("cache.hits.ratio",), check="cache.hit_rate"),
    Chart(
        "memory",
        "Memory",
        Unit.BYTES,
        ("cache.info.used_memory", "cache.info.used_memory_rss"),
        lines="metric",
        names=("used by Redis", "given by the system"),
        check="cache.memory_health",
        reduce="max",
    ),
    Chart(
        "lookups",
        "Lookups",
        Unit.PER_SECOND,
        ("cache.hits.hits", "cache.hits.misses"),
        lines="metric",
        names=("hits", "misses"),
    ),
    Chart(
        "removals",
        "Entries that went",
        Unit.PER_MINUTE,
        ("cache.info.evictions", "cache.info.expirations"),
        lines="metric",
        names=("evicted", "expired"),
        check="cache.evictions",
    ),
    Chart(
        "by-namespace",
        "Hit rate by namespace",
        Unit.RATIO,
        ("cache.hits.namespace_ratio",),
        lines="object",
    ),
    Chart("keys", "Keys", Unit.COUNT, ("cache.info.keys",), reduce="max"),
)

TABLES = (
    Table(
        "namespaces",
        "Namespaces, and the load time they saved",
        "cache.hits",
        (
            Column("node", "Node"),
            Column("object", "Namespace", code=True),
            Column("ratio", "Hit rate now", Unit.RATIO, spark="cache.hits.namespace_ratio"),
            Column("ratio_ever", "Hit rate ever", Unit.RATIO),
            Column("hits", "Hits", Unit.COUNT),
            Column("misses", "Misses", Unit.COUNT),
            Column("stale", "Served stale", Unit.COUNT),
            Column("loads", "Loads", Unit.COUNT),
            Column("load_mean", "Mean load", Unit.SECONDS),
            Column("saved", "Saved (mean load × hits)", Unit.SECONDS),
            Column("bytes", "Written", Unit.BYTES),
            Column("counted_by", "Counted by"),
        ),
        empty="Nothing has been looked up yet.",
    ),
    Table(
        "entries",
        "Entries",
        "cache.entries",
        (
            Column("namespace", "Namespace (empty: all)", code=True),
            Column("entries", "Entries", Unit.COUNT),
            Column("complete", "All keys were counted"),
        ),
        empty="The keys have not been counted yet.",
    ),
    Table(
        "memory-kinds",
        "Memory by kind",
        "cache.memory",
        (
            Column("node", "Node"),
            Column("object", "Kind"),
            Column("bytes", "Memory", Unit.BYTES, spark="cache.memory.bytes"),
            Column("share", "Of all", Unit.RATIO),
        ),
        empty="Redis has not answered yet.",
    ),
    Table(
        "slow-log",
        "Slow commands",
        "cache.slowlog",
        (
            Column("at", "When"),
            Column("seconds", "Took", Unit.SECONDS),
            Column("command", "Command and key", code=True),
        ),
        empty="The slow log is empty.",
    ),
    Table(
        "saves",
        "Snapshots",
        "cache.saves",
        (
            Column("node", "Node"),
            Column("last_save", "Last snapshot"),
            Column("schedule", "Schedule (seconds, changes)", code=True),
            Column("changes", "Changes since", Unit.COUNT),
            Column("overdue", "Late by", Unit.SECONDS),
            Column("append_only", "Append-only file"),
        ),
        empty="Redis has not answered yet.",
    ),
)
