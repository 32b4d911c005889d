"""The portal's own queries as a document for machines; their pages are a room above, where charts are drawn."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from redis import RedisError

from apps.accounts.policy import public
from apps.telemetry import figures
from apps.telemetry.tokens import CHALLENGE, WANTED, may_read_figures


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
