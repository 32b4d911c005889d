"""The gates of a week: prerequisites, baseline, deployed, validated, watched, compared, signed; each from the verdicts it rests on.

The worst verdict of a gate is its own; a gate without any is inconclusive. Only what passes or warns lets the week go on. Shadow checks are
left out. An override lets a verdict count as a warning until it expires, and leaves the verdict what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.policy import Permission
from apps.metrics.kernel import State, worst
from apps.metrics.registry import checks
from apps.playbook.plan import Gate as ItemGate
from apps.playbook.plan import WeekKind
from apps.rollouts.comparisons import compared, compares
from apps.rollouts.models import Decision, RollbackEnd
from apps.rollouts.rollback import rollback_ready, taken_back
from apps.rollouts.watching import entries_of, in_words, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from apps.playbook.plan import BaselineMetric, Item, Week
    from apps.rollouts.models import Issue, Override, RollbackRun
    from apps.rollouts.progress import Done, Slot

ASKS = {
    "prerequisites": gettext_lazy("settle the prerequisites"),
    "baseline": gettext_lazy("capture the baseline"),
    "deployed": gettext_lazy("deploy, and record it"),
    "validated": gettext_lazy("validate what was deployed"),
    "watched": gettext_lazy("watch what was deployed"),
    "compared": gettext_lazy("compare before and after"),
    "signed": gettext_lazy("sign"),
}
"""What each gate asks for, in words that follow “next:”."""
ENOUGH = frozenset({State.PASS, State.WARN})
"""What satisfies a gate; whatever is not known never does."""


class GateState(StrEnum):
    """DONE: nothing is missing. NOW: the next thing to do. LATER: waits for the one before. BLOCKED: rejected, or a blocker is open."""

    DONE = "done"
    NOW = "now"
    LATER = "later"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Part:
    """One verdict of a gate. `scope`: how an override names it; `said`: what is missing of it, in words.

    `override`: the one that stands for it; `shadow`: shown only.
    """

    scope: str
    title: str
    state: State
    said: str = ""
    check: str = ""
    critical: bool = False
    shadow: bool = False
    override: Override | None = None

    @property
    def counts(self) -> State:
        """What it counts for: its verdict, or a warning where that is overridden."""
        return State.WARN if self.override and self.state not in ENOUGH else self.state


@dataclass(frozen=True, slots=True)
class Gate:
    """One step of a week's path: where it stands, its verdict, what it rests on, and who can supply what is missing."""

    slug: str
    title: str
    state: GateState
    detail: str
    verdict: State
    parts: tuple[Part, ...]
    permission: Permission
    override: Override | None = None

    @property
    def scope(self) -> str:
        """How an override names the gate as a whole."""
        return f"gate:{self.slug}"

    @property
    def counts(self) -> State:
        """What the gate counts for; differs from its verdict where something is overridden."""
        return State.WARN if self.override and self.verdict not in ENOUGH else _counts(self.parts)

    @property
    def missing(self) -> tuple[Part, ...]:
        """The parts that do not let it go on."""
        return tuple(part for part in self.parts if not part.shadow and part.counts not in ENOUGH)

    @property
    def ask(self) -> str:
        """What it asks for, in words."""
        return str(ASKS[self.slug])

    @property
    def overridden(self) -> bool:
        """Whether it counts for more than its verdict says."""
        return self.counts is not self.verdict

    @property
    def may_be_overridden(self) -> bool:
        """Verdicts can be; a deployment and a signature are deeds."""
        return self.slug not in {"deployed", "signed"}


def _counts(parts: Iterable[Part]) -> State:
    return worst([part.counts for part in parts if not part.shadow])


@dataclass(frozen=True, slots=True)
class _Step:
    slug: str
    title: str
    permission: Permission
    detail: str
    parts: tuple[Part, ...]


