"""The two questions asked of a shift, each by itself: did it get worse, and is what was promised reached."""

from enum import StrEnum

from apps.metrics.kernel import State
from apps.playbook.plan import Better, Expectation, Measure
from apps.rollouts.comparison import Shift


class Held(StrEnum):
    """No regression: the harm side of the interval lies within the tolerance; WORSE: all of it lies outside."""

    HELD = "held"
    WORSE = "worse"
    UNKNOWN = "unknown"


class Reached(StrEnum):
    """Promised benefit. PARTLY: better for certain, but not, or not certainly, by what was promised."""

    MET = "met"
    PARTLY = "partly"
    NOT = "not"
    UNKNOWN = "unknown"


STATES = {
    Held.HELD: State.PASS, Held.WORSE: State.FAIL, Held.UNKNOWN: State.INCONCLUSIVE,
    Reached.MET: State.PASS, Reached.PARTLY: State.WARN, Reached.NOT: State.FAIL, Reached.UNKNOWN: State.INCONCLUSIVE,
}  # fmt: skip


def limit_of(level: float, tolerance: float, slack: float) -> float:
    """How much worse is no regression, in the metric's unit.

    >>> limit_of(200.0, 0.1, 10.0), limit_of(0.0, 0.1, 0.001)
    (20.0, 0.001)
    """
    return max(abs(level) * tolerance, slack)


def no_regression(low: float, high: float, limit: float, better: Better) -> Held:
    """
    `low`, `high`: the interval of the shift.

    >>> [no_regression(*i, 10, Better.LOWER).value for i in ((-5, 9), (12, 20), (5, 15))]
    ['held', 'worse', 'unknown']
    >>> no_regression(-30, -20, 10, Better.HIGHER).value
    'worse'
    """
    if better is Better.HIGHER:
        low, high = -high, -low
    if high <= limit:
        return Held.HELD
    return Held.WORSE if low > limit else Held.UNKNOWN


def benefit(shift: Shift, promised: Expectation, better: Better) -> Reached:
    """The interval against the promised range; a change needs a level before that is not zero."""
    if promised.measure is Measure.VALUE:
        return _value(shift, promised)
    scale = abs(shift.level) if promised.measure is Measure.CHANGE else 1.0
    if not scale:
        return Reached.UNKNOWN
    weak = promised.high if better is Better.LOWER else promised.low
    weak = weak if weak is not None else 0.0
    return against(shift.low / scale, shift.high / scale, weak, better)


def against(low: float, high: float, weak: float, better: Better) -> Reached:
    """
    An interval of change against the least that was promised.

    >>> [against(*i, 1.0, Better.HIGHER).value for i in ((1.04, 1.31), (0.2, 0.4), (-0.2, 0.4), (-0.2, 1.3), (0.8, 1.2))]
    ['met', 'partly', 'not', 'unknown', 'partly']
    >>> against(-0.15, -0.09, -0.2, Better.LOWER).value
    'partly'
    """
    if better is Better.LOWER:
        low, high, weak = -high, -low, -weak
    if low >= weak:
        return Reached.MET
    if low > 0:
        return Reached.PARTLY
    return Reached.NOT if high < weak else Reached.UNKNOWN


def _value(shift: Shift, promised: Expectation) -> Reached:
    """The level after, as uncertain as the shift is, within the range."""
    bottom, top = shift.level_after - shift.margin, shift.level_after + shift.margin
    least = -float("inf") if promised.low is None else promised.low
    most = float("inf") if promised.high is None else promised.high
    if least <= bottom and top <= most:
        return Reached.MET
    return Reached.NOT if top < least or bottom > most else Reached.UNKNOWN
