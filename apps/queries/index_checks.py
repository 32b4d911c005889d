"""What must hold of indexes. Part of `checks.CHECKS`."""

from datetime import timedelta

from apps.metrics.kernel import Check, NodeKind, NodeRole, Unit
from apps.queries.upkeep_checks import SLOW_STALE

KIND = NodeKind.POSTGRES
PRIMARY = NodeRole.PRIMARY

INDEX_CHECKS = (
    Check(
        id="queries.invalid_indexes",
        title="Invalid indexes",
        metric="queries.index_use.invalid",
        source="queries.index_use",
        unit=Unit.COUNT,
        warn=1,
        stale_after=SLOW_STALE,
        hold=timedelta(minutes=10),
        kind=KIND,
        role=PRIMARY,
        runbook="RB-9",
        meaning="Indexes that were left half made, mostly by CREATE INDEX CONCURRENTLY that failed; one that is being made does not count.",
        remedy="Drop it with DROP INDEX CONCURRENTLY and make it again; or REINDEX INDEX CONCURRENTLY, if its rows allow it.",
    ),
    Check(
        id="queries.redundant_indexes",
        title="Redundant indexes",
        metric="queries.index_use.redundant",
        source="queries.index_use",
        unit=Unit.COUNT,
        warn=1,
        stale_after=SLOW_STALE,
        hold=timedelta(minutes=10),
        kind=KIND,
        role=PRIMARY,
        runbook="RB-9",
        alerting=False,
        meaning="Indexes whose columns are those of another, or its first ones, sorted and restricted alike: writes pay for both.",
        remedy="The table of indexes names each pair. Drop the one that no constraint needs, in a quiet hour, CONCURRENTLY.",
    ),
    Check(
        id="queries.unused_indexes",
        title="Size of unused indexes",
        metric="queries.index_use.unused_bytes",
        source="queries.index_use",
        unit=Unit.BYTES,
        stale_after=SLOW_STALE,
        kind=KIND,
        role=PRIMARY,
        runbook="RB-9",
        alerting=False,
        shadow=True,
        meaning="Indexes over 1 MB that neither the primary nor a replica has used since its statistics began, but for constraints'.",
        remedy="See since when is counted: a report at the end of a month needs its index once a month. Then drop CONCURRENTLY.",
    ),
)
