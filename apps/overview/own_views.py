"""The page of the portal itself."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.metrics import context, costs
from apps.overview.own import own


@allow(Permission.VIEW)
@never_cache
@require_GET
def portal(request: PersonRequest) -> HttpResponse:
    """The verdict, the reasons, every check with its evidence; read and judged now, whether or not anybody polls."""
    tier = context.current_tier(request)
    if tier is None:
        return render(request, "overview/empty.html")
    page = own(context.visible_tiers(request), tier, timezone.now())
    if request.htmx and request.GET.get("version") == page.version:
        return HttpResponse(status=204)
    shown = {
        "page": page,
        "tier": tier,
        "costs": costs.costs(tier),
        "costs_say": costs.says(),
        "may_see_logs": permitted(request.user, Permission.SEE_LOGS),
    }
    return render(request, "overview/portal.html#live" if request.htmx else "overview/portal.html", shown)
