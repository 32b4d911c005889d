"""One success criterion: what was promised, what was measured, and the verdict with its reason. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.metrics.kernel import State
from apps.metrics.templatetags.figures import signed
from apps.metrics.units import duration, show
from apps.playbook.plan import STEPS, Improvement, Measure, Week
from apps.rollouts.answers import STATES, Reached, benefit
from apps.rollouts.comparison import Shift
from apps.rollouts.stretch import LEAST_STEPS, Reading


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and when it was measured or entered."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of a promise. `source`: what it rests on; `digest`: of the frozen comparison, where it rests on one."""

    verdict: Reached
    reason: str
    source: str = ""
    measured: Figure | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """
    `block` None: a target of the programme. `compared_in`: the week whose comparison judges it; empty for a promised value.
    `entered_in`: the week with whose comparison a person enters its value, where no check measures it and none was entered.
    """

    block: Week | None
    promise: Improvement
    answer: Answer
    baseline: Figure | None = None
    compared_in: str = ""
    entered_in: Week | None = None

    @property
    def state(self) -> State:
        """The verdict as a state, for its shape and colour."""
        return STATES[self.answer.verdict]

    def as_body(self) -> dict[str, Any]:
        """The same as JSON's types, for files and for freezing as evidence."""
        promised, baseline, measured = self.promise.promised, self.baseline, self.answer.measured
        return {
            "criterion": self.promise.slug,
            "title": self.promise.title,
            "block": self.block.slug if self.block else "",
            "measure": promised.measure.value,
            "unit": promised.unit.value,
            "low": promised.low,
            "high": promised.high,
            "against": promised.against,
            "check": self.promise.check,
            "baseline": baseline.value if baseline else None,
            "baseline_at": baseline.at.isoformat() if baseline else None,
            "measured": measured.value if measured else None,
            "measured_at": measured.at.isoformat() if measured else None,
            "verdict": self.answer.verdict.value,
            "reason": self.answer.reason,
            "source": self.answer.source,
            "comparison_digest": self.answer.digest,
        }


def unknown(reason: str, measured: Figure | None = None, source: str = "") -> Answer:
    """Nothing can be said of a promise yet; `measured`: what its metric is at present, all the same."""
    return Answer(Reached.UNKNOWN, reason, source, measured)


_CHANGED = {
    Reached.MET: gettext_lazy("%(change)s, as promised"),
    Reached.PARTLY: gettext_lazy("%(change)s: better for certain, but not certainly by what was promised"),
    Reached.NOT: gettext_lazy("%(change)s: not what was promised"),
    Reached.UNKNOWN: gettext_lazy("%(change)s: this cannot tell whether what was promised is reached"),
}


def by_change(promise: Improvement, shift: Shift, source: str, at: datetime, digest: str) -> Answer:
    """The answer of a frozen comparison."""
    promised = promise.promised
    verdict, measured = benefit(shift, promised, promise.better), Figure(shift.level_after, at)
    if promised.measure is Measure.CHANGE and not shift.level:
        text = _("the baseline is zero, so that no change in per cent can be told")
        return Answer(verdict, text, source, measured, digest)
    scale, unit = (abs(shift.level), "ratio") if promised.measure is Measure.CHANGE else (1.0, promised.unit.value)
    change = signed(shift.shift / scale, unit)
    if shift.before > 1:
        low, high = signed(shift.low / scale, unit), signed(shift.high / scale, unit)
        change = _("%(change)s (%(low)s … %(high)s)") % {"change": change, "low": low, "high": high}
    return Answer(verdict, str(_CHANGED[verdict]) % {"change": change}, source, measured, digest)


def by_value(promise: Improvement, title: str, found: Sequence[Reading]) -> Answer:
    """
    The answer of what a check measured, of every node and object it speaks of; `title`: the check's.

    Those with too few steps behind them are left out while there is one that has enough: they are new, or an object that is gone. A node
    that fell silent is not left out.
    """
    source, over = _source(promise, title), promise.over
    if not found:
        return unknown(_("nothing was measured: is the node declared, and polled?"), source=source)
    whole = [one for one in found if over is None or one.steps >= LEAST_STEPS]
    if over is not None and not whole:
        text = _("measured in %(have)d of %(all)d steps of %(step)s; %(need)d are needed")
        step = duration(over.total_seconds() / STEPS)
        words = text % {"have": found[0].steps, "all": STEPS, "step": step, "need": LEAST_STEPS}
        return unknown(words, Figure(found[0].value, found[0].at), source)
    if over is not None and (silent := _silent(found, over)):
        text = _("%(where)s was not measured since %(when)s")
        return unknown(text % {"where": silent.where, "when": f"{silent.at:%d %b %Y %H:%M} UTC"}, source=source)
    outside = [one for one in whole if promise.promised.judge(one.value) is not State.PASS]
    if not outside:
        told = _("%(value)s, as promised") % {"value": _values(whole, promise)}
        return Answer(Reached.MET, told, source, Figure(whole[0].value, whole[0].at))
    verdict = Reached.PARTLY if len(outside) < len(whole) else Reached.NOT
    told = _("not what was promised: %(value)s") % {"value": _values(outside, promise)}
    if verdict is Reached.PARTLY:
        told = ngettext("%(n)d of %(all)d is %(told)s", "%(n)d of %(all)d are %(told)s", len(outside)) % {
            "n": len(outside), "all": len(whole), "told": told,
        }  # fmt: skip
    return Answer(verdict, told, source, Figure(outside[0].value, outside[0].at))


def _silent(found: Sequence[Reading], over: timedelta) -> Reading | None:
    """A node of which too little was measured, and nothing of late."""
    late = max(one.at for one in found) - 2 * over / STEPS
    return next((one for one in found if not one.object and one.steps < LEAST_STEPS and one.at < late), None)


def _values(found: Sequence[Reading], promise: Improvement) -> str:
    """At most three values, each with its place where there are several; the rest counted."""
    unit = promise.promised.unit
    if len(found) == 1:
        return show(found[0].value, unit)
    shown = [f"{one.where} {show(one.value, unit)}" for one in found[:3]]
    return ", ".join(shown) + (f", +{len(found) - 3}" if len(found) > 3 else "")


def _source(promise: Improvement, title: str) -> str:
    if promise.over is None:
        return _("%(check)s at the last poll") % {"check": title}
    length = duration(promise.over.total_seconds())
    if promise.busiest:
        step = duration(promise.over.total_seconds() / STEPS)
        return _("%(check)s, the busiest %(step)s of %(length)s") % {"check": title, "step": step, "length": length}
    return _("%(check)s, the mean of %(length)s") % {"check": title, "length": length}
