"""What two readings of the statements' counters tell of the time between them. Pure functions of rows.

PostgreSQL keeps calls and total time for each statement, not single durations. A percentile made of them counts each statement at its mean
within the interval: it cannot see a slow call among many quick ones of the same statement, and never claims to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from apps.metrics.kernel import Row, Rows, Sample
from apps.metrics.probe import share

SLOW_MS = 100.0
PERCENTILE = 0.95


@dataclass(frozen=True, slots=True)
class Work:
    """Calls of one statement within an interval, their execution time and the rows they gave."""

    calls: int
    total_ms: float
    rows: int

    @property
    def mean_ms(self) -> float:
        """Mean execution time of a call."""
        return self.total_ms / self.calls


def total(rows: Iterable[Row]) -> Row | None:
    """The row that counts all statements together."""
    return next((row for row in rows if row["object"] == ""), None)


def one_epoch(now: Rows, before: Rows) -> bool:
    """Whether the totals of both readings come from the same counters: no reset and no statement dropped between them."""
    new, old = total(now), total(before)
    if new is None or old is None or dropped(new, old):
        return False
    return _unreset(new, old) and new["calls"] >= old["calls"] and new["total_ms"] >= old["total_ms"]


def _unreset(new: Row, old: Row) -> bool:
    return bool(new.get("stats_reset") == old.get("stats_reset"))


def dropped(new: Row, old: Row) -> bool:
    """Whether the server dropped its least used statements between two totals, because its list was full."""
    return bool(new.get("dealloc") != old.get("dealloc"))


def _difference(new: Row, old: Row) -> Work | None:
    calls = new["calls"] - old["calls"]
    if calls <= 0 or new["total_ms"] < old["total_ms"]:
        return None
    return Work(calls, new["total_ms"] - old["total_ms"], max(0, new["rows"] - old["rows"]))


def work_between(now: Rows, before: Rows) -> dict[str, Work]:
    """Work of each statement between two readings, by queryid; under "" that of statements not listed, taken together.

    Empty when a reset lies between them. A statement that was not listed before is new only if the list was complete then; otherwise its
    work cannot be told from what it had done earlier, and stays within "". When the server dropped statements meanwhile, only those listed
    at both readings are told: how much work left the total with those that were dropped is not known.
    """
    new, known = total(now), total(before)
    if new is None or known is None or not (one_epoch(now, before) or (_unreset(new, known) and dropped(new, known))):
        return {}
    earlier = {row["object"]: row for row in before}
    complete = len(before) - 1 >= known["entries"] and not dropped(new, known)
    if dropped(new, known):
        del earlier[""]
    none = {"calls": 0, "total_ms": 0.0, "rows": 0}
    found: dict[str, Work] = {}
    for row in now:
        old = earlier.get(row["object"], none if complete else None)
        work = _difference(row, old) if old is not None else None
        if work is not None:
            found[row["object"]] = work
    everything = found.pop("", None)
    rest = _rest(everything, found)
    return found | ({"": rest} if rest else {})


def _rest(everything: Work | None, listed: Mapping[str, Work]) -> Work | None:
    if everything is None:
        return None
    calls = everything.calls - sum(work.calls for work in listed.values())
    total_ms = everything.total_ms - sum(work.total_ms for work in listed.values())
    rows = everything.rows - sum(work.rows for work in listed.values())
    return Work(calls, max(0.0, total_ms), max(0, rows)) if calls > 0 else None


def percentile(works: Iterable[Work], part: float = PERCENTILE) -> float | None:
    """The mean time (ms) that `part` of the calls do not exceed, each call counted at its statement's mean; None without calls.

    >>> percentile([Work(94, 94.0, 0), Work(6, 1200.0, 0)]), percentile([Work(95, 95.0, 0), Work(5, 1000.0, 0)]), percentile([])
    (200.0, 1.0, None)
    """
    ordered = sorted(works, key=lambda work: work.mean_ms)
    needed, passed = part * sum(work.calls for work in ordered), 0
    for work in ordered:
        passed += work.calls
        if passed >= needed:
            return work.mean_ms
    return None


def slow_share(works: Iterable[Work], slow_ms: float = SLOW_MS) -> float | None:
    """Share of calls whose statement's mean is `slow_ms` or more; None without calls.

    >>> slow_share([Work(90, 90.0, 0), Work(10, 1000.0, 0)])
    0.1
    """
    kept = list(works)
    return share(sum(work.calls for work in kept if work.mean_ms >= slow_ms), sum(work.calls for work in kept))


def statement_samples(probe_id: str, now: Rows, before: Rows, seconds: float) -> Iterator[Sample]:
    """Samples of the interval: calls, calls per second, mean, 95th percentile and slow share (see the module's words on both)."""
    if not one_epoch(now, before):
        return
    works = list(work_between(now, before).values())
    calls = sum(work.calls for work in works)
    yield Sample(f"{probe_id}.calls", calls)
    yield Sample(f"{probe_id}.calls_per_second", calls / seconds)
    yield Sample(f"{probe_id}.mean_ms", share(sum(work.total_ms for work in works), calls))
    yield Sample(f"{probe_id}.p95_ms", percentile(works))
    yield Sample(f"{probe_id}.slow_share", slow_share(works))
