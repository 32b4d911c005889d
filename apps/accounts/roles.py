"""The roles a person can hold, on one tier or on every tier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import TextChoices, prefetch_related_objects
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import Person

EVERY_TIER = ""


class Role(TextChoices):
    """Who somebody is in the team; the values are written in playbooks and in the ledger and never change."""

    VIEWER = "viewer", _("Viewer")
    ON_CALL = "on-call", _("On-call engineer")
    QA = "qa", _("QA")
    DEVOPS = "devops", _("DevOps engineer")
    DBA = "dba", _("DBA")
    BACKEND = "backend", _("Backend engineer")
    SUPPORT = "support", _("Support engineer")
    LEAD = "lead", _("Engineering lead")
    VP = "vp", _("VP Engineering")
    CTO = "cto", _("CTO")
    PRODUCT = "product", _("Product manager")


def roles_of(person: Person | AnonymousUser, tier_slug: str = EVERY_TIER) -> frozenset[Role]:
    """
    The roles a person holds on a tier, through a grant for it or for every tier; without a tier: on any tier.

    One query for each `Person` instance at most, whatever is asked of it afterwards. A disabled or anonymous person has none.
    """
    if not person.is_authenticated or not person.is_active:
        return frozenset()
    return frozenset(role for role, slug in _held(person) if not tier_slug or slug in {EVERY_TIER, tier_slug})


def _held(person: Person) -> tuple[tuple[Role, str], ...]:
    """Each grant's role and tier: as they came with the session (`sessions`), else read once for the instance."""
    if person.held is not None:
        return person.held
    prefetch_related_objects([person], "grants")
    return tuple((Role(grant.role), grant.tier_slug) for grant in person.grants.all())


def may_see(person: Person | AnonymousUser, tier_slug: str) -> bool:
    """Whether a person holds any role on the tier; to others the tier does not exist."""
    return bool(roles_of(person, tier_slug))


def tiers_seen(person: Person | AnonymousUser) -> frozenset[str] | None:
    """The slugs of the tiers a person may see; None when every tier is seen."""
    if not person.is_authenticated or not person.is_active:
        return frozenset()
    slugs = frozenset(slug for _role, slug in _held(person))
    return None if EVERY_TIER in slugs else slugs