def path(week: Week, done: Done, slots: Sequence[Slot], *, is_open: bool) -> tuple[Gate, ...]:
    """The gates in their order: the first that is not satisfied is NOW, those behind it LATER.

    Of a week that is signed they are as they were when its last signature was made: an override that expires later takes nothing back.
    """
    signed = [slot.signature.at for slot in slots if slot.good and slot.signature]
    moment = max(signed) if slots and len(signed) == len(slots) else datetime.now(UTC)
    standing = {o.scope: o for o in done.overrides if stands(o, moment)}
    gates, waiting = [], not is_open
    for step in _steps(week, done, slots):
        mine = {scope: o for scope, o in standing.items() if not _of_before(o, step.slug, done)}
        parts = tuple(_overridden(part, mine) for part in step.parts)
        verdict = worst([part.state for part in parts if not part.shadow])
        of_all = _fitting(mine.get(f"gate:{step.slug}"), verdict)
        gate = Gate(step.slug, step.title, GateState.NOW, step.detail, verdict, parts, step.permission, of_all)
        complete = gate.counts in ENOUGH
        state = GateState.DONE if complete else GateState.LATER if waiting else GateState.NOW
        if step.slug == "signed" and (done.blockers or _rejected(slots)):
            state = GateState.BLOCKED
        gates.append(replace(gate, state=state))
        waiting = waiting or not complete
    return tuple(gates)


def stands(override: Override, now: datetime) -> bool:
    """Whether an override counts: made by as many people as it takes, not taken back, not expired."""
    return override.settled and override.ended_at is None and now < override.expires_at


def _of_before(override: Override, gate: str, done: Done) -> bool:
    """Whether it was made of an earlier deployment or watch, and so says nothing of the present one."""
    if gate not in {"validated", "watched", "compared"}:
        return False
    began = [one.at for one in (*done.deployments[-1:], *((done.watch,) if gate == "watched" and done.watch else ()))]
    return any(at > override.at for at in began)


def _fitting(override: Override | None, state: State) -> Override | None:
    """An override of a verdict as bad as this one, or worse; people let pass what they saw, not what came after."""
    return override if override and worst([state, State(override.verdict)]) == override.verdict else None


def _overridden(part: Part, standing: dict[str, Override]) -> Part:
    of_check = standing.get(f"check:{part.check}") if part.check else None
    found = _fitting(standing.get(part.scope), part.state) or _fitting(of_check, part.state)
    return part if found is None else replace(part, override=found)


def _steps(week: Week, done: Done, slots: Sequence[Slot]) -> Iterable[_Step]:
    before, after = list(week.items(ItemGate.PREREQUISITE)), list(week.items(ItemGate.VALIDATION))
    if before:
        yield _Step("prerequisites", _("Prerequisites"), Permission.TICK, *_items(before, done))
    if week.baseline:
        yield _Step("baseline", _("Baseline"), Permission.CAPTURE, *_baseline(week.baseline, done))
    if week.kind is WeekKind.BLOCK:
        yield _Step("deployed", _("Deployed"), Permission.DEPLOY, *_deployed(week, done))
    if after:
        yield _Step("validated", _("Validated"), Permission.TICK, *_items(after, done))
    if week.watch:
        who = Permission.NOTE if runs(done) else Permission.DEPLOY
        yield _Step("watched", _("Watched"), who, *_watched(week, done))
    if compares(week) and week.kind is WeekKind.BLOCK:
        yield _Step("compared", _("Compared"), Permission.CAPTURE, *_compared(done))
    yield _Step("signed", _("Signed"), Permission.SIGN, *_signed(slots, done))


def _items(items: Sequence[Item], done: Done) -> tuple[str, tuple[Part, ...]]:
    ticked = sum(item.slug in done.ticks for item in items)
    return _("%(ticked)d of %(all)d") % {"ticked": ticked, "all": len(items)}, tuple(_item(i, done) for i in items)


def _item(item: Item, done: Done) -> Part:
    settled, known = item.slug in done.ticks, checks().get(item.check)
    return Part(
        f"item:{item.slug}",
        item.text,
        State.PASS if settled else State.INCONCLUSIVE,
        "",
        item.check,
        item.critical,
        known is not None and known.shadow,
    )


def _baseline(metrics: Sequence[BaselineMetric], done: Done) -> tuple[str, tuple[Part, ...]]:
    parts = tuple(_metric(metric, done) for metric in metrics)
    captured = [done.baselines[m.slug] for m in metrics if m.slug in done.baselines]
    stale = sum(part.state is State.NO_DATA for part in parts)
    if len(captured) < len(metrics) or stale:
        said = _("%(captured)d of %(all)d captured") % {"captured": len(captured), "all": len(metrics)}
        return said + (ngettext(", %(n)d stale", ", %(n)d stale", stale) % {"n": stale} if stale else ""), parts
    return _("captured %(when)s") % {"when": f"{max(b.at for b in captured):%d %b %Y %H:%M} UTC"}, parts


