"""`/healthz` and `/readyz`, for supervisors and load balancers. Of the watched tier they say nothing: `/health` does."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.policy import public
from apps.telemetry import readiness


@public
@never_cache
@require_GET
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 while this process answers at all; touches neither database nor Redis."""
    return JsonResponse({"status": "alive"})


@public
@never_cache
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when this process can serve, else 503; JSON says for each part whether it is ready and what to do.

    What is only watched (polling) makes it `degraded` with 200: people need the pages to see why. With `?polling` that is 503 too.
    """
    parts = readiness.parts()
    serves = all(part.ready for part in parts if not part.watched)
    whole = all(part.ready for part in parts)
    status = "ready" if whole else "degraded" if serves else "not ready"
    body = {"status": status, "parts": {part.name: asdict(part) for part in parts}}
    return JsonResponse(body, status=200 if (whole if "polling" in request.GET else serves) else 503)
