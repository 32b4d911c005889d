"""Who holds which role on a tier: the people who can supply what a week lacks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from apps.accounts.models import RoleGrant
from apps.accounts.roles import EVERY_TIER, Role

Holders = Mapping[Role, frozenset[str]]


def holders(tier_slug: str) -> Holders:
    """The names of the people with an account in use, by the role they hold on a tier or on every tier. One query."""
    found: dict[Role, set[str]] = defaultdict(set)
    on_tier = RoleGrant.objects.filter(tier_slug__in=(EVERY_TIER, tier_slug), person__is_active=True)
    for grant in on_tier.select_related("person"):
        found[Role(grant.role)].add(str(grant.person))
    return {role: frozenset(names) for role, names in found.items()}


def names_of(roles: Iterable[Role], found: Holders) -> tuple[str, ...]:
    """
    The people who hold any of these roles, in the order of their names.

    >>> names_of([Role.DBA, Role.LEAD], {Role.DBA: frozenset({"B", "C"}), Role.LEAD: frozenset({"A", "B"})})
    ('A', 'B', 'C')
    """
    return tuple(sorted({name for role in roles for name in found.get(role, ())}))
