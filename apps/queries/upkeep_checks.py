"""What must hold of a server's upkeep: vacuum, archiving, checkpoints, sequences, settings. Part of `checks.CHECKS`."""

from datetime import timedelta

from apps.metrics.kernel import Check, NodeKind, NodeRole, Unit

KIND = NodeKind.POSTGRES
PRIMARY = NodeRole.PRIMARY
SLOW_STALE = timedelta(minutes=10, seconds=30)  # two readings of the slow schedule

UPKEEP_CHECKS = (
    Check(
        id="queries.wraparound",
        title="Transaction ids used",
        metric="queries.upkeep.wraparound_used",
        source="queries.upkeep",
        unit=Unit.RATIO,
        warn=0.5,
        fail=0.75,
        stale_after=SLOW_STALE,
        kind=KIND,
        role=PRIMARY,
        meaning="Age of the oldest transaction id not yet frozen, of all there are. At the end the server refuses to write.",
        remedy="Find what holds vacuum back: an old transaction, an abandoned slot, a prepared transaction. Then VACUUM the oldest tables.",
    ),
    Check(
        id="queries.dead_tuples",
        title="Dead rows",
        metric="queries.tables.worst_dead_ratio",
        source="queries.tables",
        unit=Unit.RATIO,
        warn=0.1,
        stale_after=SLOW_STALE,
        hold=timedelta(minutes=10),
        kind=KIND,
        role=PRIMARY,
        meaning="The largest share of dead rows in any table with more than 10,000 of them, by the server's own estimate.",
        remedy="See whether autovacuum reaches the table: an old transaction or slot may hold it back, or it is set too lazy.",
    ),
    Check(
        id="queries.archiver",
        title="WAL archiving",
        metric="queries.counters.archiver_failing",
        source="queries.counters",
        unit=Unit.YES_NO,
        fail=0,
        hold=timedelta(minutes=1),
        kind=KIND,
        role=PRIMARY,
        meaning="The latest attempt to archive a WAL file failed; WAL gathers on the primary's disk. “No” also where archiving is off.",
        remedy="Read the server's log for the archive command's words: full target, changed credentials, missing network.",
    ),
    Check(
        id="queries.requested_checkpoints",
        title="Checkpoints before their time",
        metric="queries.upkeep.requested_checkpoints",
        source="queries.upkeep",
        unit=Unit.RATIO,
        warn=0.5,
        stale_after=SLOW_STALE,
        hold=timedelta(minutes=15),
        kind=KIND,
        role=PRIMARY,
        meaning="Of the checkpoints of the last five minutes, the share asked for by WAL volume or a command; 0 when there was none.",
        remedy="If it lasts, raise max_wal_size: checkpoints in quick succession write the same pages again and again.",
    ),
    Check(
        id="queries.sequences",
        title="Sequences used",
        metric="queries.sequences.worst_used",
        source="queries.sequences",
        unit=Unit.RATIO,
        warn=0.7,
        fail=0.8,
        stale_after=SLOW_STALE,
        kind=KIND,
        role=PRIMARY,
        meaning="How much of its range the fullest sequence has used. At the end inserts fail. Without SELECT on them nothing is known.",
        remedy="Change the column and its sequence to bigint in good time; on a large table that is a planned migration.",
    ),
    Check(
        id="queries.pending_restart",
        title="Settings waiting for a restart",
        metric="queries.upkeep.pending_restart",
        source="queries.upkeep",
        unit=Unit.COUNT,
        warn=1,
        stale_after=SLOW_STALE,
        kind=KIND,
        meaning="Settings changed in the files that only a restart applies: the running server differs from its configuration.",
        remedy="Plan a restart in a quiet hour, or take the change back.",
    ),
)
