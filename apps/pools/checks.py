"""What must hold of the pooler. Thresholds: the mission's alert and health tables; the rest as the field has them."""

from datetime import timedelta

from apps.metrics.kernel import Check, Direction, NodeKind, NodeRole, State, Unit

KIND = NodeKind.PGBOUNCER

EXPLAINED_BY = {"pools": ((NodeKind.PGBOUNCER, NodeRole.NONE), (NodeKind.POSTGRES, NodeRole.PRIMARY))}

CHECKS = (
    Check(
        id="pools.up",
        title="PgBouncer answers",
        metric="pools.reach.up",
        source="pools.reach",
        unit=Unit.YES_NO,
        direction=Direction.LOW,
        fail=1,
        kind=KIND,
        runbook="RB-5",
        meaning="The admin console answered this poll.",
        remedy="Look whether the process runs. While it is away the application can be pointed at the primary itself.",
    ),
    Check(
        id="pools.utilisation",
        title="Pool utilisation",
        metric="pools.use.utilisation",
        source="pools.use",
        unit=Unit.RATIO,
        warn=0.8,
        fail=0.95,
        band=0.05,
        kind=KIND,
        runbook="RB-21",
        meaning=(
            "Server connections in use, being tested or logging in, of the pool's size. Over the size means that the "
            "reserve is in use."
        ),
        remedy="Find out who holds servers. Enlarge the pool only when the primary has room for more connections.",
    ),
    Check(
        id="pools.waiting",
        title="Clients waiting",
        metric="pools.use.waiting_total",
        source="pools.use",
        unit=Unit.COUNT,
        warn=1,
        fail=10,
        kind=KIND,
        runbook="RB-21",
        alerting=False,
        meaning="Clients that sent a query and have no server yet, over all pools.",
        remedy="Look at utilisation and at servers held long. Waiting is short when transactions are short.",
    ),
    Check(
        id="pools.maxwait",
        title="Longest wait",
        metric="pools.use.maxwait",
        source="pools.use",
        unit=Unit.SECONDS,
        warn=1,
        fail=5,
        kind=KIND,
        runbook="RB-21",
        meaning="How long the first client in the queue has waited for a server.",
        remedy=(
            "When it grows while servers are idle, PgBouncer cannot log in to PostgreSQL. Otherwise the pool is too "
            "small or held."
        ),
    ),
    Check(
        id="pools.waits",
        title="Wait per transaction",
        metric="pools.stats.wait",
        source="pools.stats",
        unit=Unit.SECONDS,
        warn=0.01,
        fail=0.1,
        kind=KIND,
        runbook="RB-6",
        when_null=State.PASS,
        meaning=(
            "Time that clients waited for a server since the poll before, for each transaction. It shows waits that "
            "were over between two polls."
        ),
        remedy="Compare with utilisation over the same time. If it comes in waves, spread the jobs that cause them.",
    ),
    Check(
        id="pools.clients",
        title="Client connections used",
        metric="pools.capacity.used",
        source="pools.capacity",
        unit=Unit.RATIO,
        warn=0.8,
        fail=0.95,
        kind=KIND,
        runbook="RB-21",
        meaning="Connected clients of max_client_conn. At the limit new clients are turned away.",
        remedy=(
            "Look for an application that opens connections and keeps them. Raise max_client_conn with the process' "
            "file limit."
        ),
    ),
    Check(
        id="pools.database_connections",
        title="Database connections used",
        metric="pools.databases.connections_share",
        source="pools.databases",
        unit=Unit.RATIO,
        warn=0.8,
        fail=0.95,
        kind=KIND,
        runbook="RB-6",
        when_null=State.PASS,
        meaning=(
            "Server connections to a database of its max_db_connections. Without such a limit there is nothing to "
            "reach."
        ),
        remedy="All pools of that database share this limit. Raise it, or make the pools smaller.",
    ),
    Check(
        id="pools.paused",
        title="Database paused or disabled",
        metric="pools.databases.stopped",
        source="pools.databases",
        unit=Unit.YES_NO,
        fail=0,
        kind=KIND,
        runbook="RB-5",
        meaning="A paused database lets its clients wait; a disabled one turns new clients away.",
        remedy="If nobody is at work on it, RESUME or ENABLE it.",
    ),
    Check(
        id="pools.login_stuck",
        title="Logging in to PostgreSQL",
        metric="pools.use.login_stuck",
        source="pools.use",
        unit=Unit.SECONDS,
        warn=20,
        fail=60,
        kind=KIND,
        runbook="RB-5",
        meaning="For how long every poll found a server connection still logging in. A login takes milliseconds.",
        remedy="Look whether PostgreSQL answers and accepts the pool's login. The log of PgBouncer names the reason.",
    ),
    Check(
        id="pools.held_servers",
        title="Server held in a transaction",
        metric="pools.held.longest",
        source="pools.held",
        unit=Unit.SECONDS,
        warn=60,
        fail=300,
        kind=KIND,
        runbook="RB-7",
        meaning=(
            "For how long one client has had a server that says nothing: an open transaction without work, or one "
            "very long query."
        ),
        remedy=(
            "The table names client and backend. Ask the application's owner; end the backend when the owner agrees."
        ),
    ),
    Check(
        id="pools.leak",
        title="Servers probably leaked",
        metric="pools.held.leaked",
        source="pools.held",
        unit=Unit.COUNT,
        warn=1,
        fail=5,
        kind=KIND,
        runbook="RB-7",
        meaning=(
            "Servers that one client has had for over two minutes without an answer: the pool is smaller by as many."
        ),
        remedy="Find the code that begins a transaction and does not end it. idle_transaction_timeout limits the harm.",
    ),
    Check(
        id="pools.config_changed",
        title="Configuration changed",
        metric="pools.settings.changed",
        source="pools.settings",
        unit=Unit.COUNT,
        warn=1,
        hold=timedelta(0),
        stale_after=timedelta(seconds=150),
        kind=KIND,
        runbook="RB-6",
        meaning="Settings that changed within the last hour.",
        remedy="Compare with the rollout and the runs. If nobody knows of it, set it back and find out who did it.",
    ),
    Check(
        id="pools.mode_transaction",
        title="Transaction mode",
        metric="pools.mode.transaction",
        source="pools.mode",
        unit=Unit.YES_NO,
        direction=Direction.LOW,
        warn=0,
        kind=KIND,
        runbook="RB-5",
        alerting=False,
        meaning=(
            "The pool gives a server for one transaction. In session mode a client keeps it until it leaves, and "
            "little is shared. Where nobody has connected yet, it is as configured for the database or by default."
        ),
        remedy="Set pool_mode = transaction and RELOAD, after the application does without session state.",
    ),
    Check(
        id="pools.server_connections",
        title="Server connections",
        metric="pools.use.servers_total",
        source="pools.use",
        unit=Unit.COUNT,
        warn=50,
        kind=KIND,
        runbook="RB-6",
        alerting=False,
        meaning="Connections that PgBouncer holds to PostgreSQL, over all pools. The programme's target is below 50.",
        remedy=(
            "Many small pools add up: one for each pair of database and user. Lower default_pool_size or share users."
        ),
    ),
)
