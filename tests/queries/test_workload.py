"""What two readings of the statements' counters tell: figures that add up, and nothing across a reset."""

from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.kernel import Rows
from apps.queries.probes import derive_counters, derive_upkeep, read_sequences, read_tables
from apps.queries.workload import Work, percentile, slow_share, statement_samples, work_between
from tests.watch import values

WORKS = st.lists(
    st.builds(Work, calls=st.integers(1, 10_000), total_ms=st.floats(0, 1e6), rows=st.integers(0, 100)), min_size=1
)


def reading(
    *statements: tuple[str, int, float], entries: int | None = None, reset: str = "monday", dealloc: int = 0
) -> Rows:
    """Rows as `statements.sql` gives them: the total of all, then each."""
    whole = {
        "object": "",
        "calls": sum(calls for _name, calls, _ms in statements),
        "total_ms": sum(ms for _name, _calls, ms in statements),
        "rows": 0,
        "entries": len(statements) if entries is None else entries,
        "dealloc": dealloc,
        "stats_reset": reset,
    }
    listed = [{"object": name, "calls": calls, "total_ms": ms, "rows": 0} for name, calls, ms in statements]
    return (whole, *listed)


@given(WORKS)
def test_a_percentile_is_one_of_the_means_and_no_more_than_the_rest_is_slower(works: list[Work]) -> None:
    p95 = percentile(works)
    assert p95 in {work.mean_ms for work in works}
    calls = sum(work.calls for work in works)
    assert sum(work.calls for work in works if work.mean_ms > (p95 or 0)) <= 0.05 * calls
    assert sum(work.calls for work in works if work.mean_ms <= (p95 or 0)) >= 0.95 * calls


@given(WORKS)
def test_the_slow_share_is_a_share(works: list[Work]) -> None:
    assert 0 <= (slow_share(works) or 0) <= 1


@given(st.dictionaries(st.text("abc", min_size=1), st.tuples(st.integers(1, 50), st.floats(0.1, 500)), min_size=1))
def test_the_parts_make_up_the_whole(statements: dict[str, tuple[int, float]]) -> None:
    before = reading(*((name, 7, 3.0) for name in statements))
    now = reading(*((name, 7 + calls, 3.0 + ms) for name, (calls, ms) in statements.items()))
    works = work_between(now, before)
    assert sum(work.calls for work in works.values()) == sum(calls for calls, _ms in statements.values())
    assert "" not in works


def test_what_is_not_listed_is_counted_together() -> None:
    before = ({**reading()[0], "calls": 100, "total_ms": 100.0, "entries": 500}, *reading(("a", 10, 10.0))[1:])
    now = ({**reading()[0], "calls": 300, "total_ms": 700.0, "entries": 501}, *reading(("a", 110, 110.0))[1:])
    assert work_between(now, before) == {"a": Work(100, 100.0, 0), "": Work(100, 500.0, 0)}


def test_a_statement_new_to_a_complete_list_did_all_its_work_now() -> None:
    works = work_between(reading(("a", 1, 1.0), ("new", 4, 800.0)), reading(("a", 1, 1.0)))
    assert works == {"new": Work(4, 800.0, 0)}


def test_a_statement_new_to_a_list_that_was_cut_is_not_told_from_the_others() -> None:
    before, now = reading(("a", 1, 1.0), entries=900), reading(("a", 1, 1.0), ("risen", 4, 800.0), entries=900)
    assert work_between(now, before) == {"": Work(4, 800.0, 0)}


def test_a_reset_gives_no_figure_rather_than_a_negative_one() -> None:
    before = reading(("a", 100, 100.0))
    for now in (
        reading(("a", 2, 2.0)),
        reading(("a", 200, 200.0), reset="tuesday"),
        reading(("a", 200, 200.0), dealloc=1),
        reading(("b", 101, 99.0)),
    ):
        assert list(statement_samples("q", now, before, 10)) == []


def test_without_calls_there_is_no_percentile() -> None:
    same = reading(("a", 100, 100.0))
    assert values(statement_samples("q", same, same, 10)) == {
        ("q.calls", ""): 0,
        ("q.calls_per_second", ""): 0,
        ("q.mean_ms", ""): None,
        ("q.p95_ms", ""): None,
        ("q.slow_share", ""): None,
    }


COUNTERS = {
    "started_at": "8:00",
    "stats_reset": None,
    "commits": 1000,
    "rollbacks": 10,
    "blocks_hit": 5000,
    "blocks_read": 100,
    "deadlocks": 0,
    "temporary_bytes": 0,
}


def test_counters_of_the_interval() -> None:
    later = COUNTERS | {"commits": 1090, "rollbacks": 20, "blocks_hit": 5900, "blocks_read": 200, "deadlocks": 1}
    found = values(derive_counters((later,), (COUNTERS,), 10))
    assert found["queries.counters.transactions_per_second", ""] == 10
    assert found["queries.counters.rollback_ratio", ""] == 0.1
    assert found["queries.counters.buffer_hit_ratio", ""] == 0.9
    assert found["queries.counters.deadlocks", ""] == 1


def test_counters_begin_anew_after_a_restart() -> None:
    assert values(derive_counters((COUNTERS | {"started_at": "9:00", "commits": 5000},), (COUNTERS,), 10)) == {}


def test_a_counter_that_fell_has_no_rate() -> None:
    found = values(derive_counters((COUNTERS | {"commits": 3},), (COUNTERS,), 10))
    assert found["queries.counters.transactions_per_second", ""] is None
    assert found["queries.counters.rollback_ratio", ""] is None


def test_checkpoints_before_their_time() -> None:
    before = {"stats_reset": None, "checkpoints_timed": 5, "checkpoints_requested": 3}
    share = ("queries.upkeep.requested_checkpoints", "")
    assert values(derive_upkeep((before,), (before,), 300))[share] == 0
    assert (
        values(derive_upkeep((before | {"checkpoints_timed": 6, "checkpoints_requested": 6},), (before,), 300))[share]
        == 0.75
    )


def test_few_dead_rows_are_no_matter() -> None:
    def table(dead: int, ratio: float) -> dict[str, object]:
        return {"object": "public.t", "dead_rows": dead, "dead_ratio": ratio}

    metric = ("queries.tables.worst_dead_ratio", "")
    assert values(read_tables((table(9_000, 0.9), table(20_000, 0.2))))[metric] == 0.2
    assert values(read_tables((table(9_000, 0.9),)))[metric] == 0.0


def test_sequences_that_may_not_be_read_are_unknown_not_empty() -> None:
    metric = ("queries.sequences.worst_used", "")
    assert values(read_sequences(({"used": None}, {"used": None})))[metric] is None
    assert values(read_sequences(({"used": 0.71}, {"used": None})))[metric] == 0.71
    assert values(read_sequences(()))[metric] == 0.0
