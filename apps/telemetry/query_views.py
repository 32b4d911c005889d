"""The portal's own queries: the page, one statement's page, and the document for machines."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from redis import RedisError

from apps.accounts.policy import Permission, allow, permitted, public
from apps.telemetry import figures, monitor
from apps.telemetry.windows import HOUR, SPANS

BEARER = "Bearer "


@allow(Permission.SEE_LOGS)
@require_GET
def queries(request: HttpRequest) -> HttpResponse:
    """All statements of the last hour (`?span=day`: of the day) by total time; 503 while Redis is away."""
    span = SPANS.get(request.GET.get("span", ""), HOUR)
    context = {"span": span, "spans": SPANS.values(), "limits": monitor.limits}
    try:
        found = figures.overview(span)
    except RedisError:
        return render(request, "telemetry/queries.html", context | {"away": True}, status=503)
    live = bool(getattr(request, "htmx", False))
    version = f"{span.name}-{found.whole.calls}"
    if live and request.GET.get("version") == version:
        return HttpResponse(status=204)
    context |= {"found": found, "version": version}
    return render(request, "telemetry/queries.html#live" if live else "telemetry/queries.html", context)


@allow(Permission.SEE_LOGS)
@require_GET
def query(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """One statement: its text, who sends it, how it went in each window, its slow ones."""
    span = SPANS.get(request.GET.get("span", ""), HOUR)
    context = {"span": span, "spans": SPANS.values(), "fingerprint": fingerprint}
    try:
        found = figures.course(span, fingerprint)
    except RedisError:
        return render(request, "telemetry/query.html", context | {"away": True}, status=503)
    if found is None and not figures.ran(fingerprint):
        raise Http404("No such statement ran within the last day.")
    return render(request, "telemetry/query.html", context | {"found": found})


@public  # whoever has the token, or may see the page; both are asked here
@never_cache
@require_GET
def metrics_queries(request: HttpRequest) -> HttpResponse:
    """`slowQueries`, `statistics` and `health` of the last hour; 401 without token or permission, 503 while Redis is away."""
    if not (_has_token(request) or permitted(request.user, Permission.SEE_LOGS)):
        error = "Send OPSPORTAL_METRICS_TOKEN as Authorization: Bearer …, or log in with a role that may see the logs."
        return JsonResponse({"error": error}, status=401, headers={"WWW-Authenticate": 'Bearer realm="opsportal"'})
    try:
        return JsonResponse(figures.report())
    except RedisError as failed:
        error = f"The portal's Redis does not answer ({type(failed).__name__}); the figures are there. See /readyz."
        return JsonResponse({"error": error}, status=503)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    token = settings.METRICS_TOKEN
    return bool(token) and given.startswith(BEARER) and constant_time_compare(given.removeprefix(BEARER), token)
