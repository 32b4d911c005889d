"""Where a week stands, derived from what was done: its gates, what is missing, and who can supply it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.playbook.plan import BaselineMetric, Item, SignOff, Week, WeekKind
from apps.playbook.plan import Gate as ItemGate
from apps.rollouts.comparisons import latest
from apps.rollouts.models import Baseline, Comparison, Decision, Deployment, Issue, Rollout, Signature, Tick
from apps.rollouts.start import playbook_of
from apps.rollouts.statement import covered, digest_of


class GateState(StrEnum):
    """DONE: nothing is missing. NOW: the next thing to do. LATER: waits for the one before. BLOCKED: a rejection stands."""

    DONE = "done"
    NOW = "now"
    LATER = "later"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Gate:
    """One step of a week's path, with what it says of itself."""

    slug: str
    title: str
    state: GateState
    detail: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A sign-off slot and its signature, if any; `stale` when something it covers changed since."""

    off: SignOff
    signature: Signature | None
    stale: bool

    @property
    def good(self) -> bool:
        """Signed, approving, and still covering what is there."""
        return self.signature is not None and not self.stale and self.signature.decision == Decision.APPROVE


@dataclass(frozen=True, slots=True)
class Done:
    """Everything recorded for a week, each current one by its slug."""

    ticks: dict[str, Tick]
    baselines: dict[str, Baseline]
    deployments: Sequence[Deployment]
    issues: Sequence[Issue]
    signatures: dict[str, Signature]
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def comparison(self) -> Comparison | None:
        """The one that stands."""
        return self.comparisons[0] if self.comparisons else None

    @property
    def blockers(self) -> list[Issue]:
        """Issues that let nobody approve until they are closed."""
        return [issue for issue in self.issues if issue.blocker and issue.resolved_at is None]


@dataclass(frozen=True, slots=True)
class Progress:
    """A week of a rollout as it stands."""

    week: Week
    done: Done
    open: bool
    waits_for: str
    gates: tuple[Gate, ...]
    slots: tuple[Slot, ...]
    covers: str
    covered: dict[str, Any]

    @property
    def signed(self) -> bool:
        """Every slot signed, approving, not stale."""
        return bool(self.slots) and all(slot.good for slot in self.slots)

    @property
    def missing(self) -> str:
        """The next thing to do, in words; empty when the week is signed."""
        return next((g.detail for g in self.gates if g.state in {GateState.NOW, GateState.BLOCKED}), "")

    @property
    def ready_to_sign(self) -> bool:
        """All gates before the signatures are done."""
        return self.open and all(g.state is GateState.DONE for g in self.gates if g.slug != "signed")


def recorded(rollout: Rollout) -> dict[str, Done]:
    """What was done in each week: six queries for the whole rollout."""
    weeks = {week.slug: Done({}, {}, [], [], {}) for week in playbook_of(rollout).weeks}
    for tick in rollout.ticks.filter(undone_at=None).select_related("by", "read_by"):
        weeks[tick.week].ticks[tick.item] = tick
    # Samples of a day are megabytes; only a comparison reads them.
    for baseline in rollout.baselines.filter(superseded_at=None).select_related("by").defer("samples"):
        weeks[baseline.week].baselines[baseline.metric] = baseline
    for deployment in rollout.deployments.select_related("by").order_by("at"):
        weeks[deployment.week].deployments.append(deployment)  # type: ignore[attr-defined]
    for issue in rollout.issues.select_related("by", "resolved_by"):
        weeks[issue.week].issues.append(issue)  # type: ignore[attr-defined]
    for signature in rollout.signatures.filter(revoked_at=None).select_related("by"):
        weeks[signature.week].signatures[signature.slot] = signature
    for comparison in latest(rollout):
        weeks[comparison.week].comparisons.append(comparison)
    return weeks


def progress(rollout: Rollout) -> list[Progress]:
    """All weeks in their order; a week is open when the one before it is fully signed."""
    done = recorded(rollout)
    found: list[Progress] = []
    for week in playbook_of(rollout).weeks:
        before = found[-1] if found else None
        is_open = before is None or before.signed
        found.append(_week(rollout, week, done[week.slug], is_open, "" if is_open or not before else before.week.title))
    return found


def locked(rollout: Rollout, slug: str) -> Progress:
    """A week as it stands now, with nobody able to change the rollout until the caller's transaction ends."""
    Rollout.objects.select_for_update().get(pk=rollout.pk)
    return next(at for at in progress(rollout) if at.week.slug == slug)


