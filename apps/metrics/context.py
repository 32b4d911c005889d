"""What the frame of every page shows: the tiers a person may see, the rail with its states, their roles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.policy import Permission, permitted
from apps.accounts.roles import roles_of, tiers_seen
from apps.metrics import store
from apps.metrics.kernel import State, Verdict, worst
from apps.metrics.models import Tier
from apps.metrics.registry import checks

ROOM_TITLES = {
    "queries": gettext_lazy("Queries"),
    "replicas": gettext_lazy("Replicas"),
    "pools": gettext_lazy("Pools"),
    "cache": gettext_lazy("Cache"),
    "ratelimits": gettext_lazy("Rate limits"),
    "partitions": gettext_lazy("Partitions"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the rail: a room with its state, a page, or a page with a count."""

    title: str
    url: str
    current: bool
    state: State | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of the rail under one heading."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class TierLink:
    """A tier of the tier switch, and the page to open for it."""

    slug: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything `base.html` asks for."""

    person: str
    roles: tuple[str, ...]
    tier: Tier | None
    tiers: tuple[TierLink, ...]
    rail: tuple[Group, ...]
    own: tuple[Entry, ...]
    sign_out_url: str
    open_alerts: int
    poll_seconds: int


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `frame`, made when a template first asks for it; nothing for a person who is not logged in."""
    person = getattr(request, "user", None)
    if person is None or not person.is_authenticated:
        return {"frame": None}
    return {"frame": SimpleLazyObject(lambda: build(request))}


def visible_tiers(request: HttpRequest) -> list[Tier]:
    """The tiers the person may see, each with `open_alerts`; one query a request."""
    kept: dict[str, list[Tier]] = request.__dict__.setdefault("_tiers", {})
    if "seen" not in kept:
        seen = tiers_seen(request.user)
        tiers: QuerySet[Tier] = Tier.objects.annotate(open_alerts=Count("alerts", filter=Q(alerts__closed_at=None)))
        kept["seen"] = list((tiers if seen is None else tiers.filter(slug__in=seen)).order_by("id"))
    return kept["seen"]


def current_tier(request: HttpRequest) -> Tier | None:
    """The tier of the address, or of `?tier=`, or the first the person may see."""
    match = request.resolver_match
    named = (match.kwargs.get("tier") if match else None) or request.GET.get("tier")
    tiers = visible_tiers(request)
    return next((tier for tier in tiers if tier.slug == named), tiers[0] if tiers else None)


def verdicts(request: HttpRequest, tier: Tier) -> Sequence[Verdict]:
    """Present verdicts of all rooms of a tier; one query a request."""
    kept: dict[int, Sequence[Verdict]] = request.__dict__.setdefault("_verdicts", {})
    if tier.pk not in kept:
        kept[tier.pk] = store.verdicts(tier)
    return kept[tier.pk]


def room_states(found: Sequence[Verdict]) -> dict[str, State]:
    """The state of each room: the worst of its verdicts, shadow checks left out; INCONCLUSIVE where none was measured."""
    known = checks()
    states: dict[str, list[State]] = {room: [] for room in settings.TIER_ROOMS}
    for verdict in found:
        check = known.get(verdict.check_id)
        if check and not check.shadow and check.room in states:
            states[check.room].append(verdict.state)
    return {room: _state_of(judged) for room, judged in states.items()}


def _state_of(judged: list[State]) -> State:
    said: list[State] = [state for state in judged if state is not State.INCONCLUSIVE]
    return worst(said or judged)


@cache
def _exists(url: str) -> bool:
    try:
        resolve(url)
    except Resolver404:
        return False
    return True


def build(request: HttpRequest) -> Frame:
    """The frame for this request: two queries (tiers with their open alerts, verdicts)."""
    tier = current_tier(request)
    alerts = getattr(tier, "open_alerts", 0)
    return Frame(
        person=getattr(request.user, "display_name", "") or request.user.get_username(),
        roles=tuple(sorted(str(role.label) for role in roles_of(request.user, tier.slug if tier else ""))),
        tier=tier,
        tiers=tuple(TierLink(t.slug, t.name, _same_page(request, t)) for t in visible_tiers(request)),
        rail=_rail(request, tier, alerts),
        own=_entries(request, ((_("Your profile"), "/people/me/"), (_("Security keys"), "/accounts/2fa/"))),
        sign_out_url=reverse("account_logout"),
        open_alerts=alerts,
        poll_seconds=settings.POLL_SECONDS,
    )


def _same_page(request: HttpRequest, tier: Tier) -> str:
    match = request.resolver_match
    if match and "tier" in match.kwargs and match.view_name and match.view_name.endswith(":page"):
        return reverse(match.view_name, kwargs={**match.kwargs, "tier": tier.slug})
    return f"/?tier={tier.slug}"


def _entries(request: HttpRequest, wanted: Sequence[tuple[str, str]], **more: Any) -> tuple[Entry, ...]:
    path = request.path
    return tuple(
        Entry(title, url, current=path == url or (url != "/" and path.startswith(url)), **more)
        for title, url in wanted
        if _exists(url)
    )


def _rail(request: HttpRequest, tier: Tier | None, alerts: int) -> tuple[Group, ...]:
    groups = [Group("", _entries(request, [(_("Overview"), "/")]))]
    if tier:
        states = room_states(verdicts(request, tier))
        rooms: tuple[Entry, ...] = ()
        for room in settings.TIER_ROOMS:
            address = (str(ROOM_TITLES.get(room, room)), f"/t/{tier.slug}/{room}/")
            rooms += _entries(request, [address], state=states[room])
        nodes = _entries(request, [(_("Nodes"), f"/t/{tier.slug}/nodes/")])
        groups.append(Group(_("Data tier"), rooms + nodes))
    work = _entries(request, [(_("Rollouts"), "/rollouts/"), (_("Playbook"), "/playbook/")])
    record = _entries(
        request, [(_("Ledger"), "/ledger/"), (_("Checks"), "/catalogue/checks/"), (_("People"), "/people/")]
    )
    if permitted(request.user, Permission.SEE_LOGS):
        record += _entries(request, [(_("Logs"), "/portal/logs/"), (_("Own queries"), "/portal/queries/")])
    groups.append(Group(_("Work"), work + _entries(request, [(_("Alerts"), "/alerts/")], count=alerts) + record))
    return tuple(group for group in groups if group.entries)
