"""The signing ceremony: exact bytes are drawn up for one person, shown to them, and signed once within five minutes, or never.

Whoever enrolled a passkey signs with it; the password is for those who have none, where the settings and the slot allow it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from apps.accounts.factors import has_codes
from apps.accounts.models import Person
from apps.accounts.passkeys import assertion_over, has_passkey
from apps.accounts.recent import confirmed, require_password
from apps.accounts.request import PersonRequest
from apps.playbook.plan import SignOff, Strength
from apps.rollouts.models import Act, Draft, Method, Rollout
from apps.rollouts.refusals import Refused
from apps.rollouts.statement import Signer, exact

VALID_FOR = timedelta(minutes=5)
KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Proof:
    """That a person was recognised for one draft: how, and the assertion's parts where it was a passkey. Only `prove` makes one."""

    draft: int
    method: Method
    passkey: dict[str, Any] | None


def method_for(person: Person, off: SignOff | None = None) -> Method | None:
    """How this person signs (this slot); None when they have nothing that suffices."""
    if has_passkey(person):
        return Method.PASSKEY
    needs_passkey = "password" not in settings.SIGN_WITH or (off is not None and off.strength is Strength.PASSKEY)
    if needs_passkey or not person.has_usable_password():
        return None
    return Method.CODE if has_codes(person) else Method.PASSWORD


def needs_passkey() -> str:
    """What to tell somebody for whom `method_for` found nothing."""
    return _("Needs a passkey: add one under Your profile, Second factor.")


def draw(
    rollout: Rollout, act: Act, by: Person, said: dict[str, Any], *, off: SignOff | None = None, **where: str
) -> Draft:
    """
    Draw up a statement with its signer, time and nonce. `where`: week, slot, covers, as far as they apply.

    Raises:
        Refused: the person has nothing to sign with that suffices.
    """
    method, now = method_for(by, off), datetime.now(UTC)
    if method is None:
        raise Refused(needs_passkey(), status=403)
    Draft.objects.filter(by=by, at__lt=now - KEPT_FOR).delete()
    data = exact(said | Signer(by.username, str(by), method.value).envelope(now))
    return Draft.objects.create(rollout=rollout, act=act, by=by, at=now, statement=data, **where)


def the_draft(rollout: int, pk: int, person: Person) -> Draft:
    """One's own draft that can still be signed. Raises Http404 for anybody else's, Refused (409) when it was used or is too old."""
    draft = Draft.objects.select_related("rollout__tier", "rollout__pin", "by").filter(pk=pk, rollout=rollout).first()
    if draft is None or draft.by_id != person.pk:
        raise Http404
    if draft.used_at is not None:
        raise Refused(_("This statement was signed already; a statement is signed once."), status=409)
    if datetime.now(UTC) - draft.at > VALID_FOR:
        raise Refused(_("This statement is older than five minutes. Nothing was signed; read it anew."), status=409)
    return draft


def prove(request: PersonRequest, draft: Draft, *, answer: str = "", password: str = "", code: str = "") -> Proof:
    """
    Recognise the signer of a draft, as the draft says it: by passkey over exactly its bytes, or by password and one-time code.

    Raises:
        PasskeyRefused: the passkey's answer does not hold.
        NotConfirmed: password or code is wrong, or too many were.
    """
    method = Method(draft.said["method"])
    if method is not Method.PASSKEY:
        require_password(request, password, code)
        return Proof(draft.pk, method, None)
    with transaction.atomic():
        made = assertion_over(request.user, bytes(draft.statement), answer)
    confirmed(request)
    return Proof(draft.pk, method, made.as_body())


def use(draft: Draft, proof: Proof) -> dict[str, Any]:
    """Mark a draft as signed, in the transaction of what it does; what the record of it keeps. Raises Refused the second time."""
    assert proof.draft == draft.pk
    if not Draft.objects.filter(pk=draft.pk, used_at=None).update(used_at=datetime.now(UTC)):
        raise Refused(_("This statement was signed already; a statement is signed once."), status=409)
    return {
        "statement": bytes(draft.statement),
        "digest": draft.digest,
        "method": proof.method,
        "passkey": proof.passkey,
    }


def as_body(kept: dict[str, Any]) -> dict[str, Any]:
    """The same for the ledger: the statement as text, the proof, and in words how the signer was recognised."""
    words = str(Method(kept["method"]).label)
    return kept | {"statement": kept["statement"].decode(), "method": str(kept["method"]), "attested": words}
