"""Where a week stands, derived from what was done: its gates, what is missing, and who can supply it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from apps.playbook.plan import SignOff, Week, WeekKind
from apps.rollouts.comparisons import latest
from apps.rollouts.gates import Gate, GateState, path
from apps.rollouts.models import (
    Amendment,
    Baseline,
    Comparison,
    Decision,
    Deployment,
    Issue,
    Override,
    Pin,
    RollbackRun,
    Rollout,
    Signature,
    Tick,
    Watch,
)
from apps.rollouts.pins import InForce, in_force
from apps.rollouts.rollback import taken_back
from apps.rollouts.statement import covered, digest_of


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
    """Everything recorded for a week, each current one by its slug; `pin`: what the week follows, `amendments`: how it came to it."""

    pin: Pin
    ticks: dict[str, Tick]
    baselines: dict[str, Baseline]
    deployments: Sequence[Deployment]
    issues: Sequence[Issue]
    signatures: dict[str, Signature]
    comparisons: list[Comparison] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    rollbacks: list[RollbackRun] = field(default_factory=list)
    amendments: Sequence[Amendment] = ()

    @property
    def comparison(self) -> Comparison | None:
        """The one that stands."""
        return self.comparisons[0] if self.comparisons else None

    @property
    def blockers(self) -> list[Issue]:
        """Issues that let nobody approve until they are closed."""
        return [issue for issue in self.issues if issue.blocker and issue.resolved_at is None]

    @property
    def watch(self) -> Watch | None:
        """The one that counts: the latest."""
        return self.watches[-1] if self.watches else None


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
    def complete(self) -> bool:
        """Every slot signed, approving, not stale."""
        return bool(self.slots) and all(slot.good for slot in self.slots)

    @property
    def signed(self) -> bool:
        """Complete, all weeks before it too, and what it deployed is not being taken back."""
        return self.open and self.complete and taken_back(self.done.deployments, self.done.rollbacks) is None

    @property
    def next_steps(self) -> str:
        """What has to be done next, in one sentence; empty when the week is signed or not open."""
        asked = [g for g in self.gates if g.state in {GateState.NOW, GateState.BLOCKED}] if self.open else []
        steps = [_("%(ask)s (%(detail)s)") % {"ask": gate.ask, "detail": gate.detail} for gate in asked]
        return _("Next: %(steps)s.") % {"steps": _("; then ").join(steps)} if steps else ""

    @property
    def ready_to_sign(self) -> bool:
        """All gates before the signatures are done."""
        return self.open and all(g.state is GateState.DONE for g in self.gates if g.slug != "signed")


def recorded(rollout: Rollout, force: InForce) -> dict[str, Done]:
    """What was done in each of the weeks: nine queries for the whole rollout."""
    weeks = {
        week.slug: Done(force.pin_of(week.slug), {}, {}, [], [], {}, amendments=force.amendments.get(week.slug, ()))
        for week in force.playbook.weeks
    }
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
    for watch in rollout.watches.select_related("by", "aborted_by"):
        weeks[watch.week].watches.append(watch)
    for override in rollout.overrides.select_related("by", "confirmed_by", "ended_by"):
        weeks[override.week].overrides.append(override)
    for run in rollout.rollbackruns.select_related("by", "ended_by"):
        weeks[run.week].rollbacks.append(run)
    return weeks


def progress(rollout: Rollout) -> list[Progress]:
    """All weeks in their order; a week is open when all before it are fully signed."""
    force = in_force(rollout)
    done = recorded(rollout, force)
    found: list[Progress] = []
    for week in force.playbook.weeks:
        before = found[-1] if found else None
        is_open = before is None or before.signed
        waits_for = "" if is_open or not before else before.waits_for or before.week.title
        whole = {at.week.slug: at.covers for at in found} if week.kind is WeekKind.FINAL else {}
        found.append(_week(rollout, week, done[week.slug], is_open, waits_for, whole))
    return found


def locked(rollout: Rollout, slug: str) -> Progress:
    """A week as it stands now, with nobody able to change the rollout until the caller's transaction ends."""
    Rollout.objects.select_for_update().get(pk=rollout.pk)
    return next(at for at in progress(rollout) if at.week.slug == slug)


def _week(
    rollout: Rollout, week: Week, done: Done, is_open: bool, waits_for: str, whole: Mapping[str, str]
) -> Progress:
    """`whole`: what the signatures of the weeks before cover, by slug, where this week's accept all of them."""
    covering = covered(rollout, week, done) | ({"weeks": dict(whole)} if whole else {})
    covers = digest_of(covering)
    slots = tuple(_slot(off, done.signatures.get(off.slug), covers) for off in week.sign_offs)
    return Progress(week, done, is_open, waits_for, path(week, done, slots, is_open=is_open), slots, covers, covering)


def _slot(off: SignOff, signature: Signature | None, covers: str) -> Slot:
    return Slot(off, signature, signature is not None and signature.covers != covers)
