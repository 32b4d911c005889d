"""What the PostgreSQL servers are asked about their work. Questions are in `sql/`; what two readings tell is in `workload`."""

from collections.abc import Iterator
from datetime import timedelta

from apps.metrics.kernel import NodeKind, NodeRole, Rows, Sample
from apps.metrics.probe import SLOW, Probe, TierProbe, numeric, rate, share, sql
from apps.queries.blocking import BLOCKS, blocks
from apps.queries.history import EVERY, HISTORY, history, texts_missing
from apps.queries.indexes import USE, index_use
from apps.queries.literals import with_normalised_texts, without_literals
from apps.queries.servers import SERVERS, TOP, WAITING, servers, top, waiting
from apps.queries.workload import statement_samples, total

DEAD_ROWS_OF_INTEREST = 10_000
TEXTS_EVERY = timedelta(minutes=1)


def read_counters(rows: Rows) -> Iterator[Sample]:
    """Only what is no counter: whether archiving fails."""
    for row in rows:
        yield Sample("queries.counters.archiver_failing", numeric(row["archiver_failing"]))


def derive_counters(now: Rows, before: Rows, seconds: float) -> Iterator[Sample]:
    """Rates and ratios of the interval; nothing when the server restarted or its counters were reset within it."""
    new, old = now[0], before[0]
    if any(new.get(key) != old.get(key) for key in ("started_at", "working_since", "stats_reset")):
        return
    moved = {key: _more(new[key], old[key]) for key in new if isinstance(new[key], (int, float))}
    commits, rollbacks = moved["commits"], moved["rollbacks"]
    hit, from_disk = moved["blocks_hit"], moved["blocks_read"]
    yield Sample("queries.counters.transactions_per_second", _sum_rate(commits, rollbacks, seconds))
    yield Sample("queries.counters.rollback_ratio", share(rollbacks, _sum(commits, rollbacks)))
    yield Sample("queries.counters.buffer_hit_ratio", share(hit, _sum(hit, from_disk)))
    yield Sample("queries.counters.deadlocks", moved["deadlocks"])
    yield Sample(
        "queries.counters.temporary_bytes_per_second", rate(new["temporary_bytes"], old["temporary_bytes"], seconds)
    )


def _more(now: float, before: float) -> float | None:
    return now - before if now >= before else None


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _sum_rate(one: float | None, other: float | None, seconds: float) -> float | None:
    both = _sum(one, other)
    return None if both is None else both / seconds


def read_statements(rows: Rows) -> Iterator[Sample]:
    """Only how many statements there are; their counters are not samples."""
    for row in rows:
        if row["object"] == "":
            yield Sample("queries.statements.entries", numeric(row["entries"]))


def derive_statements(now: Rows, before: Rows, seconds: float) -> Iterator[Sample]:
    """See `workload.statement_samples`; and how often a minute the server's list was full and dropped a twentieth of its statements."""
    yield from statement_samples("queries.statements", now, before, seconds)
    new, old = total(now), total(before)
    if new and old and new["stats_reset"] == old["stats_reset"]:
        evicted = rate(new["dealloc"], old["dealloc"], seconds)
        yield Sample("queries.statements.evictions_per_minute", None if evicted is None else evicted * 60)


def read_nothing(_rows: Rows) -> Iterator[Sample]:
    """For rows that are shown but are no measurement over time."""
    return iter(())


def read_upkeep(rows: Rows) -> Iterator[Sample]:
    """Wraparound and pending settings; checkpoints are counters."""
    for row in rows:
        yield Sample("queries.upkeep.wraparound_used", numeric(row["wraparound_used"]))
        yield Sample("queries.upkeep.pending_restart", numeric(row["pending_restart"]))


def derive_upkeep(now: Rows, before: Rows, _seconds: float) -> Iterator[Sample]:
    """Share of the interval's checkpoints that were requested; 0 when none was."""
    new, old = now[0], before[0]
    if new["stats_reset"] != old["stats_reset"]:
        return
    timed = _more(new["checkpoints_timed"], old["checkpoints_timed"])
    requested = _more(new["checkpoints_requested"], old["checkpoints_requested"])
    value = 0.0 if requested == 0 else share(requested, _sum(timed, requested))
    yield Sample("queries.upkeep.requested_checkpoints", value)


def read_tables(rows: Rows) -> Iterator[Sample]:
    """The worst dead ratio among tables with more than 10,000 dead rows; 0 when there is no such table."""
    ratios = [row["dead_ratio"] for row in rows if row["dead_rows"] > DEAD_ROWS_OF_INTEREST]
    yield Sample("queries.tables.worst_dead_ratio", max(ratios, default=0.0))


def read_sequences(rows: Rows) -> Iterator[Sample]:
    """The fullest sequence; 0 when there is none, no number when none may be read."""
    known = [row["used"] for row in rows if row["used"] is not None]
    yield Sample("queries.sequences.worst_used", max(known, default=None if rows else 0.0))


def _probe(name: str, **more: object) -> Probe:
    return Probe(f"queries.{name}", NodeKind.POSTGRES, sql(__file__, name), **more)  # type: ignore[arg-type]


MONITOR = "pg_monitor"
STATISTICS = "pg_monitor, and the extension pg_stat_statements in this database"
PROBES = (
    _probe("sessions", needs=MONITOR),
    _probe("counters", read=read_counters, derive=derive_counters),
    _probe("statements", read=read_statements, derive=derive_statements, needs=STATISTICS),
    _probe(
        "texts",
        every=TEXTS_EVERY,
        read=read_nothing,
        keep=with_normalised_texts,
        wanted=texts_missing,
        needs=STATISTICS,
    ),
    _probe("costs", every=EVERY, read=read_nothing, needs=STATISTICS),
    _probe("activity", read=read_nothing, keep=without_literals, needs=MONITOR),
    _probe("blocking", read=read_nothing, keep=without_literals, needs=MONITOR),
    _probe("waits", read=read_nothing, needs=MONITOR),
    _probe("upkeep", every=SLOW, read=read_upkeep, derive=derive_upkeep),
    _probe("io", every=SLOW, read=read_nothing),
    _probe("indexes", every=SLOW, read=read_nothing),
    _probe("tables", every=SLOW, role=NodeRole.PRIMARY, read=read_tables),
    _probe("sequences", every=SLOW, role=NodeRole.PRIMARY, read=read_sequences, needs="SELECT on the sequences"),
)
TIER_PROBES = (
    TierProbe(
        SERVERS,
        servers,
        "Does the primary answer, and did a server start anew since the poll before? From queries.counters.",
    ),
    TierProbe(
        TOP, top, "What took the time since the poll before? From queries.statements and queries.texts of each server."
    ),
    TierProbe(
        HISTORY,
        history,
        "What did each of the costliest statements do in the last minute? From queries.costs and queries.statements of each server.",
    ),
    TierProbe(
        WAITING,
        waiting,
        "How many sessions of all servers are at work, by what they wait for? From queries.waits of each server.",
    ),
    TierProbe(BLOCKS, blocks, "Who blocks whom? From queries.blocking of each server."),
    TierProbe(
        USE,
        index_use,
        "Which indexes are invalid, made twice, covered by another, or used by no server? From queries.indexes of each server.",
    ),
)
