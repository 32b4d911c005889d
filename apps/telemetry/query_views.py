"""The portal's own queries: the page, one statement's page, and the document for machines."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from redis import RedisError

from apps.accounts.policy import Permission, allow, public
from apps.telemetry import figures, monitor
from apps.telemetry.tokens import CHALLENGE, WANTED, may_read_figures
from apps.telemetry.windows import HOUR, SPANS


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
    if not may_read_figures(request):
        return JsonResponse({"error": WANTED}, status=401, headers=CHALLENGE)
    try:
        return JsonResponse(figures.report())
    except RedisError as failed:
        error = f"The portal's Redis does not answer ({type(failed).__name__}); the figures are there. See /readyz."
        return JsonResponse({"error": error}, status=503)
