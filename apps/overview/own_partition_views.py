"""The page of the portal's own partitioned tables."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.metrics import context, upkeep
from apps.metrics.thresholds import limits
from apps.overview.own_partitions import page


@allow(Permission.VIEW)
@never_cache
@require_GET
def partitions(request: PersonRequest) -> HttpResponse:
    """Which partitions history has, how each table is kept, and what was made and dropped; read and judged now."""
    tier = context.current_tier(request)
    if tier is None:
        return render(request, "overview/empty.html")
    found = page(limits(tier).checks, timezone.now())
    if request.htmx and request.GET.get("version") == found.version:
        return HttpResponse(status=204)
    shown = {"page": found, "tier": tier, "kept_for": upkeep.RECORDED}
    return render(
        request, "overview/own_partitions.html#live" if request.htmx else "overview/own_partitions.html", shown
    )
