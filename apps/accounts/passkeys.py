"""Passkeys as this portal uses them: what a person enrolled with allauth, and assertions over bytes of ours with fido2.

allauth's own flow offers no challenge of one's own, and its WebAuthn parts are internal: nothing else in the portal touches them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import structlog
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.utils.translation import gettext as _
from fido2 import cbor
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)

from apps.accounts.assertion import ALGORITHMS, Assertion, AssertionInvalid, to_text, verify_assertion
from apps.accounts.models import Person

log = structlog.get_logger(__name__)
_COUNTER = "sign_count"  # in allauth's JSON of an authenticator: the highest count that a signature showed


class PasskeyRefused(Exception):
    """The passkey's answer proves nothing, and nothing was changed; `message` is for the person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Site:
    """Whom passkeys are for: the name that they are bound to, and the one address they may answer to."""

    rp_id: str
    origin: str


def site() -> Site:
    """The portal's, as `OPSPORTAL_ORIGIN` says; never what a request claims."""
    parts = urlsplit(settings.ORIGIN)
    return Site(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")


def has_passkey(person: Person) -> bool:
    """Whether a person enrolled one that signatures can be made with."""
    return bool(_credentials(person))


def options(person: Person, signed: bytes) -> dict[str, Any]:
    """What the browser is asked: an assertion over the SHA-256 of `signed`, by one of the person's passkeys, the person verified."""
    asked, _state = _begin(_credentials(person), signed)
    return asked


def assertion_over(person: Person, signed: bytes, answer: str) -> Assertion:
    """
    The assertion in a browser's answer, verified, its passkey's counter moved on. Call it in the transaction that uses it.

    Args:
        signed: the bytes whose digest was the challenge.
        answer: the credential as JSON, as `navigator.credentials.get` gave it.

    Raises:
        PasskeyRefused: it is no answer, of a passkey that is not this person's, over other bytes, for another site, without the person
            being verified, or the passkey's counter went back.
    """
    found = _credentials(person, lock=True)
    response, given = _parsed(answer)
    which = {data.credential_id: authenticator for authenticator, data in found.items()}
    authenticator = which.get(response.raw_id)
    if authenticator is None:
        raise PasskeyRefused(_("This passkey is not one of yours, or it was removed. Nothing was signed."))
    parts = response.response
    here, credential = site(), found[authenticator]
    made = Assertion(
        here.rp_id,
        here.origin,
        response.raw_id,
        cbor.encode(credential.public_key),
        bytes(parts.authenticator_data),
        bytes(parts.client_data),
        parts.signature,
    )
    _asked, state = _begin(found, signed)
    try:
        verify_assertion(made, signed)
        _server().authenticate_complete(state, list(found.values()), given)
    except (AssertionInvalid, ValueError) as error:
        told = _("The passkey's answer was refused: %(why)s. Nothing was signed.") % {"why": error}
        raise PasskeyRefused(told) from error
    _count(authenticator, made)
    return made


def enrolled(authenticator: Authenticator) -> dict[str, str]:
    """Credential id and public key (COSE) of an enrolled passkey, as the ledger keeps them; empty for anything else."""
    data = _data(authenticator) if authenticator.type == Authenticator.Type.WEBAUTHN else None
    if data is None:
        return {}
    return {"credential_id": to_text(data.credential_id), "public_key": to_text(cbor.encode(data.public_key))}


def _credentials(person: Person, *, lock: bool = False) -> dict[Authenticator, AttestedCredentialData]:
    rows = Authenticator.objects.filter(user_id=person.pk, type=Authenticator.Type.WEBAUTHN).order_by("pk")
    known = ((row, _data(row)) for row in (rows.select_for_update() if lock else rows))
    return {row: data for row, data in known if data is not None and data.public_key.get(3) in ALGORITHMS}


def _data(authenticator: Authenticator) -> AttestedCredentialData | None:
    return _enrolment(authenticator).credential_data


def _enrolment(authenticator: Authenticator) -> AuthenticatorData:
    """What the authenticator said when it was enrolled."""
    found: AuthenticatorData = authenticator.wrap().authenticator_data  # type: ignore[no-untyped-call]
    return found


def _server() -> Fido2Server:
    here = site()
    rp = PublicKeyCredentialRpEntity(id=here.rp_id, name="opsportal")
    return Fido2Server(rp, verify_origin=lambda origin: origin == here.origin)


def _begin(known: Mapping[Authenticator, AttestedCredentialData], signed: bytes) -> tuple[dict[str, Any], Any]:
    asked, state = _server().authenticate_begin(
        list(known.values()), challenge=sha256(signed).digest(), user_verification=UserVerificationRequirement.REQUIRED
    )
    return dict(asked), state


def _parsed(answer: str) -> tuple[AuthenticationResponse, dict[str, Any]]:
    try:
        given = dict(json.loads(answer))
        return AuthenticationResponse.from_dict(given), given
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PasskeyRefused(_("This is no answer of a passkey. Nothing was signed; try again.")) from error


def _count(authenticator: Authenticator, made: Assertion) -> None:
    """An authenticator that counts never counts back: one that does was copied."""
    last = int(authenticator.data.get(_COUNTER) or _enrolment(authenticator).counter)
    if (made.sign_count or last) and made.sign_count <= last:
        log.warning("passkey_counter_went_back", person=authenticator.user_id, last=last, now=made.sign_count)
        text = _(
            "Refused: this passkey's counter went back (%(now)d after %(last)d), which happens when a key was copied. "
            "Nothing was signed. Remove this passkey from your profile and tell whoever runs this portal."
        )
        raise PasskeyRefused(text % {"now": made.sign_count, "last": last})
    authenticator.data[_COUNTER] = made.sign_count
    authenticator.save(update_fields=["data"])
    authenticator.record_usage()
