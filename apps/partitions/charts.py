"""What the partitions page draws and lists."""

from apps.metrics.board import Chart, Column, Table
from apps.metrics.kernel import Unit

CHARTS = (
    Chart(
        "hours-left",
        "Time until writes spill",
        Unit.HOURS,
        ("partitions.tables.hours_left",),
        lines="object",
        check="partitions.hours_left",
        reduce="min",
    ),
    Chart(
        "default-rows",
        "Rows in default partitions",
        Unit.COUNT,
        ("partitions.parents.default_rows",),
        lines="object",
        check="partitions.default_rows",
        reduce="max",
    ),
    Chart("ahead", "Partitions ahead", Unit.COUNT, ("partitions.tables.ahead",), lines="object", reduce="min"),
    Chart("size", "Size of partitioned tables", Unit.BYTES, ("partitions.sizes.total_bytes",), lines="object"),
    Chart(
        "lock-share",
        "Locks of one unpruned query, of the lock table",
        Unit.RATIO,
        ("partitions.parents.lock_share",),
        lines="object",
        check="partitions.lock_budget",
    ),
    Chart("count", "Partitions", Unit.COUNT, ("partitions.parents.partitions",), lines="object"),
)

TABLES = (
    Table(
        "tables",
        "Tables",
        "partitions.tables",
        (
            Column("object", "Table", code=True),
            Column("how", "Partitioned", code=True),
            Column("wanted", "Wanted"),
            Column("keep_months", "Kept for months", Unit.COUNT),
            Column("partitions", "Partitions", Unit.COUNT),
            Column("ahead", "Ahead", Unit.COUNT),
            Column("hours_left", "Until writes spill", Unit.HOURS),
            Column("default_partition", "Default", code=True),
            Column("default_rows", "Rows in default", Unit.COUNT, spark="partitions.parents.default_rows"),
            Column("total_bytes", "Size", Unit.BYTES),
        ),
        empty="The tables have not been read yet.",
    ),
    Table(
        "partitions",
        "Partitions",
        "partitions.parts",
        (
            Column("object", "Partition", code=True),
            Column("parent", "Of", code=True),
            Column("from", "From"),
            Column("to", "Up to"),
            Column("flags", "Notes"),
            Column("live_rows", "Rows (estimate)", Unit.COUNT),
            Column("total_bytes", "Size", Unit.BYTES),
            Column("last_analysed", "Analysed"),
        ),
        empty="No table of this database is partitioned.",
        limit=500,
    ),
    Table(
        "indexes",
        "Indexes of partitioned tables",
        "partitions.indexes",
        (
            Column("object", "Table", code=True),
            Column("invalid", "Invalid", Unit.COUNT),
            Column("missing", "Missing", Unit.COUNT),
            Column("names", "Invalid ones", code=True),
        ),
        empty="No table of this database is partitioned.",
    ),
    Table(
        "detached",
        "Detached and kept",
        "partitions.detached",
        (
            Column("object", "Table", code=True),
            Column("detached", "Detached", Unit.COUNT),
            Column("names", "Tables", code=True),
        ),
        empty="No table of this database is partitioned.",
    ),
)
