"""Applications watched over HTTP, in whatever language they are written: their health, their query monitor, their requests.

Three documents are asked for. Of each, what is missing is simply not measured:

- `/health`: `{"status": "healthy" | "degraded" | "unhealthy"}`
- `/metrics/queries`: `{"slowQueries": […], "statistics": {"total_queries", "average", "p50", "p90", "p95", "p99",
  "slow_share"}, "health": {"status"}}`; times in ms, `slow_share` from 0 to 1, `total_queries` since the start
- `/metrics/app`: `{"requests": {"total", "errors", "p50_ms", "p95_ms"}, "routing": {"reads": {node: count},
  "writes": {node: count}, "replicas": {node: state}}}`; counts since the start
"""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.metrics.kernel import Check, Direction, NodeKind, Row, Rows, Sample, TierView, Unit
from apps.metrics.probe import Probe, TierProbe, rate, share

LEVELS = {"healthy": 0.0, "degraded": 1.0, "unhealthy": 2.0}
TIMES = ("average", "p50", "p90", "p95", "p99")


def number(document: Row, *path: str) -> float | None:
    """The number at a path of a document; None where there is none.

    >>> number({"a": {"b": 3}}, "a", "b"), number({"a": 1}, "a", "b"), number({"a": True}, "a"), number({"a": "3"}, "a")
    (3.0, None, None, None)
    """
    found = _found(document, *path)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def _found(document: Row, *path: str) -> Any:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _answered(rows: Rows) -> Iterable[Row]:
    """The document, where the application served one: an error page in JSON is none."""
    return (row for row in rows if row.get("http_status") == 200)


def _health(rows: Rows) -> Iterable[Sample]:
    """The level it claims, and how long it took. An unhealthy application may well say so with 503."""
    for row in rows:
        yield Sample("app.health.level", LEVELS.get(str(row.get("status"))))
        yield Sample("app.health.seconds", number(row, "http_seconds"))


def _queries(rows: Rows) -> Iterable[Sample]:
    for row in _answered(rows):
        for name in TIMES:
            yield Sample(f"app.queries.{name}", number(row, "statistics", name))
        yield Sample("app.queries.total", number(row, "statistics", "total_queries"))
        yield Sample("app.queries.slow_share", number(row, "statistics", "slow_share"))


