"""The history of single statements: figures that add up, gaps where nothing can be told, and a bounded number of series."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.kernel import Answer, NodeKind, NodeRole, NodeView, Row, TierView
from apps.queries.history import COSTS, EVERY, MOST, NEWCOMERS, STATEMENTS, history, texts_missing
from tests.watch import values

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
Told = dict[tuple[str, str], float | None]


def cost(name: str, durations: list[float], **more: float) -> dict[str, object]:
    """A row of `costs` for a statement whose calls took so many milliseconds."""
    figures = {"calls": len(durations), "total_ms": sum(durations), "square_ms": sum(d * d for d in durations)}
    return {"object": name, **figures, "rows": len(durations), **more}


class Server:
    """One node read again and again, a minute apart."""

    def __init__(self) -> None:
        self.at = NOON
        self.rows: tuple[Row, ...] = ()

    def read(
        self, *costs: Row, reset: str = "monday", dealloc: int = 0, after: timedelta = EVERY, more_calls: int = 0
    ) -> Told:
        self.at += after
        whole = {
            "object": "",
            "calls": sum(row["calls"] for row in costs) + more_calls,
            "total_ms": sum(row["total_ms"] for row in costs) + 2.0 * more_calls,
            "rows": sum(row["rows"] for row in costs),
            "entries": len(costs),
            "dealloc": dealloc,
            "stats_reset": reset,
        }
        answers = {COSTS: Answer(COSTS, "", costs), STATEMENTS: Answer(STATEMENTS, "", (whole,))}
        return self._tell(answers)

    def skip(self) -> Told:
        """A poll at which it was not asked."""
        return self._tell({})

    def _tell(self, answers: dict[str, Answer]) -> Told:
        node = NodeView("one", NodeKind.POSTGRES, NodeRole.PRIMARY, NodeRole.PRIMARY, self.at, None, answers)
        rows, samples = history(TierView(self.at, (node,), previous=self.rows))
        self.rows = tuple(rows)
        return values(samples)


def test_rates_load_and_deviation_are_those_of_the_minute() -> None:
    server = Server()
    assert server.read(cost("a", [5.0, 5.0], blocks_hit=10)) == {}, "one reading tells nothing"
    assert server.skip() == {}
    told = server.read(cost("a", [5.0, 5.0, *[10.0] * 30, *[30.0] * 30], blocks_hit=610), more_calls=60)
    assert told["queries.history.calls", "a"] == 1
    assert told["queries.history.load", "a"] == pytest.approx(1.2 / 60)
    assert told["queries.history.deviation_ms", "a"] == pytest.approx(10)
    assert told["queries.history.blocks_hit", "a"] == 10
    assert (told["queries.history.calls", ""], told["queries.history.calls", "other"]) == (2, 1)
    assert told["queries.history.load", "other"] == pytest.approx(0.12 / 60)


def test_an_idle_statement_is_told_as_zero_and_not_left_out() -> None:
    server = Server()
    server.read(cost("a", [5.0]))
    server.read(cost("a", [5.0] * 3))
    assert server.read(cost("a", [5.0] * 3))["queries.history.calls", "a"] == 0


def test_a_reset_an_eviction_and_a_gap_never_make_a_figure_up() -> None:
    server = Server()
    server.read(cost("a", [5.0] * 100), cost("b", [5.0] * 100))
    assert server.read(cost("a", [5.0] * 3), cost("b", [5.0] * 500), reset="tuesday") == {}
    told = server.read(cost("a", [5.0] * 63), cost("b", [5.0]), reset="tuesday", dealloc=1)
    assert told["queries.history.calls", "a"] == 1
    assert ("queries.history.calls", "b") not in told, "it was dropped and came back"
    assert ("queries.history.calls", "") not in told, "the whole is not known when statements were dropped"
    assert server.read(cost("a", [5.0] * 900), reset="tuesday", dealloc=1, after=timedelta(minutes=3)) == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.booleans()), min_size=2, max_size=12))
def test_no_figure_is_ever_negative_or_more_than_was_done(course: list[tuple[str, int, bool]]) -> None:
    server, counters, resets = Server(), {"a": 0, "b": 0, "c": 0}, count()
    epoch = 0
    for name, calls, reset in course:
        if reset:
            counters, epoch = dict.fromkeys(counters, 0), next(resets)
        counters[name] += calls
        told = server.read(*(cost(of, [2.0] * n) for of, n in counters.items() if n), reset=str(epoch))
        for (metric, _of), value in told.items():
            assert (value or 0) >= 0
            if metric == "queries.history.calls":
                assert (value or 0) <= calls / 60 + 1e-9


def test_the_number_of_series_is_bounded_however_many_statements_come_and_go() -> None:
    server, seen, at_once = Server(), set(), 0
    for minute in range(120):
        rows = [cost(f"{minute // 2}-{n}", [float(n + 1)] * (1 + minute % 2)) for n in range(80)]
        names = {of for (metric, of) in server.read(*rows) if metric.endswith("deviation_ms")}
        seen |= names
        at_once = max(at_once, len(names))
    assert at_once == MOST
    assert len(seen) <= NEWCOMERS


def test_texts_are_asked_for_only_while_one_is_missing() -> None:
    listed = {STATEMENTS: ({"object": ""}, {"object": "7"}, {"object": "8"})}
    known = [{"node": "one", "object": "7", "query": "SELECT $1"}, {"node": "two", "object": "8", "query": "SELECT $2"}]
    assert texts_missing("one", listed | {"queries.top": tuple(known)})
    known.append({"node": "one", "object": "8", "query": "SELECT $2"})
    assert not texts_missing("one", listed | {"queries.top": tuple(known)})
