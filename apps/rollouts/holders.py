"""Who holds which role on a tier: the people who can supply what a week lacks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from apps.accounts.models import Person, RoleGrant
from apps.accounts.roles import EVERY_TIER, Role

Holders = Mapping[Role, frozenset[str]]
People = Mapping[Role, frozenset[Person]]


def people(tier_slug: str) -> People:
    """The people with an account in use, by the role they hold on a tier or on every tier. One query."""
    found: dict[Role, set[Person]] = defaultdict(set)
    on_tier = RoleGrant.objects.filter(tier_slug__in=(EVERY_TIER, tier_slug), person__is_active=True)
    for grant in on_tier.select_related("person"):
        found[Role(grant.role)].add(grant.person)
    return {role: frozenset(holding) for role, holding in found.items()}


def holders(tier_slug: str) -> Holders:
    """Their names. One query."""
    return {role: frozenset(map(str, holding)) for role, holding in people(tier_slug).items()}


def names_of(roles: Iterable[Role], found: Holders) -> tuple[str, ...]:
    """
    The people who hold any of these roles, in the order of their names.

    >>> names_of([Role.DBA, Role.LEAD], {Role.DBA: frozenset({"B", "C"}), Role.LEAD: frozenset({"A", "B"})})
    ('A', 'B', 'C')
    """
    return tuple(sorted({name for role in roles for name in found.get(role, ())}))


def people_of(roles: Iterable[Role], found: People) -> frozenset[Person]:
    """The people who hold any of these roles."""
    return frozenset(person for role in roles for person in found.get(role, ()))
