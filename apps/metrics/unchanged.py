"""The answer to an open page that asks whether there is news, where there is none: 204 from one statement (docs/decisions/0014).

Every open page asks every few seconds, and nearly always nothing has changed. The statement brings together who asks (session, person,
roles) and the mark of the tier. Only where everything is in order and nothing has changed is 204 answered here; whatever else there
is to say or to refuse, the request goes its ordinary way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils import timezone

from apps.accounts.policy import Policy, Verdict, judge
from apps.accounts.routes import policy_of
from apps.accounts.sessions import SessionStore
from apps.metrics import store
from apps.metrics.present import latest
from apps.metrics.ranges import BadRange, read_range

GetResponse = Callable[[HttpRequest], HttpResponseBase]
View = TypeVar("View", bound=Callable[..., Any])


def polled(view: View) -> View:
    """Declare that a view answers 204 to htmx when `?version=` is its tier's present one; above its other decorators."""
    view.polled = True  # type: ignore[attr-defined]  # as Django marks views: it survives functools.wraps
    return view


@dataclass(frozen=True, slots=True)
class Route:
    """The route of a polled page, and its policy."""

    match: ResolverMatch
    policy: Policy


class UnchangedMiddleware:
    """Answers an open page's poll where nothing has changed; stands before whatever loads a session."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """204, or whatever the request's ordinary way leads to."""
        if request.method == "GET" and request.META.get("HTTP_HX_REQUEST") == "true" and "version" in request.GET:
            request.get_host()  # refused here as it is on the ordinary way
            if _unchanged(request):
                return HttpResponse(status=204, headers={"Vary": "Cookie", "X-Frame-Options": settings.X_FRAME_OPTIONS})
        return self.get_response(request)


def _unchanged(request: HttpRequest) -> bool:
    """Whether the page that asks is the present one, and who asks may see it; without a query where it is an old one."""
    route = _route(request.path_info)
    slug = _tier_named(route.match.kwargs, request.GET) if route else ""
    known = latest(slug)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if route is None or known is None or not key or request.GET["version"] != known.version or not known.holds:
        return False
    try:
        read_range(request.GET, timezone.now())
    except BadRange:
        return False
    session = SessionStore(key)
    session.ask(_mark(), tier=slug)
    person = session.opened_for()
    if person is None or judge(route.policy, person, slug) is not Verdict.GRANTED:
        return False
    request.resolver_match = route.match
    request.__dict__["_cached_user"] = person  # for the log line and for the headers of what is not public
    return bool(session.beside == known.mark)


def _tier_named(kwargs: Mapping[str, Any], query: Mapping[str, str]) -> str:
    return str(kwargs.get("tier") or query.get("tier") or "")


@lru_cache(maxsize=512)
def _route(path: str) -> Route | None:
    """The route of an address, where a polled page is there that a permission is needed for."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    policy = policy_of(match.func, match.view_name)
    if not getattr(match.func, "polled", False) or policy is None or policy.permission is None or policy.tier_of:
        return None
    return Route(match, policy)


@cache
def _mark() -> str:
    return f"(SELECT (SELECT {store.mark_of('t.id')}) FROM metrics_tier t WHERE t.slug = %(tier)s)"  # noqa: S608  constants