def _week(rollout: Rollout, week: Week, done: Done, is_open: bool, waits_for: str) -> Progress:
    covering = covered(rollout, week, done)
    covers = digest_of(covering)
    slots = tuple(_slot(off, done.signatures.get(off.slug), covers) for off in week.sign_offs)
    return Progress(week, done, is_open, waits_for, tuple(_gates(week, done, slots, is_open)), slots, covers, covering)


def _slot(off: SignOff, signature: Signature | None, covers: str) -> Slot:
    return Slot(off, signature, signature is not None and signature.covers != covers)


def _gates(week: Week, done: Done, slots: Sequence[Slot], is_open: bool) -> list[Gate]:
    """The path: each gate with its own completeness; the first incomplete one is NOW, those behind it LATER."""
    steps: list[tuple[str, str, bool, str]] = []
    before, after = list(week.items(ItemGate.PREREQUISITE)), list(week.items(ItemGate.VALIDATION))
    if before:
        steps.append(("prerequisites", _("Prerequisites"), *_items(before, done)))
    if week.baseline:
        steps.append(("baseline", _("Baseline"), *_baseline(week.baseline, done)))
    if week.kind is WeekKind.BLOCK:
        steps.append(("deployed", _("Deployed"), *_deployed(done)))
    if after:
        steps.append(("validated", _("Validated"), *_items(after, done)))
    steps.append(("signed", _("Signed"), *_signed(slots, done)))
    gates, waiting = [], not is_open
    for slug, title, complete, detail in steps:
        state = GateState.DONE if complete else GateState.LATER if waiting else GateState.NOW
        if slug == "signed" and (done.blockers or _rejected(slots)):
            state = GateState.BLOCKED
        gates.append(Gate(slug, title, state, detail))
        waiting = waiting or not complete
    return gates


def _items(items: Sequence[Item], done: Done) -> tuple[bool, str]:
    ticked = sum(item.slug in done.ticks for item in items)
    return ticked == len(items), _("%(ticked)d of %(all)d") % {"ticked": ticked, "all": len(items)}


def _baseline(metrics: Sequence[BaselineMetric], done: Done) -> tuple[bool, str]:
    captured = [done.baselines[m.slug] for m in metrics if m.slug in done.baselines]
    if len(captured) < len(metrics):
        return False, _("%(captured)d of %(all)d captured") % {"captured": len(captured), "all": len(metrics)}
    return True, _("captured %(when)s") % {"when": f"{max(b.at for b in captured):%d %b %H:%M} UTC"}


def _deployed(done: Done) -> tuple[bool, str]:
    if not done.deployments:
        return False, _("not recorded yet")
    last = done.deployments[-1]
    return True, f"{last.at:%d %b %H:%M} UTC, {last.by}"


def _rejected(slots: Sequence[Slot]) -> list[str]:
    return [s.off.title for s in slots if s.signature and s.signature.decision == Decision.REJECT]


def _signed(slots: Sequence[Slot], done: Done) -> tuple[bool, str]:
    if rejected := _rejected(slots):
        return False, _("rejected by %(who)s") % {"who": ", ".join(rejected)}
    if blockers := done.blockers:
        return False, _("blocked by issue %(numbers)s") % {"numbers": ", ".join(f"#{issue.pk}" for issue in blockers)}
    good, stale = sum(s.good for s in slots), sum(s.stale for s in slots)
    text = _("%(good)d of %(all)d") % {"good": good, "all": len(slots)}
    if stale:
        text += " · " + ngettext("%(n)d stale", "%(n)d stale", stale) % {"n": stale}
    return good == len(slots), text
