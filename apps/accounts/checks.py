"""System checks: no route without a policy, no policy without a route, no tier decision on a route that names no tier."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from apps.accounts.policy import OF_A_TIER
from apps.accounts.routes import routes
from apps.accounts.third_party import POLICIES


@register(Tags.security)
def every_route_has_a_policy(**_: Any) -> list[CheckMessage]:
    """`opsportal.accounts.E001` for each route that neither its view nor `third_party` gives a policy."""
    return [
        Error(
            f"The route {route.pattern!r} ({route.name or 'unnamed'}) declares no policy.",
            hint="Put @allow(Permission.…), @signed_in or @public on top of its view, or, for a view that is not ours, "
            "a line in apps/accounts/third_party.py. Until then nobody can start the portal.",
            id="opsportal.accounts.E001",
        )
        for route in routes()
        if route.policy is None
    ]


@register(Tags.security)
def every_policy_has_a_route(**_: Any) -> list[CheckMessage]:
    """`opsportal.accounts.E002` for each name in `third_party` that no route bears."""
    names = {route.name for route in routes()}
    return [
        Error(
            f"apps/accounts/third_party.py declares a policy for {name!r}, which is no route.",
            hint="Remove the line, or correct the name: a policy that guards nothing hides a mistake.",
            id="opsportal.accounts.E002",
        )
        for name in POLICIES
        if name not in names
    ]


@register(Tags.security)
def tier_decisions_name_their_tier(**_: Any) -> list[CheckMessage]:
    """`opsportal.accounts.W001` where a permission on a tier is asked of a route that does not say which tier."""
    return [
        Warning(
            f"The route {route.pattern!r} asks for {route.policy.permission} but names no tier.",
            hint="A role on any tier would suffice. Put `tier` into the URL, or give allow(…, tier_of=…) a function that "
            "finds the tier from the view's arguments.",
            id="opsportal.accounts.W001",
        )
        for route in routes()
        if route.policy
        and route.policy.permission in OF_A_TIER
        and not route.policy.tier_of
        and "tier" not in route.arguments
    ]
