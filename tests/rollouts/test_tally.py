"""What a watch makes of its intervals: any sequence of states, and every trap by its name."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.kernel import Check, Direction, State, Unit
from apps.metrics.lines import Line
from apps.rollouts.observing import Interval, Store, Watched
from apps.rollouts.tally import STUCK, Tally, Terms, judged, tally_of

TERMS = Terms(expected=20, needed=19, max_gap=3, max_tolerated_failures=2, consecutive_errors_allowed=1)
STATES = st.lists(st.sampled_from(State), min_size=0, max_size=20)


def tally(states: list[State], values: list[float] | None = None, unit: Unit = Unit.COUNT) -> Tally:
    found = Tally()
    for state, value in zip(states, values or [1.0] * len(states), strict=True):
        found = found.after(state, value if state.known else None, unit)
    return found


@given(STATES)
def test_only_a_whole_watch_with_enough_measurements_ever_satisfies(states: list[State]) -> None:
    found = judged(tally(states), TERMS)
    if found.state in {State.PASS, State.WARN}:
        assert len(states) == TERMS.expected
        assert sum(state.known for state in states) >= TERMS.needed
        assert states.count(State.FAIL) <= TERMS.max_tolerated_failures
    if found.state is State.PASS:
        assert State.FAIL not in states
        assert State.WARN not in states


@given(STATES, st.integers(0, 20))
def test_it_does_not_matter_where_a_process_ended_and_another_one_went_on(states: list[State], cut: int) -> None:
    kept = tally(states[:cut]).as_json()
    found = tally_of(kept)
    for state in states[cut:]:
        found = found.after(state, 1.0 if state.known else None, Unit.COUNT)
    assert found == tally(states)


@given(STATES, st.sampled_from([State.NO_DATA, State.ERROR, State.INCONCLUSIVE]))
def test_an_interval_without_a_measurement_never_makes_it_better(states: list[State], nothing: State) -> None:
    order = [State.PASS, State.WARN, State.INCONCLUSIVE, State.NO_DATA, State.FAIL]
    before, after = judged(tally(states), TERMS), judged(tally([*states[:-1], nothing]), TERMS)
    if states and states[-1].known and states[-1] is not State.FAIL:
        assert order.index(after.state) >= order.index(before.state)


@pytest.mark.parametrize(
    ("states", "state", "told"),
    [
        ([State.FAIL] * 3 + [State.PASS] * 17, State.FAIL, "3 failures, 2 tolerated"),
        ([State.FAIL] * 2 + [State.PASS] * 18, State.WARN, "20 of 20"),
        ([State.ERROR] * 2, State.FAIL, "2 intervals in a row without an answer, 1 allowed"),
        ([State.NO_DATA] * 4, State.INCONCLUSIVE, "4 intervals in a row without a measurement, 3 allowed"),
        ([State.NO_DATA, State.PASS, State.NO_DATA], State.INCONCLUSIVE, "19 of 20 are needed"),
        ([], State.INCONCLUSIVE, "0 of 20"),
    ],
)
def test_each_limit_says_what_it_is(states: list[State], state: State, told: str) -> None:
    found = judged(tally(states), TERMS)
    assert found.state is state
    assert told in found.said


def test_a_source_that_hangs_is_stale_and_a_count_that_stays_is_not() -> None:
    whole = [State.PASS] * 20
    assert judged(tally(whole, [0.25] * 20, Unit.SECONDS), TERMS).state is State.NO_DATA
    assert judged(tally(whole, [0.0] * 20, Unit.SECONDS), TERMS).state is State.PASS
    assert judged(tally(whole, [40.0] * 20, Unit.COUNT), TERMS).state is State.PASS
    moving = [0.25] * (STUCK - 1) + [0.26] * (STUCK - 1) + [0.25] * (22 - 2 * STUCK)
    assert judged(tally(whole, moving, Unit.SECONDS), TERMS).state is State.PASS


def test_a_value_that_stays_because_it_is_polled_seldom_does_not_hang() -> None:
    found = Tally()
    for number in range(20):
        found = found.after(State.PASS, 0.25, Unit.SECONDS, distinct=0 if number % 5 else 1)
    assert judged(found, TERMS).state is State.PASS
    for _number in range(20):
        found = found.after(State.PASS, 0.25, Unit.SECONDS, distinct=3)
    assert found.longest_same < STUCK


START = datetime(2026, 3, 2, 10, tzinfo=UTC)
MINUTE = Interval(0, START, START + timedelta(minutes=1))
LAG = Check(
    "replicas.lag",
    "Lag",
    "replicas.lag.seconds",
    "replicas.lag",
    Unit.SECONDS,
    "",
    "",
    fail=1,
    direction=Direction.HIGH,
)


def line(node: str, *values: float | None, begin: int = 0) -> Line:
    times = [START.timestamp() + begin + 10 * n for n in range(len(values))]
    return Line(LAG.metric, node, "", times, values)


def polled(node: str, *answered: bool) -> list[tuple[str, datetime, bool]]:
    return [(node, START + timedelta(seconds=10 * n), one) for n, one in enumerate(answered)]


@pytest.mark.parametrize(
    ("lines", "polls", "state", "value"),
    [
        ([line("a", 0.1, 0.2), line("b", 0.3)], polled("a", True) + polled("b", True), State.PASS, 0.3),
        ([line("a", 0.1, 2.0), line("b", 0.3)], polled("a", True) + polled("b", True), State.FAIL, 2.0),
        # The one that is left does not speak for the other.
        ([line("a", 0.1)], polled("a", True) + polled("b", False, False), State.ERROR, None),
        ([line("a", 0.1)], polled("a", True), State.NO_DATA, None),
        ([line("a", 0.1)], polled("a", True) + polled("b", True), State.INCONCLUSIVE, None),
        # What was measured before counts as long as it is not too old, and only of a node that answers.
        ([line("a", 0.1), line("b", 0.4, begin=40)], polled("a", True) + polled("b", True), State.PASS, 0.4),
        ([line("a", 0.1), line("b", 0.4, begin=-60)], polled("a", True) + polled("b", True), State.INCONCLUSIVE, None),
        ([line("a", 0.1), line("b", None)], polled("a", True) + polled("b", True), State.INCONCLUSIVE, None),
        ([], [], State.NO_DATA, None),
    ],
)
def test_an_interval_is_as_bad_as_the_worst_of_its_nodes(
    lines: list[Line], polls: list[tuple[str, datetime, bool]], state: State, value: float | None
) -> None:
    seen = Store(lines, polls).seen(Watched(LAG, ("a", "b"), {}), MINUTE)
    assert (seen.state, seen.value) == (state, value)
