"""Judging is pure: thresholds, age, missing and non-finite values."""

import doctest
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics import kernel, probe, units
from apps.metrics.kernel import Check, Direction, State, Unit, worst

FRESH = timedelta(0)


def check(**more: object) -> Check:
    """A check with thresholds 5 and 30, high is bad."""
    told = {"warn": 5.0, "fail": 30.0} | more
    return Check("room.check", "Title", "room.probe.metric", "room.probe", Unit.SECONDS, "Meaning.", "Remedy.", **told)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [kernel, probe, units])
def test_examples_in_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["1" + " " * 1000 + "x1", "9" * 400, "9" * 61, "1,", ",1", "1.2.3", "1e400", "inf", "nan", "-", ""],
    ids=lambda text: text[:8].strip() or "empty",
)
def test_what_is_no_value_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not understood; write it like 12"):
        units.read(text, Unit.COUNT)


@given(st.text("0123456789,. +-xe\N{MINUS SIGN}\N{NO-BREAK SPACE}", max_size=80))
def test_what_is_understood_is_a_number(text: str) -> None:
    try:
        value = units.read(text, Unit.BYTES)
    except ValueError as error:
        assert "write it like 3.2 GB" in str(error)  # noqa: PT017  either outcome will do
    else:
        assert math.isfinite(value)


@pytest.mark.parametrize("value", [0.5, 7.4, 250.0, 999.0, 1200.0])
def test_what_is_shown_with_one_unit_is_understood(value: float) -> None:
    for unit in (Unit.COUNT, Unit.BYTES, Unit.RATIO, Unit.PER_SECOND, Unit.PER_MINUTE, Unit.DAYS):
        assert units.read(units.show(value, unit), unit) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_high_and_low_are_mirror_images(value: float) -> None:
    high = check().judge(value, FRESH)
    low = check(warn=-5.0, fail=-30.0, direction=Direction.LOW).judge(-value, FRESH)
    assert high is low


@given(st.floats(), st.floats(min_value=0, max_value=1e6))
def test_stale_missing_and_non_finite_never_pass(value: float, seconds: float) -> None:
    old = timedelta(seconds=25.1 + seconds)
    assert check().judge(value, old) is State.NO_DATA
    assert check().judge(value, None) is State.NO_DATA
    if not math.isfinite(value):
        assert check().judge(value, FRESH) is State.NO_DATA


def test_a_sample_without_a_number_says_what_the_check_declares() -> None:
    assert check().judge(None, FRESH) is State.INCONCLUSIVE
    assert check(when_null=State.PASS).judge(None, FRESH) is State.PASS


@given(st.lists(st.sampled_from(list(State))))
def test_worst_passes_only_when_all_pass_and_something_was_measured(states: list[State]) -> None:
    assert (worst(states) is State.PASS) == (bool(states) and set(states) == {State.PASS})
    assert (worst(states) is State.FAIL) == (State.FAIL in states)
