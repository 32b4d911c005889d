"""Who asks, and the only place where policies are enforced: before any view runs, whatever headers a request bears."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.functional import SimpleLazyObject
from django_htmx.http import HttpResponseClientRedirect
from redis import RedisError

from apps.accounts.models import Person
from apps.accounts.policy import Permission, Verdict, judge, permissions_of, roles_with
from apps.accounts.roles import EVERY_TIER, tiers_seen
from apps.accounts.routes import policy_of, routes
from apps.accounts.third_party import POLICIES

if TYPE_CHECKING:
    from apps.accounts.sessions import SessionStore

GetResponse = Callable[[HttpRequest], HttpResponse]


class PersonMiddleware(AuthenticationMiddleware):
    """Django's own, which takes the person's row that came with the session where there is nothing else to decide."""

    def process_request(self, request: HttpRequest) -> None:
        """Let `request.user` be looked up when somebody first asks for it."""
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: person_of(request))  # type: ignore[assignment]


def person_of(request: HttpRequest) -> Any:
    """Who asks: a Person or nobody in particular (AnonymousUser); looked up once a request."""
    known = request.__dict__
    if "_cached_user" not in known:  # where Django keeps it
        session = cast("SessionStore", request.session)  # as settings.SESSION_ENGINE says
        found: Any = session.opened_for()
        if found is None:
            found = auth.get_user(request)
            if found.is_authenticated:
                session.remember(found.pk)
        known["_cached_user"] = found
    return known["_cached_user"]


class PolicyMiddleware:
    """Sends strangers to the login page, hides tiers from those without a role on them, and refuses missing roles."""

    def __init__(self, get_response: GetResponse) -> None:
        bare = [route.pattern for route in routes() if route.policy is None]
        if bare:
            raise ImproperlyConfigured(
                f"Routes without a policy: {', '.join(bare)}. `manage.py check` says what to do about each."
            )
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; `process_view` decides once its route is known."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """None when the view may run; otherwise the answer instead of it. Raises Http404 for what the person may not see."""
        match = request.resolver_match
        policy = policy_of(view, match.view_name if match else "")
        if policy is None:
            raise Http404("This address declares no policy.")
        person = request.user
        tier = policy.tier(kwargs) if policy.permission and person.is_authenticated else EVERY_TIER
        match judge(policy, person, tier):
            case Verdict.GRANTED:
                if policy.permission:
                    # For rooms below this one, which cannot ask for roles: whose tiers' records may be shown, what may be offered.
                    request.tiers_seen = tiers_seen(person)  # type: ignore[attr-defined]
                    request.may = permissions_of(person, tier)  # type: ignore[attr-defined]
                return None
            case Verdict.LOG_IN:
                return to_login(request)
            case Verdict.UNSEEN:
                raise Http404("There is nothing at this address for you.")
            case Verdict.ROLE_MISSING:
                assert policy.permission is not None
                return role_missing(request, policy.permission, tier)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """503 where attempts to sign in cannot be counted because Redis is gone: the door stays shut, and says why."""
        match = request.resolver_match
        if isinstance(exception, RedisError) and match and match.view_name in POLICIES:
            return render(request, "accounts/throttle_gone.html", status=503)
        return None


def to_login(request: HttpRequest, login_url: str = "") -> HttpResponse:
    """
    A redirect to the login page that comes back to the page the person was on.

    An htmx request would follow a 302 itself and paste the login page into a fragment; it gets 204 with `HX-Redirect`.
    """
    htmx = bool(getattr(request, "htmx", False))
    origin = (request.htmx.current_url_abs_path if htmx else None) or (  # type: ignore[attr-defined]
        request.get_full_path() if request.method in {"GET", "HEAD"} else "/"
    )
    response = redirect_to_login(origin, resolve_url(login_url or settings.LOGIN_URL))
    if not htmx:
        return response
    answer = HttpResponseClientRedirect(response.url)
    answer.status_code = 204
    return answer


def role_missing(request: HttpRequest, permission: Permission, tier: str) -> HttpResponse:
    """403: which roles would do, and who can grant one."""
    granters = Person.objects.filter(is_active=True, grants__role__in=roles_with(Permission.GRANT_ROLES)).distinct()
    context = {
        "permission": permission,
        "tier_slug": tier,
        "roles": [role.label for role in roles_with(permission)],
        "granters": granters.order_by("display_name", "username"),
    }
    template = "accounts/role_missing.html"
    if getattr(request, "htmx", False):
        template += "#reason"
    return render(request, template, context, status=403)
