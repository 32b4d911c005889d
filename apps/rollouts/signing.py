"""Signing a slot and revoking a signature: first a draft of exact bytes (`ceremony`), then, with its proof, the act itself."""

from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.roles import roles_of
from apps.ledger.chain import append
from apps.playbook.plan import SignOff
from apps.rollouts.ceremony import Proof, as_body, draw, method_for, needs_passkey, use
from apps.rollouts.gates import GateState
from apps.rollouts.models import Act, Decision, Draft, Revocation, Rollout, Signature
from apps.rollouts.progress import Progress, Slot, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.statement import Vote, statement

LEAST = 10  # characters of a reason


def hindrance(rollout: Rollout, at: Progress, slot: Slot, person: Person) -> str:
    """Why this person decides nothing in this slot now, in words; empty when nothing is in the way of a rejection.

    An approval waits besides for what `held_up` says.
    """
    off = slot.off
    if not at.open:
        return _("Opens when every week before it is signed; %(week)s is not yet.") % {"week": at.waits_for}
    if taken := _taken(slot, person):
        return taken
    if not roles_of(person, rollout.tier.slug) & set(off.roles):
        wanted = ", ".join(str(role.label) for role in off.roles)
        return _("Needs the role %(roles)s.") % {"roles": wanted}
    if (mixed := separation(at, slot, person)) and rollout.waiver is None:
        return mixed
    return "" if method_for(person, off) else needs_passkey()


def separation(at: Progress, slot: Slot, person: Person) -> str:
    """How signing this slot would mix duties that are kept apart; empty when it would not. Only a waiver lets it pass."""
    mine = [s.off.title for s in at.slots if s is not slot and s.signature and s.signature.by_id == person.pk]
    if mine:
        return _("You signed as %(slot)s; each slot needs another person.") % {"slot": mine[0]}
    if not slot.off.executed and any(d.by_id == person.pk for d in at.done.deployments):
        return _("You executed the deployment; somebody else has to sign this slot.")
    return ""


def held_up(at: Progress) -> str:
    """Why nobody approves this week yet, in words; empty when every gate before the signatures is passed and no blocker is open."""
    gate = next((g for g in at.gates if g.slug != "signed" and g.state is not GateState.DONE), None)
    if gate is not None:
        return _("First: %(gate)s, %(detail)s.") % {"gate": gate.title.lower(), "detail": gate.detail}
    if blockers := at.done.blockers:
        which = ", ".join(f"#{issue.pk} “{issue.text}”" for issue in blockers)
        return _("The blocker %(issues)s is open: close it with what was done.") % {"issues": which}
    return ""


def _taken(slot: Slot, person: Person) -> str:
    """A signature that stands keeps the slot; a rejection keeps it for its signer even when it is stale."""
    found = slot.signature
    if found is None:
        return ""
    if found.decision == Decision.REJECT and found.by_id != person.pk:
        return _("%(who)s rejected; only they can take it back.") % {"who": found.by}
    return "" if slot.stale else _("%(who)s signed this slot.") % {"who": found.by}


def propose(rollout: Rollout, at: Progress, slot: Slot, by: Person, vote: tuple[str, str]) -> Draft:
    """
    Draw up the statement of an approval or a rejection. `vote`: the decision and its reason.

    Raises:
        Refused: something is in the way (see `hindrance`), an approval is held up (409), or a rejection gives no reason.
    """
    decision, reason = vote
    if why := hindrance(rollout, at, slot, by):
        raise Refused(why, status=409 if slot.signature else 403)
    _refuse_held_up(at, decision)
    if decision == Decision.REJECT and len(reason.strip()) < LEAST:
        raise Refused(_("Say in at least ten characters why you reject."))
    said = statement(rollout, at, slot.off, Vote(_role(rollout, slot.off, by), str(decision), reason))
    return draw(rollout, Act.SIGN, by, said, off=slot.off, week=at.week.slug, slot=slot.off.slug, covers=at.covers)


