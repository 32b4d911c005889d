"""What must hold of the cache. Thresholds: the mission's alert and health tables; the rest as the field has them."""

from datetime import timedelta

from apps.metrics.kernel import Check, Direction, NodeKind, NodeRole, State, Unit

KIND = NodeKind.REDIS

EXPLAINED_BY = {"cache": ((NodeKind.REDIS, NodeRole.NONE),)}

CHECKS = (
    Check(
        id="cache.up",
        title="Redis answers",
        metric="cache.reach.up",
        source="cache.reach",
        unit=Unit.YES_NO,
        direction=Direction.LOW,
        fail=1,
        kind=KIND,
        runbook="RB-12",
        meaning="INFO was answered at this poll.",
        remedy=(
            "Look whether the process runs and has memory. The application must go on without its cache, only slower."
        ),
    ),
    Check(
        id="cache.hit_rate",
        title="Cache hit rate",
        metric="cache.hits.ratio",
        source="cache.hits",
        unit=Unit.RATIO,
        direction=Direction.LOW,
        warn=0.5,
        fail=0.3,
        band=0.05,
        hold=timedelta(seconds=60),
        kind=KIND,
        runbook="RB-11",
        meaning="Hits of all lookups since the poll before. Nothing looked up says nothing.",
        remedy=(
            "Look at the namespaces: one that is rarely hit, or whose entries live too short. After a flush it must "
            "rise again by itself."
        ),
    ),
    Check(
        id="cache.memory_health",
        title="Cache memory",
        metric="cache.info.used_memory",
        source="cache.info",
        unit=Unit.BYTES,
        warn=100_000_000,
        fail=500_000_000,
        kind=KIND,
        runbook="RB-12",
        alerting=False,
        meaning="Memory that Redis has allocated for keys, clients and itself.",
        remedy="Look at memory by kind and at the namespaces' entries. Shorter lives and compression make it smaller.",
    ),
    Check(
        id="cache.evictions_health",
        title="Evictions since the start",
        metric="cache.info.evicted",
        source="cache.info",
        unit=Unit.COUNT,
        warn=1,
        fail=10_000,
        kind=KIND,
        runbook="RB-12",
        alerting=False,
        meaning=(
            "Keys that Redis threw away before their time because its memory was full, since it started or its "
            "statistics were reset."
        ),
        remedy="Give it more memory or keep less. What was evicted may have been a rate limit's state.",
    ),
    Check(
        id="cache.memory",
        title="Memory of its limit",
        metric="cache.info.memory_share",
        source="cache.info",
        unit=Unit.RATIO,
        warn=0.8,
        fail=0.95,
        kind=KIND,
        runbook="RB-12",
        when_null=State.PASS,
        meaning=(
            "Used memory of maxmemory. Without a limit there is nothing to reach, and only the machine's memory ends "
            "it."
        ),
        remedy="At the limit Redis evicts or refuses writes, as maxmemory-policy says. Raise the limit or keep less.",
    ),
    Check(
        id="cache.evictions",
        title="Evictions",
        metric="cache.info.evictions",
        source="cache.info",
        unit=Unit.PER_MINUTE,
        warn=1,
        fail=1000,
        kind=KIND,
        runbook="RB-12",
        meaning="Keys thrown away before their time, a minute.",
        remedy="Memory is full: compare with memory of its limit, and look which namespace grows.",
    ),
    Check(
        id="cache.clients",
        title="Client connections used",
        metric="cache.info.clients_share",
        source="cache.info",
        unit=Unit.RATIO,
        warn=0.8,
        fail=0.95,
        kind=KIND,
        runbook="RB-12",
        meaning="Connected clients of maxclients. At the limit new connections are refused.",
        remedy="Look for an application that opens a connection for each request; it should keep a pool.",
    ),
    Check(
        id="cache.rejected",
        title="Refused connections",
        metric="cache.info.rejected",
        source="cache.info",
        unit=Unit.PER_MINUTE,
        fail=0,
        kind=KIND,
        runbook="RB-12",
        meaning="Connections that Redis refused because maxclients was reached, a minute.",
        remedy="Close idle connections or raise maxclients with the process' file limit.",
    ),
    Check(
        id="cache.last_save",
        title="Snapshot overdue",
        metric="cache.saves.overdue",
        source="cache.saves",
        unit=Unit.SECONDS,
        warn=300,
        fail=3600,
        kind=KIND,
        runbook="RB-12",
        when_null=State.PASS,
        meaning=(
            "Time since Redis should have written a snapshot by its own schedule. Where none are wanted (save is "
            "empty) none can be late."
        ),
        remedy="Look into the log of Redis: a snapshot needs memory for a fork and room on the disk.",
    ),
    Check(
        id="cache.save_failed",
        title="Saving failed",
        metric="cache.saves.failed",
        source="cache.saves",
        unit=Unit.YES_NO,
        fail=0,
        kind=KIND,
        runbook="RB-12",
        meaning=(
            "The last snapshot, or the last write of the append-only file, failed. Redis may refuse writes until one "
            "succeeds."
        ),
        remedy="Look into the log of Redis; most often the disk is full or the fork found no memory.",
    ),
    Check(
        id="cache.role",
        title="Role as declared",
        metric="cache.replication.as_declared",
        source="cache.replication",
        unit=Unit.YES_NO,
        direction=Direction.LOW,
        fail=1,
        kind=KIND,
        runbook="RB-12",
        meaning="Redis is master or replica as this node was declared. A replica refuses the application's writes.",
        remedy="After a failover, point the application to the new master and correct the declaration.",
    ),
    Check(
        id="cache.replica_link",
        title="Replication links of Redis",
        metric="cache.replication.link",
        source="cache.replication",
        unit=Unit.YES_NO,
        direction=Direction.LOW,
        fail=1,
        kind=KIND,
        runbook="RB-12",
        when_null=State.PASS,
        meaning="Every replica of this Redis is connected. Where there is none, none can be lost.",
        remedy="Look at the network between them and at the replica's log.",
    ),
    Check(
        id="cache.fragmentation",
        title="Memory fragmentation",
        metric="cache.info.fragmentation",
        source="cache.info",
        unit=Unit.COUNT,
        warn=1.5,
        fail=2.5,
        kind=KIND,
        runbook="RB-12",
        when_null=State.PASS,
        alerting=False,
        meaning=(
            "Memory that the system gave to Redis, as a multiple of what Redis uses. Judged from 64 MB of difference "
            "on."
        ),
        remedy="Switch activedefrag on, or restart Redis in a quiet hour.",
    ),
    Check(
        id="cache.slow_log",
        title="Slow commands",
        metric="cache.slowlog.growth",
        source="cache.slowlog",
        unit=Unit.PER_MINUTE,
        warn=1,
        fail=60,
        kind=KIND,
        runbook="RB-12",
        meaning=(
            "New entries of the slow log, a minute. Redis does one thing at a time: a slow command delays everybody."
        ),
        remedy="The table names the commands. Big collections and KEYS are the usual ones.",
    ),
    Check(
        id="cache.keys",
        title="Cache entries",
        metric="cache.entries.total",
        source="cache.entries",
        unit=Unit.COUNT,
        direction=Direction.LOW,
        warn=100,
        stale_after=timedelta(seconds=75),
        kind=KIND,
        runbook="RB-12",
        shadow=True,
        meaning=(
            "Entries of the application's cache, counted over at most 20,000 keys. After warming there are more than "
            "100."
        ),
        remedy="If it stays low, the cache is not used, not warmed, or its entries live too short.",
    ),
)
