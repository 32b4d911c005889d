"""Waiving the separation of duties on one rollout: what a small team may do, signed, with a reason, and shown wherever it signs."""

from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.policy import Permission, permitted
from apps.ledger.chain import append
from apps.rollouts.ceremony import Proof, as_body, draw, use
from apps.rollouts.models import Act, Draft, Rollout, Waiver
from apps.rollouts.refusals import Refused
from apps.rollouts.signing import LEAST


def propose_waiver(rollout: Rollout, why: str, by: Person) -> Draft:
    """Draw up the waiver. Raises Refused when there is one already, or no reason."""
    if rollout.waiver is not None:
        raise Refused(_("The separation of duties is waived already; nothing was changed."), status=409)
    return _draw(rollout, Act.WAIVE, {"format": "opsportal-waiver/1"}, why, by)


def propose_end(rollout: Rollout, why: str, by: Person) -> Draft:
    """Draw up the end of the waiver. Raises Refused when there is none, or no reason."""
    if rollout.waiver is None:
        raise Refused(_("The separation of duties is not waived; nothing was changed."), status=409)
    return _draw(rollout, Act.RESTORE, {"format": "opsportal-waiver-end/1", "waiver": rollout.waiver.digest}, why, by)


def _draw(rollout: Rollout, act: Act, said: dict[str, object], why: str, by: Person) -> Draft:
    if len(why.strip()) < LEAST:
        raise Refused(_("Say in at least ten characters why."))
    about = {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug}
    return draw(rollout, act, by, said | {"rollout": about, "why": why})


def waive(draft: Draft, proof: Proof) -> Waiver:
    """Put the waiver in force. Raises Refused when there is one already."""
    try:
        with transaction.atomic():
            _refuse_without_role(draft)
            kept = use(draft, proof)
            made = Waiver.objects.create(
                rollout=draft.rollout, by=draft.by, at=datetime.now(UTC), why=draft.said["why"], **kept
            )
            _enter("rollout.waive", draft, kept)
    except IntegrityError as error:
        raise Refused(_("The separation of duties was waived a moment ago; nothing was changed."), 409) from error
    return made


def restore(draft: Draft, proof: Proof) -> None:
    """End the waiver that the draft names; signatures made under it stand. Raises Refused when it ended already."""
    with transaction.atomic():
        _refuse_without_role(draft)
        kept = use(draft, proof)
        found = Waiver.objects.filter(rollout=draft.rollout, digest=draft.said["waiver"], ended_at=None)
        if not found.update(ended_at=datetime.now(UTC), ended_by=draft.by):
            raise Refused(_("This waiver ended already; nothing was changed."), status=409)
        _enter("rollout.restore", draft, kept)


def _refuse_without_role(draft: Draft) -> None:
    """The role may be gone since the statement was drawn up."""
    if not permitted(draft.by, Permission.WAIVE, draft.rollout.tier.slug):
        raise Refused(_("Your role no longer lets you decide this. Nothing was signed."), status=403)


def _enter(kind: str, draft: Draft, kept: dict[str, object]) -> None:
    append(
        kind=kind,
        subject=f"rollout/{draft.rollout_id}",
        actor=draft.by.username,
        body={"rollout": draft.rollout.name, "why": draft.said["why"], **as_body(kept)},
        tier=draft.rollout.tier.slug,
    )
