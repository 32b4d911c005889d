"""Signing a slot and revoking a signature. The password is confirmed by the caller, before anything here runs."""

import hashlib
from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.roles import roles_of
from apps.ledger.chain import append
from apps.playbook.plan import SignOff
from apps.rollouts.models import Decision, Rollout, Signature
from apps.rollouts.progress import Progress, Slot, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.statement import Vote, exact, statement


def hindrance(rollout: Rollout, at: Progress, slot: Slot, person: Person) -> str:
    """Why this person cannot sign this slot now, in words; empty when nothing is in the way."""
    off = slot.off
    if not at.open:
        return _("Opens when %(week)s is signed.") % {"week": at.waits_for}
    if not at.ready_to_sign:
        return _("First: %(what)s.") % {"what": _first_missing(at)}
    if taken := _taken(slot, person):
        return taken
    held = roles_of(person, rollout.tier.slug)
    if not held & set(off.roles):
        wanted = ", ".join(str(role.label) for role in off.roles)
        return _("Needs the role %(roles)s.") % {"roles": wanted}
    mine = [s.off.title for s in at.slots if s is not slot and s.signature and s.signature.by_id == person.pk]
    if mine:
        return _("You signed as %(slot)s; each slot needs another person.") % {"slot": mine[0]}
    if not off.executed and any(d.by_id == person.pk for d in at.done.deployments):
        return _("You executed the deployment; somebody else has to sign this slot.")
    return ""


def _taken(slot: Slot, person: Person) -> str:
    """A signature that stands keeps the slot; a rejection keeps it for its signer even when it is stale."""
    found = slot.signature
    if found is None:
        return ""
    if found.decision == Decision.REJECT and found.by_id != person.pk:
        return _("%(who)s rejected; only they can take it back.") % {"who": found.by}
    return "" if slot.stale else _("%(who)s signed this slot.") % {"who": found.by}


def _first_missing(at: Progress) -> str:
    gate = next(g for g in at.gates if g.slug != "signed" and g.state != "done")
    return f"{gate.title.lower()}, {gate.detail}"


def sign(rollout: Rollout, at: Progress, slot: Slot, by: Person, *, decision: str, reason: str, seen: str) -> Signature:
    """
    Sign a slot with an approval or a rejection.

    `seen`: the digest of the statement the person was shown; when the week changed meanwhile it no longer fits.

    Raises:
        Refused: something is in the way (see `hindrance`), the week changed while it was read, a rejection gives no reason, or the
            slot was signed by somebody else a moment ago.
    """
    if why := hindrance(rollout, at, slot, by):
        raise Refused(why, status=409 if slot.signature else 403)
    if seen != at.covers:
        raise Refused(
            _("The week changed while you were reading. Nothing was signed; read the new statement."), status=409
        )
    if decision == Decision.REJECT and len(reason.strip()) < 10:
        raise Refused(_("Say in at least ten characters why you reject."))
    now, role = datetime.now(UTC), _role(rollout, slot.off, by)
    said = statement(rollout, at.week, at.done, slot.off, Vote(by.username, role, now, str(decision), reason))
    data, retired = exact(said), slot.signature
    try:
        with transaction.atomic():
            if locked(rollout, at.week.slug).covers != seen:
                raise Refused(
                    _("The week changed while you were signing. Nothing was signed; read it again."), status=409
                )
            if retired is not None:
                _retire(retired, by, _("Signed anew after a change."), now)
            made = Signature.objects.create(
                rollout=rollout,
                week=at.week.slug,
                slot=slot.off.slug,
                by=by,
                at=now,
                role=role,
                meaning=slot.off.meaning,
                decision=decision,
                reason=reason,
                statement=data,
                digest=hashlib.sha256(data).hexdigest(),
                covers=at.covers,
            )
            _enter(at, slot, made, retired)
    except IntegrityError as error:
        text = _(
            "This slot was signed a moment ago, or you signed another one. Your signature changed nothing; reload."
        )
        raise Refused(text, status=409) from error
    return made


def _enter(at: Progress, slot: Slot, made: Signature, retired: Signature | None) -> None:
    """The ledger's entry of a signature, with the exact statement and the signature it replaces."""
    append(
        kind="rollout.sign",
        subject=f"rollout/{made.rollout.pk}/{made.week}/{made.slot}",
        actor=made.by.username,
        body={
            "rollout": made.rollout.name,
            "week": at.week.title,
            "slot": slot.off.title,
            "meaning": made.meaning,
            "decision": str(made.decision),
            "reason": made.reason,
            "method": made.method,
            "digest": made.digest,
            "statement": bytes(made.statement).decode(),
            "replaces": {"signer": retired.by.username, "digest": retired.digest} if retired else None,
        },
        tier=made.rollout.tier.slug,
    )


def revoke(rollout: Rollout, at: Progress, signature: Signature, why: str, by: Person) -> None:
    """Take one's own signature back, with a reason; the weeks after it close until it is signed again. Raises Refused."""
    if signature.by_id != by.pk:
        raise Refused(_("Only %(who)s can revoke this signature.") % {"who": signature.by}, status=403)
    if len(why.strip()) < 10:
        raise Refused(_("Say in at least ten characters why you revoke your signature."))
    with transaction.atomic():
        _retire(signature, by, why, datetime.now(UTC))
        append(
            kind="rollout.revoke",
            subject=f"rollout/{rollout.pk}/{at.week.slug}/{signature.slot}",
            actor=by.username,
            body={
                "rollout": rollout.name,
                "week": at.week.title,
                "slot": signature.slot,
                "why": why,
                "digest": signature.digest,
            },
            tier=rollout.tier.slug,
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
