"""What is said of one metric after a comparison: both answers, a sentence, and what would flip it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics.kernel import State, worst
from apps.metrics.units import show
from apps.playbook.plan import BaselineMetric, Better, Improvement
from apps.rollouts.answers import STATES, Held, Reached, benefit, limit_of, no_regression
from apps.rollouts.comparison import SelfCheck, Shift, TooFew
from apps.rollouts.window import After, Match

MATCHES = {
    Match.WEEKDAY: gettext_lazy("the same hours of the same weekday, pair by pair"),
    Match.HOUR: gettext_lazy("the same hours of another day, pair by pair"),
    Match.NONE: gettext_lazy("other hours than before: the time of day may explain a change"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One metric's outcome, of plain values, as it is frozen. `reached` is empty where nothing is promised of it."""

    metric: str
    title: str
    unit: str
    state: State
    held: str
    reached: str
    said: str
    flips: str
    conditions: list[str]
    shift: dict[str, Any] | None


def unknown(wanted: BaselineMetric, why: str, state: State = State.INCONCLUSIVE) -> Outcome:
    """Nothing can be said of a metric."""
    said = _("%(title)s: not known, for %(why)s.") % {"title": wanted.title, "why": why}
    return Outcome(wanted.slug, wanted.title, wanted.unit, state, Held.UNKNOWN, "", said, "", [], None)


def unmeasured(wanted: BaselineMetric, ready: datetime) -> Outcome:
    """There was no whole window yet."""
    text = _("a window as long as the baseline's is over only at %(when)s") % {"when": f"{ready:%d %b %H:%M} UTC"}
    return unknown(wanted, text)


def entered_outcome(wanted: BaselineMetric, promises: Sequence[Improvement], before: float, later: float) -> Outcome:
    """Two values that people read elsewhere: judged as they are, for their scatter is not known."""
    moved = later - before
    shift = Shift(1, 1, before, later, moved, moved, moved, 1.0, 0.0, 1, paired=False)
    return _judged(wanted, promises, shift, [_("one value on either side, entered: its scatter is not known")])


def measured_outcome(
    wanted: BaselineMetric,
    promises: Sequence[Improvement],
    shift: Shift | TooFew,
    trust: SelfCheck | None,
    within: After,
    load: tuple[float | None, float | None],
) -> Outcome:
    """`load`: statements a second before and after."""
    if isinstance(shift, TooFew):
        text = _("it has %(have)d of %(need)d samples a side") % {"have": shift.have, "need": shift.need}
        return unknown(wanted, text)
    conditions = [str(MATCHES[within.match]), _load(load)]
    if trust is None:
        conditions.append(_("history before is too short to compare it with itself"))
    else:
        text = _("%(alarms)d of %(pairs)d comparisons of before with itself found a change; visible from %(least)s")
        least = show(trust.visible, wanted.unit)
        conditions.append(text % {"alarms": trust.alarms, "pairs": trust.pairs, "least": least})
        if not trust.trusted:
            found = unknown(wanted, _("it changes as much without a deployment, so its comparison cannot be trusted"))
            return Outcome(**{**asdict(found), "conditions": conditions, "shift": asdict(shift)})
    return _judged(wanted, promises, shift, conditions)


def _load(load: tuple[float | None, float | None]) -> str:
    if None in load:
        return _("the load was not measured on both sides")
    before, later = (show(value, "/s") for value in load)
    return _("load %(before)s before, %(after)s after") % {"before": before, "after": later}


def _judged(wanted: BaselineMetric, promises: Sequence[Improvement], shift: Shift, conditions: list[str]) -> Outcome:
    limit = limit_of(shift.level, wanted.tolerance, wanted.slack)
    held = no_regression(shift.low, shift.high, limit, wanted.better)
    reached = [benefit(shift, promise.promised, promise.better) for promise in promises]
    state = worst([STATES[held], *(STATES[answer] for answer in reached)])
    said = _("%(title)s: %(before)s before, %(after)s after; %(held)s%(reached)s.") % {
        "title": wanted.title,
        "before": show(shift.level, wanted.unit),
        "after": show(shift.level_after, wanted.unit),
        "held": _HELD[held],
        "reached": "".join(f", {_REACHED[answer]}" for answer in reached),
    }
    worse = max(reached, key=list(Reached).index, default="")
    return Outcome(
        wanted.slug,
        wanted.title,
        wanted.unit,
        state,
        held,
        worse,
        said,
        _flips(wanted, shift, limit, held),
        conditions,
        asdict(shift),
    )


_HELD = {
    Held.HELD: gettext_lazy("no worse than is tolerated"),
    Held.WORSE: gettext_lazy("worse than is tolerated"),
    Held.UNKNOWN: gettext_lazy("whether it is worse than is tolerated cannot be told"),
}
_REACHED = {
    Reached.MET: gettext_lazy("what was promised is reached"),
    Reached.PARTLY: gettext_lazy("better, but not certainly by what was promised"),
    Reached.NOT: gettext_lazy("what was promised is not reached"),
    Reached.UNKNOWN: gettext_lazy("whether what was promised is reached cannot be told"),
}


def _flips(wanted: BaselineMetric, shift: Shift, limit: float, held: Held) -> str:
    """How far the harm side of the interval is from what is tolerated."""
    harm, side = (shift.high, shift.low) if wanted.better is Better.LOWER else (-shift.low, -shift.high)
    if held is Held.HELD:
        return _("%(by)s more of harm would exceed what is tolerated") % {"by": show(limit - harm, wanted.unit)}
    if held is Held.WORSE:
        return _("%(by)s less of harm could be within what is tolerated") % {"by": show(side - limit, wanted.unit)}
    return _("an interval narrower by %(by)s would tell") % {"by": show(min(harm - limit, limit - side), wanted.unit)}
