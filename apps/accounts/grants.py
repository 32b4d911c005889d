"""Changing who may do what; every change is an entry of the ledger, in the same transaction or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction

from apps.accounts.factors import named
from apps.accounts.models import Person, RoleGrant
from apps.accounts.places import end
from apps.accounts.roles import EVERY_TIER, Role
from apps.ledger.chain import SYSTEM, append


class Refused(Exception):
    """The change makes no sense; the message says why and what to do instead. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What is known of somebody who is to be added."""

    username: str
    password: str
    display_name: str = ""
    phone: str = ""
    chat: str = ""
    email: str = ""


@transaction.atomic
def add(newcomer: Newcomer, *, roles: Iterable[Role] = (), by: Person | None = None) -> Person:
    """Add a person with roles on every tier. Raises Refused for a taken or ill-formed name, or a weak password."""
    name = newcomer.username
    if name == SYSTEM:
        raise Refused(f"The name {SYSTEM} stands for the portal itself in the ledger. Choose another.")
    if Person.objects.filter(username__iexact=name).exists():
        raise Refused(f"There is a person named {name} already. Choose another name, or grant that person a role.")
    person = Person(
        username=name,
        display_name=newcomer.display_name,
        phone=newcomer.phone,
        chat=newcomer.chat,
        email=newcomer.email,
    )
    try:
        ASCIIUsernameValidator()(name)
        validate_password(newcomer.password, person)
        person.set_password(newcomer.password)
        person.full_clean()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    person.save()
    _record("people.add", person, by, {"name": str(person)})
    for role in roles:
        grant(person, role, by=by)
    return person


@transaction.atomic
def grant(person: Person, role: Role, tier_slug: str = EVERY_TIER, *, by: Person | None = None) -> RoleGrant:
    """Give a person a role on a tier, or on every tier. Raises Refused when they hold it or are disabled."""
    person = _locked(person)
    if not person.is_active:
        raise Refused(f"{person.username} is disabled. Enable them first.")
    if tier_slug:
        try:
            validate_slug(tier_slug)
        except ValidationError as error:
            raise Refused(f"{tier_slug!r} is no tier: write its slug, such as lab or staging.") from error
    made, created = RoleGrant.objects.get_or_create(
        person=person, role=role, tier_slug=tier_slug, defaults={"granted_by": by}
    )
    if not created:
        raise Refused(f"{person.username} holds the role {role} on {_where(tier_slug)} already.")
    _record("people.grant", person, by, {"role": role, "where": _where(tier_slug)}, tier_slug)
    return made


@transaction.atomic
def revoke(person: Person, role: Role, tier_slug: str = EVERY_TIER, *, by: Person | None = None) -> None:
    """Take a role away. Raises Refused when the person does not hold exactly that grant."""
    person = _locked(person)
    held = RoleGrant.objects.filter(person=person, role=role, tier_slug=tier_slug)
    if not held.delete()[0]:
        others = ", ".join(str(other) for other in person.grants.all()) or "none"
        raise Refused(f"{person.username} does not hold the role {role} on {_where(tier_slug)}. Roles held: {others}.")
    _record("people.revoke", person, by, {"role": role, "where": _where(tier_slug)}, tier_slug)


@transaction.atomic
def disable(person: Person, *, by: Person | None = None) -> None:
    """Lock a person out: their sessions end at their next request. What they did stays in the ledger."""
    person = _locked(person)
    if not person.is_active:
        raise Refused(f"{person.username} is disabled already.")
    person.is_active = False
    person.save(update_fields=["is_active"])
    _record("people.disable", person, by, {})
    _end_sessions(person)


@transaction.atomic
def enable(person: Person, *, by: Person | None = None) -> None:
    """Let a disabled person in again, with the roles they held."""
    person = _locked(person)
    if person.is_active:
        raise Refused(f"{person.username} is not disabled.")
    person.is_active = True
    person.save(update_fields=["is_active"])
    _record("people.enable", person, by, {})


@transaction.atomic
def set_password(person: Person, password: str, *, by: Person | None = None) -> None:
    """Give a person a new password and end their sessions. Raises Refused when it is weak."""
    person = _locked(person)
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    person.set_password(password)
    person.password_failures, person.password_locked_until = 0, None
    person.save(update_fields=["password", "password_failures", "password_locked_until"])
    _record("people.password", person, by, {})
    _end_sessions(person)


@transaction.atomic
def remove_factors(person: Person, *, by: Person | None = None) -> None:
    """Take everything from somebody who lost it that they sign in with besides the password. Raises Refused when there is nothing."""
    person = _locked(person)
    lost = named(person)
    if not lost:
        raise Refused(f"{person.username} has no second factor.")
    Authenticator.objects.filter(user_id=person.pk).delete()
    _record("people.factors-removed", person, by, {"what": ", ".join(lost)})
    _end_sessions(person)


def _end_sessions(person: Person) -> None:
    end(UserSession.objects.filter(user=person))


def _locked(person: Person) -> Person:
    return Person.objects.select_for_update().get(pk=person.pk)


def _where(tier_slug: str) -> str:
    return tier_slug or "every tier"


def _record(kind: str, person: Person, by: Person | None, body: dict[str, str], tier: str = EVERY_TIER) -> None:
    actor = by.username if by else SYSTEM
    append(
        kind=kind,
        subject=f"people/{person.username}",
        actor=actor,
        body={"username": person.username, **body},
        tier=tier,
    )
