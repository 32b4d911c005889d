"""Alerts open after their hold time, close at the second pass in a row, and silence changes nothing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.alerts import Mood, Step, Stood, mood, risen, since, step
from apps.metrics.kernel import Check, State, Unit, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)
CHECK = Check("a.b", "", "a.b.c", "a.b", Unit.SECONDS, "", "", warn=5, fail=30, hold=timedelta(seconds=20))


def run(states: list[State], check: Check = CHECK) -> list[Step]:
    """The steps that a series of states takes, one each ten seconds."""
    before, is_open, steps = None, False, []
    for number, state in enumerate(states):
        now = START + number * EVERY
        verdict = Verdict("a.b", "n", "", 1.0, state, now)
        taken = step(check, before, verdict, now, is_open)
        is_open = {Step.OPEN: True, Step.CLOSE: False}.get(taken, is_open)
        before = Stood(verdict, since(before, verdict, now))
        steps.append(taken)
    return steps


def test_it_opens_after_the_hold_time_and_closes_at_the_second_pass() -> None:
    p, w, f = State.PASS, State.WARN, State.FAIL
    n, o, u, c = Step.NOTHING, Step.OPEN, Step.UPDATE, Step.CLOSE
    assert run([p, w, f, w, f, p, p, p]) == [n, n, n, o, u, n, c, n]


def test_one_pass_between_bad_ones_neither_closes_nor_reopens() -> None:
    w, p = State.WARN, State.PASS
    assert run([w, w, w, p, w, p, w])[2:] == [Step.OPEN, Step.NOTHING, Step.UPDATE, Step.NOTHING, Step.UPDATE]


@given(st.lists(st.sampled_from([State.NO_DATA, State.ERROR, State.INCONCLUSIVE])))
def test_silence_neither_opens_nor_closes(silence: list[State]) -> None:
    opened = [State.FAIL, State.FAIL, State.FAIL]
    assert set(run(silence)) <= {Step.NOTHING}
    assert set(run([*opened, *silence])[3:]) <= {Step.NOTHING}


def test_a_pass_after_silence_is_the_first_pass_not_the_second() -> None:
    f, s, p = State.FAIL, State.NO_DATA, State.PASS
    assert run([f, f, f, s, p, p])[3:] == [Step.NOTHING, Step.NOTHING, Step.CLOSE]


@given(st.lists(st.sampled_from(list(State)), max_size=40))
def test_open_and_close_alternate(states: list[State]) -> None:
    marks = [s for s in run(states) if s in {Step.OPEN, Step.CLOSE}]
    assert all(a is not b for a, b in pairwise(marks))
    assert not marks or marks[0] is Step.OPEN


def test_checks_that_classify_or_shadow_wake_nobody() -> None:
    quiet = [State.FAIL] * 5
    for more in ({"alerting": False}, {"shadow": True}):
        check = Check("a.b", "", "a.b.c", "a.b", Unit.SECONDS, "", "", warn=5, fail=30, **more)  # type: ignore[arg-type]
        assert set(run(quiet, check)) == {Step.NOTHING}


def test_an_open_alert_rises_but_never_falls() -> None:
    assert risen("warn", State.FAIL) == "fail"
    assert risen("fail", State.WARN) == "fail"
    assert mood(State.NO_DATA) is Mood.UNKNOWN
