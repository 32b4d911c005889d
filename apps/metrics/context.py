"""What the frame of every page shows: the tiers a person may see, the rail with its states, their roles."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from apps.accounts.policy import Permission, permitted
from apps.accounts.roles import roles_of, tiers_seen
from apps.metrics import store
from apps.metrics.kernel import State, Verdict, worst
from apps.metrics.models import Tier
from apps.metrics.present import Present, present
from apps.metrics.registry import checks

ROOM_TITLES = {
    "queries": gettext_lazy("Queries"),
    "replicas": gettext_lazy("Replicas"),
    "pools": gettext_lazy("Pools"),
    "cache": gettext_lazy("Cache"),
    "ratelimits": gettext_lazy("Rate limits"),
    "partitions": gettext_lazy("Partitions"),
}

"""Alerts that are counted: open, and not quiet because they are muted or explained by a node that is down."""


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

    @property
    def initials(self) -> str:
        """The first letters of the first and the last word of the person's name, where there is no room for more."""
        words = self.person.split()
        return "".join(word[0] for word in dict.fromkeys((words[0], words[-1]))).upper() if words else ""


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `frame`, made when a template first asks for it; nothing for a person who is not logged in."""
    person = getattr(request, "user", None)
    if person is None or not person.is_authenticated:
        return {"frame": None}
    return {"frame": SimpleLazyObject(lambda: build(request))}


def visible_tiers(request: HttpRequest) -> list[Tier]:
    """The tiers the person may see, each with `open_alerts`; one query a request."""
    return [tier for tier, _mark in _tiers(request)]


def current_tier(request: HttpRequest) -> Tier | None:
    """The tier of the address, or of `?tier=`, or the first the person may see."""
    tiers, named = visible_tiers(request), _named(request)
    return next((tier for tier in tiers if tier.slug == named), tiers[0] if tiers else None)


def present_of(request: HttpRequest, tier: Tier) -> Present:
    """What is known of a tier now; the same for the whole of a request."""
    known: dict[int, Present] = request.__dict__.setdefault("_present", {})
    if tier.pk not in known:
        mark = next((mark for seen, mark in _tiers(request) if seen.pk == tier.pk), None)
        known[tier.pk] = present(tier, store.mark(tier) if mark is None else mark)
    return known[tier.pk]


def verdicts(request: HttpRequest, tier: Tier) -> Sequence[Verdict]:
    """Present verdicts of all rooms of a tier."""
    return present_of(request, tier).verdicts


def _named(request: HttpRequest) -> str:
    match = request.resolver_match
    return (match.kwargs.get("tier") if match else None) or request.GET.get("tier") or ""


def _tiers(request: HttpRequest) -> list[tuple[Tier, int | None]]:
    kept: dict[str, list[tuple[Tier, int | None]]] = request.__dict__.setdefault("_tiers", {})
    if "seen" not in kept:
        kept["seen"] = store.tiers(tiers_seen(request.user), _named(request))
    return kept["seen"]


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
    """The frame for this request, from one query (`store.tiers`) where what is known of the tier was read before."""
    tier = current_tier(request)
    alerts = (tier.open_alerts or 0) if tier else 0
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


def frame_key(request: HttpRequest) -> Hashable:
    """All that the frame of a request depends on, far quicker to tell than the frame itself is drawn."""
    tier, person = current_tier(request), request.user
    return (
        request.path,
        get_language(),
        (person.pk, getattr(person, "display_name", ""), person.get_username()),
        roles_of(person, tier.slug if tier else ""),
        tuple((seen.slug, seen.name, seen.open_alerts) for seen in visible_tiers(request)),
        (tier.slug, present_of(request, tier).version) if tier else None,
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
    work = _entries(
        request, [(_("Rollouts"), "/rollouts/"), (_("Runbooks"), "/runbooks/"), (_("Playbook"), "/playbook/")]
    )
    record = _entries(
        request,
        [
            (_("Ledger"), "/ledger/"),
            (_("Checks"), "/catalogue/checks/"),
            (_("People"), "/people/"),
        ],
    )
    if tier and permitted(request.user, Permission.VIEW, tier.slug):
        record += _entries(request, [(_("The portal"), "/portal/")])
    elif permitted(
        request.user, Permission.SEE_LOGS
    ):  # without a tier there is nothing to judge, and lines may say why
        record += _entries(request, [(_("Logs"), "/portal/logs/")])
    groups.append(Group(_("Work"), work + _entries(request, [(_("Alerts"), "/alerts/")], count=alerts) + record))
    return tuple(group for group in groups if group.entries)
