"""The comparison holds its error rates on series that remember, on skewed ones and over a day with its rhythm; and sees what is there."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from apps.playbook.plan import Better
from apps.rollouts.answers import Held, no_regression
from apps.rollouts.comparison import Shift, TooFew, compare, self_check

Series = NDArray[np.float64]
RUNS = 250
MOST = 0.08  # 0.05 and two standard errors of so few runs; bench/false_alarms.py makes many


def remembering(rng: np.random.Generator, length: int, phi: float) -> Series:
    """An AR(1) series, started long before its first value."""
    found: Series = lfilter([1], [1, -phi], rng.standard_normal(length + 200))[200:]
    return found


def alarms(draw: Callable[[np.random.Generator], Series], *, paired: bool = False) -> float:
    """Share of runs in which two series of one kind are said to differ."""
    rng = np.random.default_rng(7)
    found = [compare(draw(rng).tolist(), draw(rng).tolist(), paired=paired) for _ in range(RUNS)]
    assert any(isinstance(one, Shift) for one in found)
    return sum(isinstance(one, Shift) and one.changed for one in found) / RUNS


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.standard_normal(30),
        lambda rng: rng.exponential(size=30),
        lambda rng: remembering(rng, 90, 0.3),
        lambda rng: remembering(rng, 360, 0.6),
        lambda rng: remembering(rng, 360, 0.9),
        lambda rng: np.exp(remembering(rng, 360, 0.8) / 2),
    ],
    ids=[
        "independent",
        "skewed",
        "short memory",
        "an hour that remembers",
        "an hour that remembers minutes",
        "skewed with memory",
    ],
)
def test_where_nothing_changed_hardly_ever_a_change_is_found(draw: Callable[[np.random.Generator], Series]) -> None:
    assert alarms(draw) <= MOST


def test_an_hour_that_remembers_minutes_is_concluded_nearly_always_and_sees_what_matters() -> None:
    rng = np.random.default_rng(6)
    found = [compare(remembering(rng, 360, 0.9).tolist(), remembering(rng, 360, 0.9).tolist()) for _ in range(RUNS)]
    shifts = [one for one in found if isinstance(one, Shift)]
    assert len(shifts) > 0.95 * RUNS
    # Knowing its memory, a z test would see 0.64 standard deviations of such a series; with eight blocks we see some more.
    assert np.median([one.margin for one in shifts]) / np.sqrt(1 / (1 - 0.9**2)) < 0.64 * 1.25


def test_a_day_with_its_rhythm_is_compared_hour_by_hour() -> None:
    rhythm = 8 * np.sin(np.linspace(0, 2 * np.pi, 1440))
    assert alarms(lambda rng: remembering(rng, 1440, 0.6) + rhythm, paired=True) <= MOST
    assert alarms(lambda rng: remembering(rng, 1440, 0.9) + rhythm, paired=True) <= MOST
    rng = np.random.default_rng(4)
    before, after = (remembering(rng, 1440, 0.8) + rhythm for _ in range(2))
    seen = compare(before.tolist(), (after + 1.5).tolist(), paired=True)
    assert isinstance(seen, Shift)
    assert seen.changed
    assert seen.low < 1.5 < seen.high


def test_a_change_is_found_with_its_size() -> None:
    rng = np.random.default_rng(5)
    found = compare(remembering(rng, 360, 0.8).tolist(), (remembering(rng, 360, 0.8) + 3).tolist())
    assert isinstance(found, Shift)
    assert found.low < 3 < found.high
    assert found.effect > 0.8
    assert found.p < 0.01
    assert no_regression(found.low, found.high, 0.5, Better.LOWER) is Held.WORSE


def test_what_remembers_its_whole_window_says_nothing() -> None:
    drift = np.linspace(0, 5, 40)
    found = compare(drift.tolist(), (drift + 1).tolist())
    assert isinstance(found, TooFew)
    assert found.have == 40 < found.need


def test_a_source_whose_level_wanders_is_caught_by_comparing_it_with_itself() -> None:
    rng = np.random.default_rng(2)
    steps = np.repeat(rng.normal(0, 10, 8), 60) + rng.standard_normal(480)
    wandering, steady = self_check(steps.tolist(), 60), self_check(rng.standard_normal(480).tolist(), 60)
    assert wandering is not None
    assert steady is not None
    assert not wandering.trusted
    assert wandering.alarms > 3
    assert steady.trusted
    assert 0 < steady.visible < 1
