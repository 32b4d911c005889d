"""What each role may do, and how a route says what it needs. `middleware.PolicyMiddleware` enforces it.

    @allow(Permission.TICK, tier_of=tier_of_rollout)
    @require_POST
    def tick(request: HttpRequest, rollout: int, item: str) -> HttpResponse: ...

A route whose URL has a `tier` part is judged on that tier; one that reaches a tier otherwise says how (`tier_of`). To a
person without any role on the tier it does not exist (404); to one whose roles do not suffice it answers 403.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Any, TypeVar

from apps.accounts.roles import EVERY_TIER, Role, may_see, roles_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import Person

View = TypeVar("View", bound=Callable[..., Any])
TierOf = Callable[..., str]


class Permission(StrEnum):
    """Something a role allows. Declared on routes; asked with `permitted` where a page offers a button."""

    VIEW = auto()
    READ_LEDGER = auto()
    SEE_PEOPLE = auto()
    ACKNOWLEDGE = auto()
    CHECK_NOW = auto()
    EXPLAIN = auto()
    NOTE = auto()
    TICK = auto()
    CAPTURE = auto()
    DEPLOY = auto()
    SIGN = auto()
    WAIVE = auto()
    START_ROLLOUT = auto()
    EDIT_TIER = auto()
    CANCEL_BATCH = auto()
    GRANT_ROLES = auto()
    MUTE = auto()
    SET_THRESHOLDS = auto()
    EDIT_CHANNELS = auto()
    SEE_LOGS = auto()
    OVERRIDE = auto()
    AMEND = auto()


P = Permission
# A tier is named by the URL or by `tier_of` for these; the others concern the portal as a whole as well.
OF_A_TIER = frozenset(
    {P.ACKNOWLEDGE, P.CHECK_NOW, P.EXPLAIN, P.NOTE, P.TICK, P.CAPTURE, P.DEPLOY, P.SIGN, P.WAIVE}
    | {P.START_ROLLOUT, P.EDIT_TIER}
    | {P.MUTE, P.SET_THRESHOLDS, P.EDIT_CHANNELS, P.OVERRIDE, P.AMEND}
)
# How alerting behaves: where a check begins to warn, and who is told.
_TUNES = frozenset({P.MUTE, P.SET_THRESHOLDS, P.EDIT_CHANNELS})

_SEES = frozenset({P.VIEW, P.READ_LEDGER, P.SEE_PEOPLE})
_WATCHES = _SEES | {P.ACKNOWLEDGE, P.CHECK_NOW, P.NOTE}
_BUILDS = _WATCHES | {P.EXPLAIN, P.TICK, P.CAPTURE, P.DEPLOY, P.SIGN, P.SEE_LOGS}
_DECIDES = _SEES | {P.ACKNOWLEDGE, P.CHECK_NOW, P.NOTE, P.SIGN, P.START_ROLLOUT}

TABLE: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _SEES,
    Role.SUPPORT: _WATCHES,
    Role.ON_CALL: _WATCHES | {P.SIGN, P.MUTE},  # signs for the 24 hours they watched
    Role.QA: _WATCHES | {P.TICK, P.CAPTURE, P.SIGN},  # a playbook may give QA a slot
    Role.BACKEND: _BUILDS | {P.MUTE, P.CANCEL_BATCH},
    Role.DEVOPS: _BUILDS | _TUNES | {P.EDIT_TIER, P.CANCEL_BATCH, P.OVERRIDE},
    Role.DBA: _BUILDS | _TUNES | {P.EDIT_TIER, P.CANCEL_BATCH, P.OVERRIDE},
    Role.LEAD: _DECIDES
    | _TUNES
    | {P.EXPLAIN, P.TICK, P.CAPTURE, P.WAIVE, P.EDIT_TIER, P.CANCEL_BATCH, P.GRANT_ROLES, P.SEE_LOGS, P.OVERRIDE}
    | {P.AMEND},
    Role.PRODUCT: _DECIDES,
    Role.VP: _DECIDES | {P.WAIVE, P.GRANT_ROLES},
    Role.CTO: _DECIDES | _TUNES | {P.WAIVE, P.EDIT_TIER, P.CANCEL_BATCH, P.GRANT_ROLES, P.SEE_LOGS},
}


class Access(Enum):
    """Whom a route serves before any permission is asked."""

    PUBLIC = "everybody, logged in or not"
    SIGNED_IN = "everybody who is logged in, for their own affairs"
    ALLOWED = "whoever holds a role with the permission"
    CLOSED = "nobody; the address answers 404"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a route needs; `permission` is set exactly when access is ALLOWED."""

    access: Access
    permission: Permission | None = None
    tier_of: TierOf | None = None

    def tier(self, kwargs: Mapping[str, Any]) -> str:
        """The slug of the tier that the route's arguments name; empty when it names none. `tier_of` may raise Http404."""
        if self.tier_of:
            return self.tier_of(**kwargs)
        return str(kwargs.get("tier", EVERY_TIER))


PUBLIC = Policy(Access.PUBLIC)
SIGNED_IN = Policy(Access.SIGNED_IN)
CLOSED = Policy(Access.CLOSED)


def allow(permission: Permission, *, tier_of: TierOf | None = None) -> Callable[[View], View]:
    """
    Declare the permission a view needs; put it on top of its other decorators.

    Args:
        permission: what the person's roles must allow.
        tier_of: given the view's keyword arguments, the slug of the tier concerned; raises Http404 when there is none.
    """
    return _declare(Policy(Access.ALLOWED, permission, tier_of))


def public(view: View) -> View:
    """Declare that anybody may call a view, logged in or not."""
    return _declare(PUBLIC)(view)


def signed_in(view: View) -> View:
    """Declare that a view serves whoever is logged in, whatever their role: their own profile, their own sessions."""
    return _declare(SIGNED_IN)(view)


def _declare(policy: Policy) -> Callable[[View], View]:
    def declare(view: View) -> View:
        view.policy = policy  # type: ignore[attr-defined]  # as Django marks views: it survives functools.wraps
        return view

    return declare


def permitted(person: Person | AnonymousUser, permission: Permission, tier_slug: str = EVERY_TIER) -> bool:
    """Whether a person's roles on the tier (without one: on any tier) include the permission."""
    return any(permission in TABLE[role] for role in roles_of(person, tier_slug))


def permissions_of(person: Person | AnonymousUser, tier_slug: str = EVERY_TIER) -> frozenset[Permission]:
    """All that a person's roles on the tier (without one: on any tier) allow."""
    return frozenset().union(*(TABLE[role] for role in roles_of(person, tier_slug)))


def roles_with(permission: Permission) -> list[Role]:
    """The roles that include a permission, in the order in which they are declared."""
    return [role for role in Role if permission in TABLE[role]]


class Verdict(Enum):
    """How a request stands against a policy."""

    GRANTED = auto()
    LOG_IN = auto()
    UNSEEN = auto()
    ROLE_MISSING = auto()


def judge(policy: Policy, person: Person | AnonymousUser, tier_slug: str) -> Verdict:
    """The verdict for a person on a route; the only place that decides."""
    if policy.access is Access.PUBLIC:
        return Verdict.GRANTED
    if policy.access is Access.CLOSED:
        return Verdict.UNSEEN
    if not person.is_authenticated:
        return Verdict.LOG_IN
    if policy.permission is None:
        return Verdict.GRANTED
    if tier_slug and not may_see(person, tier_slug):
        return Verdict.UNSEEN
    return Verdict.GRANTED if permitted(person, policy.permission, tier_slug) else Verdict.ROLE_MISSING
