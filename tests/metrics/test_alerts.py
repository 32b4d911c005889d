"""Alerts open after their hold time, rise after another, close at the second pass in a row; silence closes nothing and is told apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apps.metrics.alerts import (
    STEADY,
    Kind,
    Step,
    Stood,
    failing_since,
    level,
    risen,
    since,
    step,
    step_of_silence,
    threshold,
)
from apps.metrics.kernel import Check, Direction, State, Unit, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)
CHECK = Check("a.b", "", "a.b.c", "a.b", Unit.SECONDS, "", "", warn=5, fail=30, hold=timedelta(seconds=20))
P, W, F = State.PASS, State.WARN, State.FAIL
NO, OPEN, UP, END = Step.NOTHING, Step.OPEN, Step.UPDATE, Step.CLOSE
VALUES = {P: 1.0, W: 6.0, F: 31.0}


class Course:
    """A check as polls go by, ten seconds each, with both of its alerts."""

    def __init__(self, check: Check = CHECK, flapping: bool = False) -> None:
        self.check, self.flapping = check, flapping
        self.now = START
        self.states: list[State] = []
        self.open: dict[Kind, str] = {}
        self.before: Stood | None = None

    def poll(self, state: State, value: float | None = None) -> tuple[Step, Step]:
        """What the alert of the thresholds and that of silence do."""
        value = VALUES.get(state) if value is None else value
        verdict = Verdict("a.b", "n", "", value, state, START)
        limit = step(self.check, self.before, verdict, self.now, Kind.LIMIT in self.open, self.flapping)
        silence = step_of_silence(self.check, self.before, verdict, self.now, Kind.SILENCE in self.open)
        if limit in {OPEN, UP}:
            now = level(self.check, self.before, verdict, self.now)
            self.open[Kind.LIMIT] = risen(self.open[Kind.LIMIT], now) if limit is UP else now.value
        if silence is OPEN:
            self.open[Kind.SILENCE] = State.NO_DATA.value
        for kind, taken in ((Kind.LIMIT, limit), (Kind.SILENCE, silence)):
            if taken is END:
                del self.open[kind]
        failing = failing_since(self.before, verdict, self.now)
        self.before = Stood(verdict, since(self.before, verdict, self.now), failing)
        self.now += EVERY
        self.states.append(state)
        return limit, silence


def run(states: list[State], check: Check = CHECK) -> list[Step]:
    """What the alert of the thresholds does as these states go by."""
    course = Course(check)
    return [course.poll(state)[0] for state in states]


def test_it_opens_after_the_hold_time_and_closes_at_the_second_pass() -> None:
    assert run([P, W, F, W, F, P, P, P]) == [NO, NO, NO, OPEN, UP, NO, END, NO]


def test_one_pass_between_bad_ones_neither_closes_nor_reopens() -> None:
    assert run([W, W, W, P, W, P, W])[2:] == [OPEN, NO, UP, NO, UP]


def test_one_failing_value_among_warnings_does_not_make_it_critical_but_lasting_failure_does() -> None:
    course = Course()
    for state in (W, W, W, F, W):
        course.poll(state)
    assert course.open[Kind.LIMIT] == "warn"
    for state in (F, F):
        course.poll(state)
        assert course.open[Kind.LIMIT] == "warn"
    course.poll(F)
    assert course.open[Kind.LIMIT] == "fail"


def test_failing_may_have_a_hold_time_of_its_own() -> None:
    quick = replace(CHECK, hold=timedelta(minutes=5), fail_hold=timedelta(seconds=10))
    assert run([W, W, F, F], quick) == [NO, NO, NO, OPEN]


def test_a_value_within_the_band_passes_and_does_not_close() -> None:
    course = Course(replace(CHECK, band=0.2))
    for state in (W, W, W):
        course.poll(state)
    assert [course.poll(P, value)[0] for value in (4.9, 4.5, 4.2, 3.9, 3.9)] == [NO, NO, NO, NO, END]


def test_the_band_of_what_must_not_be_low_lies_above_it() -> None:
    course = Course(replace(CHECK, warn=0.9, fail=0.5, band=0.05, direction=Direction.LOW))
    for _ in range(3):
        course.poll(W, 0.8)
    assert [course.poll(P, value)[0] for value in (0.91, 0.94, 0.96, 0.97)] == [NO, NO, NO, END]


def test_a_flapping_alert_closes_only_after_a_calm_stretch() -> None:
    course = Course(flapping=True)
    for state in (W, W, W, P, P, P, W):
        course.poll(state)
    assert Kind.LIMIT in course.open
    steps = [course.poll(P)[0] for _ in range(int(STEADY / EVERY) + 2)]
    assert steps.index(END) == STEADY / EVERY


@given(st.lists(st.sampled_from([State.NO_DATA, State.ERROR, State.INCONCLUSIVE])))
def test_silence_neither_opens_nor_closes_an_alert_of_thresholds(silence: list[State]) -> None:
    assert set(run(silence)) <= {NO}
    assert set(run([F, F, F, *silence])[3:]) <= {NO}


def test_a_pass_after_silence_is_the_first_pass_not_the_second() -> None:
    assert run([F, F, F, State.NO_DATA, P, P])[3:] == [NO, NO, END]


def test_lasting_silence_is_an_alert_of_its_own_beside_the_failing_one() -> None:
    course = Course()
    for state in (F, F, F, State.NO_DATA, State.ERROR, State.NO_DATA):
        course.poll(state)
    assert course.open == {Kind.LIMIT: "fail", Kind.SILENCE: "no_data"}
    assert [course.poll(s)[1] for s in (State.INCONCLUSIVE, F, State.INCONCLUSIVE, F, P)] == [NO, NO, NO, NO, END]
    assert course.open == {Kind.LIMIT: "fail"}


def test_what_was_never_measured_is_no_alert() -> None:
    never = Verdict("a.b", "", "", None, State.NO_DATA, None)
    long_ago = Stood(never, START - timedelta(days=1))
    assert step_of_silence(CHECK, long_ago, never, START, is_open=False) is NO


@given(st.lists(st.sampled_from(list(State)), max_size=40))
def test_open_and_close_alternate(states: list[State]) -> None:
    course = Course()
    for steps in zip(*(course.poll(state) for state in states), strict=True):
        marks = [s for s in steps if s in {OPEN, END}]
        assert all(a is not b for a, b in pairwise(marks))
        assert not marks or marks[0] is OPEN


class Alerting(RuleBasedStateMachine):
    """Whatever states come, in whatever order: what must hold of both alerts of a check."""

    def __init__(self) -> None:
        super().__init__()
        self.course = Course()
        self.steps: tuple[Step, Step] = (NO, NO)

    @rule(state=st.sampled_from(list(State)), times=st.integers(1, 4))
    def polls(self, state: State, times: int) -> None:
        for _ in range(times):
            self.steps = self.course.poll(state)
            self.judge()

    def judge(self) -> None:
        states = self.course.states
        limit, silence = self.steps
        if limit is OPEN:
            assert all(s in {W, F} for s in states[-3:])
            assert len(states) >= 3
        if limit is END:
            assert states[-2:] == [P, P]
        if silence is OPEN:
            assert all(s in {State.NO_DATA, State.ERROR} for s in states[-3:])
        if silence is END:
            assert all(s.known for s in states[-2:])
        if limit in {OPEN, UP} and self.course.open[Kind.LIMIT] == "fail":
            assert any(states[n : n + 3] == [F] * 3 for n in range(len(states)))

    @invariant()
    def each_kind_keeps_its_own_words(self) -> None:
        assert self.course.open.get(Kind.LIMIT, "warn") in {"warn", "fail"}
        assert self.course.open.get(Kind.SILENCE, "no_data") == "no_data"


TestAlerting = Alerting.TestCase


def test_checks_that_classify_or_shadow_wake_nobody() -> None:
    for more in ({"alerting": False}, {"shadow": True}):
        course = Course(replace(CHECK, **more))  # type: ignore[arg-type]
        for state in [F] * 5 + [State.NO_DATA] * 5:
            assert course.poll(state) == (NO, NO)


def test_an_open_alert_rises_but_never_falls() -> None:
    assert risen("warn", F) == "fail"
    assert risen("fail", W) == "fail"
    assert (threshold(CHECK, W), threshold(CHECK, F), threshold(CHECK, State.NO_DATA)) == (5, 30, None)
