"""Keeping a tick: frozen with its digest, entered in the ledger, and refused where another one stands or the week does not allow it."""

import hashlib
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
    """What settles an item: a value, a note, evidence of checks, and who else stands for it."""

    value: float | None = None
    note: str = ""
    evidence: list[dict[str, Any]] = field(default_factory=list)
    read_by: Person | None = None
    proposed_by: Person | None = None
    files: tuple[Upload, ...] = ()

    def frozen(self, item: Item) -> dict[str, Any]:
        """What the digest of the tick covers and the ledger keeps."""
        found: dict[str, Any] = {
            "item": item.slug, "value": self.value, "note": self.note, "evidence": self.evidence,
        }  # fmt: skip
        if self.files:
            found["files"] = [upload.said for upload in self.files]
        others = {"read_by": self.read_by, "proposed_by": self.proposed_by}
        return found | {key: other.username for key, other in others.items() if other is not None}


def keep(rollout: Rollout, at: Progress, item: Item, by: Person, outcome: Outcome, proof: Proof) -> Tick:
    """
    Keep a tick and enter it in the ledger.

    Raises:
        Refused: the week is not open, its turn has not come, or somebody else settled the item (409).
    """
    frozen = proof.frozen(item)
    digest = hashlib.sha256(canonical(frozen)).hexdigest()
    try:
        with transaction.atomic():
            refuse_early(locked(rollout, at.week.slug), item)
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
                files=keep_files(rollout, proof.files),
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
