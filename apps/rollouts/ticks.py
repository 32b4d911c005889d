"""Keeping a tick: frozen with its digest, entered in the ledger, and refused where another one stands or the week does not allow it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.ledger.leaf import canonical
from apps.playbook.plan import Gate as ItemGate
from apps.playbook.plan import Item, WeekKind
from apps.rollouts.attachments import Upload, keep_files
from apps.rollouts.models import Outcome, Rollout, Tick
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import taken_back


@dataclass(frozen=True, slots=True)
class Proof:
    """What settles an item: a value, a note, evidence of checks, and who else stands for it. `kept`: files that were kept before."""

    value: float | None = None
    note: str = ""
    evidence: list[dict[str, Any]] = field(default_factory=list)
    read_by: Person | None = None
    proposed_by: Person | None = None
    files: tuple[Upload, ...] = ()
    kept: tuple[dict[str, Any], ...] = ()

    @property
    def spoken(self) -> dict[str, Any]:
        """Note and files of a first half, for the ledger."""
        files = {"files": [upload.said for upload in self.files]} if self.files else {}
        return ({"note": self.note} if self.note else {}) | files

    def frozen(self, item: Item) -> dict[str, Any]:
        """What the digest of the tick covers and the ledger keeps."""
        found: dict[str, Any] = {
            "item": item.slug, "value": self.value, "note": self.note, "evidence": self.evidence,
        }  # fmt: skip
        if self.files or self.kept:
            found["files"] = [*self.kept, *(upload.said for upload in self.files)]
        others = {"read_by": self.read_by, "proposed_by": self.proposed_by}
        return found | {key: other.username for key, other in others.items() if other is not None}


def keep(rollout: Rollout, at: Progress, item: Item, by: Person, outcome: Outcome, proof: Proof) -> Tick:
    """
    Keep a tick and enter it in the ledger.

    Raises:
        Refused: the week is not open or is signed, its turn has not come, it changed meanwhile, or somebody else settled the item (409).
    """
    frozen = proof.frozen(item)
    digest = hashlib.sha256(canonical(frozen)).hexdigest()
    try:
        with transaction.atomic():
            lock(rollout, at, item)
            kept = Tick.objects.create(
                rollout=rollout,
                week=at.week.slug,
                item=item.slug,
                by=by,
                at=datetime.now(UTC),
                outcome=outcome,
                value=proof.value,
                note=proof.note,
                evidence=proof.evidence,
                files=[*proof.kept, *keep_files(rollout, proof.files)],
                digest=digest,
                read_by=proof.read_by,
                proposed_by=proof.proposed_by,
            )
            enter(rollout, at, item, "rollout.tick", by, {"outcome": outcome.value, "digest": digest, **frozen})
    except IntegrityError as error:
        other = Tick.objects.filter(rollout=rollout, week=at.week.slug, item=item.slug, undone_at=None).first()
        if other is None:
            raise Refused(
                _("Somebody ticked this and took it back at this moment. Reload and try again."), 409
            ) from error
        raise taken(other) from error
    return kept


def lock(rollout: Rollout, at: Progress, item: Item) -> Progress:
    """The week as it stands, which nobody else changes until the transaction ends, if the item may be settled by what `at` shows.

    Raises Refused where the week is signed, or is another one than was looked at: its definition, its baseline, what is deployed.
    """
    now = locked(rollout, at.week.slug)
    refuse_signed(now)
    if not _same(at, now, item):
        text = _(
            "The week changed at this moment: its definition, a baseline, or what is deployed. Nothing was ticked."
        )
        raise Refused(f"{text} {_('Reload and try again.')}", status=409)
    refuse_early(now, item)
    return now


def _same(at: Progress, now: Progress, item: Item) -> bool:
    there = next((one for one in now.week.items() if one.slug == item.slug), None)
    if there != item or now.week.pause_of(item.slug).gate != at.week.pause_of(item.slug).gate:
        return False
    against = item.expect.against if item.expect else ""
    return (
        at.done.baselines.get(against) == now.done.baselines.get(against)
        and at.done.deployments == now.done.deployments
    )


def drop_halves(rollout: Rollout, week: str, items: Iterable[str], by: Person) -> None:
    """What one person read out or proposed of these items waits for nobody any more: what it was about is not there now."""
    of, now = {"week": week, "item__in": list(items)}, datetime.now(UTC)
    rollout.readings.filter(used_at=None, **of).update(used_at=now)
    rollout.proposals.filter(settled_at=None, **of).update(agreed=False, settled_at=now, settled_by=by)


def refuse_signed(at: Progress) -> None:
    """Raises Refused in a week that is fully signed: what is done in it would silently make its signatures stale."""
    if at.complete:
        text = _("This week is signed, so its items stand as they are. A signer has to revoke first.")
        raise Refused(text, status=409)


def refuse_closed(at: Progress) -> None:
    """Raises Refused in a week that is not open."""
    if not at.open:
        text = _("This week is not open yet: %(week)s must be fully signed first.")
        raise Refused(text % {"week": at.waits_for}, status=409)


def refuse_early(at: Progress, item: Item) -> None:
    """Raises Refused in a week that is not open, before there is something to validate, and out of the order of a read-do pause point."""
    refuse_closed(at)
    validates = at.week.pause_of(item.slug).gate is ItemGate.VALIDATION and at.week.kind is WeekKind.BLOCK
    if validates and (not at.done.deployments or taken_back(at.done.deployments, at.done.rollbacks)):
        text = _("This validates what was deployed: record the deployment first. Nothing was ticked.")
        raise Refused(text, status=409)
    before = at.week.pause_of(item.slug).waits_for(item.slug, at.done.ticks)
    if before is not None:
        text = _("These items are settled in their order: first “%(before)s”. Nothing was ticked.")
        raise Refused(text % {"before": before.text}, status=409)


def taken(tick: Tick) -> Refused:
    """What the second of two people is told."""
    text = _("%(who)s ticked this at %(when)s UTC. Your tick was not needed and changed nothing.")
    return Refused(text % {"who": tick.by, "when": f"{tick.at:%H:%M:%S}"}, status=409)


def enter(rollout: Rollout, at: Progress, item: Item, kind: str, by: Person, body: dict[str, Any]) -> None:
    """The ledger's entry of something done to an item, in the caller's transaction."""
    append(
        kind=kind,
        subject=f"rollout/{rollout.pk}/{at.week.slug}/{item.slug}",
        actor=by.username,
        body={"rollout": rollout.name, "week": at.week.title, "text": item.text, **body},
        tier=rollout.tier.slug,
    )