def sign(draft: Draft, proof: Proof) -> Signature:
    """
    Put the signature that was drawn up into its slot, if everything is still as the statement says.

    Raises:
        Refused: something came into the way meanwhile, the week or the waiver changed, the draft was used, or the slot was signed by
            somebody else a moment ago.
    """
    rollout = Rollout.objects.select_related("tier", "pin").get(pk=draft.rollout_id)
    try:
        with transaction.atomic():
            at = locked(rollout, draft.week)
            slot = next((s for s in at.slots if s.off.slug == draft.slot), None)
            if slot is None:
                raise Refused(_("The week has no such slot any more. Nothing was signed."), status=409)
            _refuse_changed(rollout, at, slot, draft)
            kept, now = use(draft, proof), datetime.now(UTC)
            if (retired := slot.signature) is not None:
                _retire(retired, draft.by, _("Signed anew after a change."), now)
            said = draft.said
            made = Signature.objects.create(
                rollout=rollout, week=draft.week, slot=draft.slot, by=draft.by, at=now,
                role=said["role"], meaning=said["meaning"], decision=said["decision"], reason=said["reason"],
                covers=draft.covers, waived=bool(separation(at, slot, draft.by)), **kept,
            )  # fmt: skip
            replaced = {"signer": retired.by.username, "digest": retired.digest} if retired else None
            told = {key: said[key] for key in ("meaning", "decision", "reason")}
            _enter("rollout.sign", draft, at, told | {"slot": slot.off.title, "replaces": replaced} | as_body(kept))
    except IntegrityError as error:
        text = _(
            "This slot was signed a moment ago, or you signed another one. Your signature changed nothing; reload."
        )
        raise Refused(text, status=409) from error
    return made


def _refuse_held_up(at: Progress, decision: str) -> None:
    """Only a rejection is heard at any time."""
    if decision == Decision.APPROVE and (why := held_up(at)):
        raise Refused(_("Nothing was approved. %(why)s You can reject the week.") % {"why": why}, status=409)


def _refuse_changed(rollout: Rollout, at: Progress, slot: Slot, draft: Draft) -> None:
    if why := hindrance(rollout, at, slot, draft.by):
        raise Refused(_("Nothing was signed. %(why)s") % {"why": why}, status=409 if slot.signature else 403)
    said, waiver = draft.said, rollout.waiver
    _refuse_held_up(at, said["decision"])  # an override may have expired while this was read
    role_kept = said["role"] in {role.value for role in roles_of(draft.by, rollout.tier.slug)}
    same_waiver = (said["waiver"] or {}).get("digest") == (waiver.digest if waiver else None)
    if at.covers != draft.covers or not role_kept or not same_waiver:
        text = _("The week changed while you were reading. Nothing was signed; read the new statement.")
        raise Refused(text, status=409)


def propose_revocation(rollout: Rollout, at: Progress, signature: Signature, why: str, by: Person) -> Draft:
    """Draw up the statement that takes one's own signature back. Raises Refused."""
    if signature.by_id != by.pk:
        raise Refused(_("Only %(who)s can revoke this signature.") % {"who": signature.by}, status=403)
    if len(why.strip()) < LEAST:
        raise Refused(_("Say in at least ten characters why you revoke your signature."))
    off = next(s.off for s in at.slots if s.off.slug == signature.slot)
    said = {
        "format": "opsportal-revocation/1",
        "rollout": {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug},
        "week": at.week.slug,
        "week_title": at.week.title,
        "slot": off.slug,
        "slot_title": off.title,
        "signature": signature.digest,
        "why": why,
    }
    return draw(rollout, Act.REVOKE, by, said, off=off, week=at.week.slug, slot=off.slug)


def revoke(draft: Draft, proof: Proof) -> Revocation:
    """Take the signature back that the draft names; the weeks after it close until it is signed again. Raises Refused."""
    rollout, said, now = draft.rollout, draft.said, datetime.now(UTC)
    with transaction.atomic():
        at = locked(rollout, draft.week)
        signature = Signature.objects.filter(
            rollout=rollout, week=draft.week, slot=draft.slot, by=draft.by, digest=said["signature"], revoked_at=None
        ).first()
        if signature is None:
            raise Refused(_("This signature was revoked already; nothing was changed."), status=409)
        kept = use(draft, proof)
        _retire(signature, draft.by, said["why"], now)
        made = Revocation.objects.create(
            rollout=rollout, week=draft.week, by=draft.by, at=now, signature=signature, why=said["why"], **kept
        )
        told = {"slot": said["slot_title"], "why": said["why"], "revoked": signature.digest}
        _enter("rollout.revoke", draft, at, told | as_body(kept))
    return made


def _enter(kind: str, draft: Draft, at: Progress, body: dict[str, object]) -> None:
    """The ledger's entry of an act, with the exact statement and its proof."""
    append(
        kind=kind,
        subject=f"rollout/{draft.rollout_id}/{draft.week}/{draft.slot}",
        actor=draft.by.username,
        body={"rollout": draft.rollout.name, "week": at.week.title, **body},
        tier=draft.rollout.tier.slug,
    )


def _retire(signature: Signature, by: Person, why: str, now: datetime) -> None:
    changed = Signature.objects.filter(pk=signature.pk, revoked_at=None).update(
        revoked_at=now, revoked_by=by, revoked_why=why
    )
    if not changed:
        raise Refused(_("This signature was revoked already; nothing was changed."), status=409)


def _role(rollout: Rollout, off: SignOff, by: Person) -> str:
    held = roles_of(by, rollout.tier.slug)
    return next(role.value for role in off.roles if role in held)
