"""Whom to call next: the lines of the playbook's contacts, each with those who hold the role on a tier."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.accounts.models import Person, RoleGrant
from apps.accounts.roles import EVERY_TIER
from apps.metrics.models import Tier
from apps.playbook.guides import Contact, Playbook


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the escalation and who is behind it."""

    contact: Contact
    people: Sequence[Person]


def lines(playbook: Playbook, tier: Tier | None) -> list[Line]:
    """All lines in their order: one query."""
    contacts = playbook.reference.contacts
    wanted = {contact.role for contact in contacts}
    slugs = [EVERY_TIER, *([tier.slug] if tier else [])]
    grants = RoleGrant.objects.filter(role__in=wanted, tier_slug__in=slugs, person__is_active=True)
    held: dict[str, dict[int, Person]] = {}
    for grant in grants.select_related("person").order_by("person__username"):
        held.setdefault(grant.role, {})[grant.person_id] = grant.person
    return [Line(contact, list(held.get(contact.role, {}).values())) for contact in contacts]