def _metric(metric: BaselineMetric, done: Done) -> Part:
    scope, found = f"metric:{metric.slug}", done.baselines.get(metric.slug)
    if found is None:
        return Part(scope, metric.title, State.INCONCLUSIVE, _("not captured"), metric.check)
    if found.conditions.get("unchanging"):
        said = _("a single value that never moves, as a source says that hangs")
        return Part(scope, metric.title, State.NO_DATA, said, metric.check)
    return Part(scope, metric.title, State.PASS, "", metric.check)


def _deployed(week: Week, done: Done) -> tuple[str, tuple[Part, ...]]:
    ready = rollback_ready(week, done)
    drill = () if ready else (Part("rollback", _("The rollback"), State.INCONCLUSIVE, _("not drilled in time")),)
    title = _("The deployment")
    if not done.deployments:
        said = _("not recorded yet") if ready else _("waits for the drill of the rollback")
        return said, (*drill, Part("deployment", title, State.INCONCLUSIVE, _("not recorded yet")))
    if back := taken_back(done.deployments, done.rollbacks):
        said = _back(back)
        return said, (*drill, Part("deployment", title, State.INCONCLUSIVE, said))
    last = done.deployments[-1]
    return f"{last.at:%d %b %Y %H:%M} UTC, {last.by}", (*drill, Part("deployment", title, State.PASS))


def _back(run: RollbackRun) -> str:
    about = {"when": f"{run.ended_at or run.at:%d %b %Y %H:%M} UTC", "who": run.ended_by or run.by}
    if run.ended_at is None:
        return _("being rolled back since %(when)s") % about
    if run.end == RollbackEnd.FAILED:
        return _("rollback failed %(when)s, %(who)s") % about
    return _("rolled back %(when)s, %(who)s") % about


def _watched(week: Week, done: Done) -> tuple[str, tuple[Part, ...]]:
    parts = tuple(
        Part(f"entry:{one.entry.slug}", one.entry.title, one.state, one.said, one.entry.check, shadow=one.shadow)
        for one in entries_of(week, done)
    )
    return in_words(week, done), parts


def _compared(done: Done) -> tuple[str, tuple[Part, ...]]:
    found = compared(done)
    said, state = found.said, found.state
    if done.watch and done.watch.ended_at and done.comparison and done.comparison.at < done.watch.ended_at:
        said, state = _("compared before the watch was over"), State.INCONCLUSIVE
    return said, (Part("comparison", _("Before and after"), state, said),)


def _rejected(slots: Sequence[Slot]) -> list[str]:
    return [s.off.title for s in slots if s.signature and s.signature.decision == Decision.REJECT]


def _signed(slots: Sequence[Slot], done: Done) -> tuple[str, tuple[Part, ...]]:
    parts = tuple(Part(f"slot:{slot.off.slug}", slot.off.title, *_slot(slot)) for slot in slots)
    if rejected := _rejected(slots):
        return _("rejected by %(who)s") % {"who": ", ".join(rejected)}, parts
    if blockers := done.blockers:
        said = _("blocked by issue %(numbers)s") % {"numbers": ", ".join(f"#{issue.pk}" for issue in blockers)}
        return said, (*parts, *(_blocker(issue) for issue in blockers))
    good, stale = sum(s.good for s in slots), sum(s.stale for s in slots)
    text = _("%(good)d of %(all)d") % {"good": good, "all": len(slots)}
    if stale:
        text += " · " + ngettext("%(n)d stale", "%(n)d stale", stale) % {"n": stale}
    return text, parts


def _blocker(issue: Issue) -> Part:
    return Part(f"issue:{issue.pk}", f"#{issue.pk} {issue.text}", State.FAIL, _("close it with what was done"))


def _slot(slot: Slot) -> tuple[State, str]:
    if slot.good:
        return State.PASS, ""
    if slot.signature and slot.signature.decision == Decision.REJECT:
        return State.FAIL, _("rejected by %(who)s") % {"who": slot.signature.by}
    roles = ", ".join(str(role.label) for role in slot.off.roles)
    return State.INCONCLUSIVE, _("signs: %(roles)s") % {"roles": roles}
