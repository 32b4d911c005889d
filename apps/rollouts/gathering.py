"""How far a baseline could be captured: of each metric, how many samples a window has of those a comparison needs, and when it will."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import Permission, roles_with
from apps.metrics.registry import checks
from apps.metrics.units import duration
from apps.playbook.plan import BaselineMetric, Week
from apps.rollouts.baseline import WINDOWS, metric_of, samples
from apps.rollouts.comparison import needed_of, unchanging
from apps.rollouts.gates import ENOUGH
from apps.rollouts.models import Rollout
from apps.rollouts.progress import Progress
from apps.rollouts.tally import should_move
from apps.rollouts.windowed import Pairs, moments

SILENT = 3
"""After so many intervals without a sample nothing more is expected."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One metric. `need`: by what its samples so far remember; it may grow with them. `ready`: when it will be enough, if it goes on so.

    `missing`: in words, what is missing; empty when there is enough.
    """

    metric: BaselineMetric
    have: int
    need: int
    missing: str
    ready: datetime | None = None

    @property
    def enough(self) -> bool:
        """Whether a capture now would be enough for a comparison."""
        return not self.missing


def gathered(rollout: Rollout, week: Week, window: str) -> list[Gathered]:
    """Every metric of a week's baseline that is measured, in a window of WINDOWS that ends now. Raises HistoryUnreachable."""
    end, length = datetime.now(UTC), WINDOWS[window]
    found = []
    for wanted in week.baseline:
        if metric := metric_of(wanted):
            lines = samples(rollout.tier, metric, end - length, end, checks().get(wanted.check))
            found.append(_gathered(wanted, moments(lines), length, end))
    return found


def _gathered(wanted: BaselineMetric, found: Pairs, length: timedelta, now: datetime) -> Gathered:
    have, need = len(found), needed_of([value for _at, value in found])
    if not found:
        text = _("nothing was measured in this window: is its node declared, and polled?")
        return Gathered(wanted, have, need, text)
    if should_move(found[0][1], wanted.unit) and unchanging([value for _at, value in found]):
        return Gathered(wanted, have, need, _("its value never moved, as that of a source that hangs"))
    if have >= need:
        return Gathered(wanted, have, need, "")
    every, last = interval(found), datetime.fromtimestamp(found[-1][0], UTC)
    if now - last > SILENT * every:
        since = duration((now - last).total_seconds())
        return Gathered(wanted, have, need, _("no sample came for %(since)s: is it still polled?") % {"since": since})
    if need * every > length:
        shortest = duration((need * every).total_seconds())
        text = _("the window is too short: %(need)d samples take %(shortest)s")
        return Gathered(wanted, have, need, text % {"need": need, "shortest": shortest})
    wait = (need - have) * every
    text = _("%(n)d more samples, in about %(wait)s") % {"n": need - have, "wait": duration(wait.total_seconds())}
    return Gathered(wanted, have, need, text, now + wait)


def too_late(at: Progress) -> str:
    """Of a deployed week, in one sentence without its full stop: which of its baseline was captured in time."""
    captured, every = sum(m.slug in at.done.baselines for m in at.week.baseline), len(at.week.baseline)
    if captured == every:
        return _("the baseline was captured before the deployment")
    if captured:
        told = _("it is too late for %(n)d of %(all)d metrics: they were not captured before the deployment")
        return told % {"n": every - captured, "all": every}
    return _("it is too late for a baseline: none was captured before the deployment")


def left_to_do(at: Progress) -> str:
    """What remains where a baseline is missing for good: the verdicts that need it can be overridden, and by whom; empty elsewhere."""
    waiting = [gate.title for gate in at.gates if gate.slug in {"baseline", "compared"} and gate.counts not in ENOUGH]
    if not waiting or not at.open or at.signed or all(m.slug in at.done.baselines for m in at.week.baseline):
        return ""
    text = ngettext(
        "The gate %(gates)s can be overridden, on the record, by: %(who)s.",
        "The gates %(gates)s can be overridden, on the record, by: %(who)s.",
        len(waiting),
    )
    roles = ", ".join(str(role.label) for role in roles_with(Permission.OVERRIDE))
    return text % {"gates": ", ".join(waiting), "who": roles}


def interval(found: Pairs) -> timedelta:
    """How often samples come: the median distance, or as often as the tier is polled where there is one sample."""
    distances = [later[0] - one[0] for one, later in pairwise(found)]
    return timedelta(seconds=median(distances) if distances else settings.POLL_SECONDS)


def said(found: Sequence[Gathered]) -> str:
    """All of it in one sentence, without its full stop."""
    enough = sum(one.enough for one in found)
    if enough == len(found):
        return _("every metric has the samples that a comparison needs")
    text = _("%(enough)d of %(all)d metrics have the samples that a comparison needs")
    told = text % {"enough": enough, "all": len(found)}
    waiting = [one for one in found if not one.enough]
    ready = [one.ready for one in waiting if one.ready]
    if ready and len(ready) == len(waiting):
        told += _("; all will by %(when)s") % {"when": f"{max(ready):%d %b %H:%M} UTC"}
    return told
