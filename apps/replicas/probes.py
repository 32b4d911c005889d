"""What the PostgreSQL servers are asked about replication. The questions are in `sql/`; `lag` and `topology` read the answers together."""

from collections.abc import Iterator
from datetime import timedelta

from apps.metrics.kernel import NodeKind, NodeRole, Rows, Sample
from apps.metrics.probe import SLOW, Probe, TierProbe, numeric, rate, sql
from apps.replicas.lag import LAG, lag
from apps.replicas.topology import DRIFT, SPLIT, STANDBYS, TOPOLOGY, drift, split, standbys, topology

READS_EVERY = timedelta(minutes=1)


def read_wal(rows: Rows) -> Iterator[Sample]:
    """Only what one server's answer tells alone: how old the oldest snapshot is, on a primary."""
    for row in rows:
        if not row["in_recovery"]:
            yield Sample("replicas.wal.oldest_xmin_age", numeric(row["oldest_xmin_age"]))


def derive_wal(now: Rows, before: Rows, seconds: float) -> Iterator[Sample]:
    """WAL written (on a replica: replayed) per second, and recovery conflicts since the poll before; nothing across a change of role."""
    new, old = now[0], before[0]
    if any(new[key] != old[key] for key in ("in_recovery", "system_identifier", "timeline")):
        return
    yield Sample("replicas.wal.bytes_per_second", rate(new["lsn_bytes"], old["lsn_bytes"], seconds))
    if new["started_at"] == old["started_at"] and new["conflicts"] >= old["conflicts"]:
        yield Sample("replicas.wal.conflicts", float(new["conflicts"] - old["conflicts"]))


def read_slots(rows: Rows) -> Iterator[Sample]:
    """Of each slot what is judged and drawn; a slot that was never used keeps no WAL."""
    for row in rows:
        for name in ("active", "wal_standing", "safe_ratio", "kept_bytes"):
            yield Sample(f"replicas.slots.{name}", numeric(row[name]), row["object"])


def read_nothing(_rows: Rows) -> Iterator[Sample]:
    """For rows that are shown or compared but are no measurement over time."""
    return iter(())


def derive_reads(now: Rows, before: Rows, seconds: float) -> Iterator[Sample]:
    """SELECTs per second since the reading before; nothing across a reset or after statements were thrown out."""
    new, old = now[0], before[0]
    if new["stats_reset"] == old["stats_reset"] and new["dealloc"] == old["dealloc"]:
        yield Sample("replicas.reads.selects_per_second", rate(new["selects"], old["selects"], seconds))


MONITOR = "pg_monitor"
STATISTICS = "pg_monitor, and the extension pg_stat_statements in this database"
POSTGRES, PRIMARY = NodeKind.POSTGRES, NodeRole.PRIMARY

PROBES = (
    Probe("replicas.wal", POSTGRES, sql(__file__, "wal"), read=read_wal, derive=derive_wal, needs=MONITOR),
    Probe("replicas.senders", POSTGRES, sql(__file__, "senders"), role=PRIMARY, read=read_nothing, needs=MONITOR),
    Probe("replicas.slots", POSTGRES, sql(__file__, "slots"), role=PRIMARY, read=read_slots),
    Probe("replicas.settings", POSTGRES, sql(__file__, "settings"), every=SLOW, read=read_nothing),
    Probe(
        "replicas.reads",
        POSTGRES,
        sql(__file__, "reads"),
        every=READS_EVERY,
        read=read_nothing,
        derive=derive_reads,
        needs=STATISTICS,
    ),
)
TIER_PROBES = (
    TierProbe(
        LAG,
        lag,
        "How far is each replica behind? From replicas.wal of all servers and earlier readings of the primary.",
    ),
    TierProbe(
        TOPOLOGY, topology, "Which server is what? Roles, timelines and clocks, from replicas.wal of all servers."
    ),
    TierProbe(
        STANDBYS,
        standbys,
        "Which standbys does the primary see? From replicas.senders (pg_stat_replication), against the replicas declared.",
    ),
    TierProbe(
        DRIFT, drift, "Do the replicas' settings differ from the primary's? From replicas.settings of all servers."
    ),
    TierProbe(SPLIT, split, "Who answered the SELECTs of the last minute? From replicas.reads of all servers."),
)