def _queries_per_second(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    for row, known in zip(_answered(rows), _answered(before), strict=False):
        yield Sample("app.queries.rate", _growth(row, known, seconds, "statistics", "total_queries"))


def _times(rows: Rows) -> Iterable[Sample]:
    for row in _answered(rows):
        for name in ("p50_ms", "p95_ms"):
            yield Sample(f"app.traffic.{name}", number(row, "requests", name))


def _traffic(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    """What grew since the poll before; nothing when the application began anew meanwhile."""
    for row, known in zip(_answered(rows), _answered(before), strict=False):
        requests = _growth(row, known, seconds, "requests", "total")
        yield Sample("app.traffic.requests", requests)
        yield Sample("app.traffic.error_rate", share(_growth(row, known, seconds, "requests", "errors"), requests))
        reads, writes = (_by_node(row, known, seconds, what) for what in ("reads", "writes"))
        if reads is not None and writes is not None:
            replicas = _found(row, "routing", "replicas")
            names = {str(name) for name in replicas} if isinstance(replicas, Mapping) else set()
            at_replicas = sum(count for node, count in reads.items() if node in names)
            read, written = sum(reads.values()), sum(writes.values())
            yield Sample("app.traffic.replica_reads", share(at_replicas, read))
            yield Sample("app.traffic.read_share", share(read, read + written))


def _by_node(row: Row, known: Row, seconds: float, what: str) -> dict[str, float] | None:
    """Operations per second at each node; None where they are not counted, or were begun anew."""
    counts = _found(row, "routing", what)
    if not isinstance(counts, Mapping):
        return None
    found: dict[str, float] = {}
    for node in counts:
        before = number(known, "routing", what, node)
        grown = rate(number(counts, node), 0.0 if before is None else before, seconds)
        if grown is None:
            return None
        found[str(node)] = grown
    return found


def _growth(row: Row, known: Row, seconds: float, *path: str) -> float | None:
    return rate(number(row, *path), number(known, *path), seconds)


def _reach(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    up = {node.name: node.failure is None for node in view.of(NodeKind.APPLICATION)}
    rows = [{"node": name, "up": answered} for name, answered in up.items()]
    return rows, [Sample("app.reach.up", float(answered), node=name) for name, answered in up.items()]


PROBES = (
    Probe("app.health", NodeKind.APPLICATION, "/health", read=_health),
    Probe("app.queries", NodeKind.APPLICATION, "/metrics/queries", read=_queries, derive=_queries_per_second),
    Probe("app.traffic", NodeKind.APPLICATION, "/metrics/app", read=_times, derive=_traffic),
)

TIER_PROBES = (TierProbe("app.reach", _reach, says="Which applications answered this poll."),)

KIND = NodeKind.APPLICATION

CHECKS = (
    Check(
        id="app.up",
        title="Application answers",
        metric="app.reach.up",
        source="app.reach",
        unit=Unit.YES_NO,
        direction=Direction.LOW,
        fail=1,
        kind=KIND,
        runbook="RB-23",
        meaning="The application answered HTTP at this poll.",
        remedy="Look at its log and at what it needs: database, pooler, Redis.",
    ),
    Check(
        id="app.health",
        title="Health as the application says",
        metric="app.health.level",
        source="app.health",
        unit=Unit.COUNT,
        warn=1,
        fail=1,
        kind=KIND,
        runbook="RB-23",
        meaning="What /health claims: 0 healthy, 1 degraded, 2 unhealthy.",
        remedy="Ask /health/detailed which of its services is not well.",
    ),
    Check(
        id="app.latency",
        title="Answer time of /health",
        metric="app.health.seconds",
        source="app.health",
        unit=Unit.SECONDS,
        warn=0.5,
        fail=1,
        kind=KIND,
        runbook="RB-23",
        alerting=False,
        meaning="Time from the portal's request to the whole answer, measured at each poll.",
        remedy="If everything else is well, the application has too few workers or the machine too little processor.",
    ),
    Check(
        id="app.p95",
        title="Query time of the application, p95",
        metric="app.queries.p95",
        source="app.queries",
        unit=Unit.MILLISECONDS,
        warn=500,
        fail=1000,
        kind=KIND,
        runbook="RB-8",
        meaning="95 of 100 queries took less, as the application's own query monitor measured them.",
        remedy="Compare with the primary's own figures: what is slow only here waits for a pool or for the network.",
    ),
    Check(
        id="app.slow_share",
        title="Slow queries of the application",
        metric="app.queries.slow_share",
        source="app.queries",
        unit=Unit.RATIO,
        warn=0.05,
        fail=0.1,
        kind=KIND,
        runbook="RB-8",
        alerting=False,
        meaning="Queries over the slow threshold (100 ms), of all queries the application's monitor counted.",
        remedy="The document lists the slow ones. Begin with the one that takes the most time in all.",
    ),
    Check(
        id="app.error_rate",
        title="Errors of the application",
        metric="app.traffic.error_rate",
        source="app.traffic",
        unit=Unit.RATIO,
        warn=0.005,
        fail=0.02,
        kind=KIND,
        runbook="RB-23",
        meaning="Requests answered with a 5xx status, of all requests since the poll before. No requests say nothing.",
        remedy="Read its log by correlation id. If it began with a change, take the change back.",
    ),
    Check(
        id="app.query_monitor",
        title="Query monitor counts",
        metric="app.queries.total",
        source="app.queries",
        unit=Unit.COUNT,
        direction=Direction.LOW,
        fail=1,
        kind=KIND,
        runbook="RB-23",
        alerting=False,
        meaning="Queries that the application's monitor has counted since its start: more than none.",
        remedy="Switch the monitor on, and see that it wraps every connection.",
    ),
    Check(
        id="app.routing_reads",
        title="Reads at replicas",
        metric="app.traffic.replica_reads",
        source="app.traffic",
        unit=Unit.RATIO,
        direction=Direction.LOW,
        warn=0.5,
        kind=KIND,
        runbook="RB-1",
        shadow=True,
        meaning="Reads that the application sent to a replica, of all its reads since the poll before.",
        remedy="If it falls, the router has taken replicas out: look at their lag and whether they answer.",
    ),
)
