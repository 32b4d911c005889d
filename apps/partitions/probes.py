"""What the servers are asked about partitioned tables. The questions are in `sql/`; `inventory` and `wanted` read the answers together."""

from collections.abc import Iterator
from datetime import timedelta

from apps.metrics.kernel import NodeKind, NodeRole, Rows, Sample
from apps.metrics.probe import SLOW, Probe, TierProbe, numeric, sql
from apps.partitions import own
from apps.partitions.inventory import PARTS, TABLES, parts, tables
from apps.partitions.wanted import SAME, WANTED, same, wanted

BOUNDS_EVERY = timedelta(minutes=1)
OF_A_TABLE = ("partitions", "default_rows", "detach_pending", "never_analysed", "lock_share")


def read_parents(rows: Rows) -> Iterator[Sample]:
    """Of each partitioned table what is judged and drawn. Rows in the default are None when the statistics were lost."""
    for row in rows:
        for name in OF_A_TABLE:
            yield Sample(f"partitions.parents.{name}", numeric(row[name]), row["object"])


def read_sizes(rows: Rows) -> Iterator[Sample]:
    """The size of each partitioned table, all its partitions together; none while one of them is locked."""
    whole: dict[str, list[float | None]] = {}
    for row in rows:
        if row["parent"]:
            whole.setdefault(row["parent"], []).append(row["total_bytes"])
    for parent, sizes in whole.items():
        known = [size for size in sizes if size is not None]
        yield Sample("partitions.sizes.total_bytes", sum(known) if len(known) == len(sizes) else None, parent)


def read_nothing(_rows: Rows) -> Iterator[Sample]:
    """For rows that `inventory` reads."""
    return iter(())


POSTGRES, PRIMARY = NodeKind.POSTGRES, NodeRole.PRIMARY

PROBES = (
    Probe("partitions.parents", POSTGRES, sql(__file__, "parents"), role=PRIMARY, read=read_parents),
    Probe("partitions.bounds", POSTGRES, sql(__file__, "bounds"), every=BOUNDS_EVERY, role=PRIMARY, read=read_nothing),
    Probe("partitions.names", POSTGRES, sql(__file__, "names"), every=BOUNDS_EVERY, read=read_nothing),
    Probe("partitions.sizes", POSTGRES, sql(__file__, "sizes"), every=SLOW, role=PRIMARY, read=read_sizes),
    Probe("partitions.indexes", POSTGRES, sql(__file__, "indexes"), every=SLOW, role=PRIMARY),
    Probe("partitions.detached", POSTGRES, sql(__file__, "detached"), every=SLOW, role=PRIMARY),
)
TIER_PROBES = (
    TierProbe(PARTS, parts, "Every partition, from partitions.bounds and partitions.sizes of the primary."),
    TierProbe(
        TABLES, tables, "Every partitioned table in time, from partitions.parents, .bounds and .sizes of the primary."
    ),
    TierProbe(
        WANTED,
        wanted,
        "Is each table of the programme a partitioned parent? From partitions.parents, .bounds and .sizes.",
    ),
    TierProbe(SAME, same, "Do the replicas show the primary's partitions? From partitions.names of all servers."),
    TierProbe(
        own.PROBE,
        own.derive,
        "The bounds of every partition of the portal's own store (the question partitions.bounds), its record of what was made and "
        "dropped, and the settings of retention. Read once a minute by the poller, and anew by whoever opens the page of the portal.",
    ),
)
