"""Second factors: what a person enrolled, one-time codes, and the ledger's entries of both.

Imported by `AccountsConfig.ready`: the receivers connect when this module is loaded. The addresses at which factors change are in
`factor_urls`, each in one transaction with its entry.
"""

import hmac
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from apps.accounts.models import Person
from apps.accounts.passkeys import enrolled
from apps.ledger.chain import append

_COUNTER = "confirmed_at_counter"  # in allauth's JSON of an authenticator: the time step of the last code that confirmed something
_NAMES = {"totp": "authenticator app", "webauthn": "passkey"}  # recovery codes come and go with them, and sign nothing


def named(person: Person) -> list[str]:
    """What a person enrolled, by name; recovery codes are none of it."""
    found = Authenticator.objects.filter(user_id=person.pk, type__in=_NAMES).order_by("pk")
    return [f"{_NAMES[one.type]} {one}" for one in found]


def has_codes(person: Person) -> bool:
    """Whether a person enrolled an app that makes one-time codes."""
    return Authenticator.objects.filter(user_id=person.pk, type=Authenticator.Type.TOTP).exists()


def use_code(person: Person, code: str) -> bool:
    """Whether this is the person's one-time code of now (one step of 30 s to either side) and was not used before.

    What was used is remembered in PostgreSQL: allauth's own memory of it is in Redis, which signing must not depend on.
    """
    typed = "".join(code.split())
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(user_id=person.pk, type=Authenticator.Type.TOTP).first()
        if row is None or not typed.isascii():
            return False
        secret, last = decrypt(row.data["secret"]), int(row.data.get(_COUNTER, 0))
        for step in yield_hotp_counters_from_time():
            if step > last and hmac.compare_digest(typed, format_hotp_value(hotp_value(secret, step))):
                row.data[_COUNTER] = step
                row.save(update_fields=["data"])
                return True
    return False


@receiver(post_save, sender=Authenticator)  # allauth's own signal comes after the commit for some kinds
def _added(instance: Authenticator, created: bool, **_: Any) -> None:
    if created:
        _record("people.factor", instance)


@receiver(authenticator_removed)  # by its owner; `grants.remove_factors` records its own
def _removed(authenticator: Authenticator, **_: Any) -> None:
    _record("people.factor-removed", authenticator)


def _record(kind: str, authenticator: Authenticator) -> None:
    if authenticator.type not in _NAMES:
        return
    who = authenticator.user.get_username()
    body = {"what": _NAMES[authenticator.type], "name": str(authenticator), **enrolled(authenticator)}
    append(kind=kind, subject=f"people/{who}", actor=who, body=body)
