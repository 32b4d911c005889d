"""What was measured, for machines that scrape: `/metrics` in Prometheus' format, `/metrics/pool` as JSON."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.policy import public
from apps.metrics import store
from apps.metrics.exposition import CONTENT_TYPE, exposition
from apps.metrics.models import Tier
from apps.telemetry.tokens import CHALLENGE, WANTED, may_read_figures, tiers_told

POOLS = {"pools": "pools.pools", "databases": "pools.databases", "lists": "pools.lists", "stats": "pools.stats"}


@public  # whoever has the token, or may see the logs; both are asked here
@never_cache
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The newest sample of every series and the state of every check; 401 without token or permission."""
    if not may_read_figures(request):
        return HttpResponse(WANTED + "\n", content_type="text/plain; charset=utf-8", status=401, headers=CHALLENGE)
    return HttpResponse(exposition(tiers_told(request)), content_type=CONTENT_TYPE)


@public  # as above
@never_cache
@require_GET
def metrics_pool(request: HttpRequest) -> HttpResponse:
    """What each PgBouncer of a tier (`?tier=`, the first by default) said last; 401, or 404 for a tier that is not there."""
    if not may_read_figures(request):
        return JsonResponse({"error": WANTED}, status=401, headers=CHALLENGE)
    named = request.GET.get("tier", "")
    found, told = Tier.objects.order_by("id"), tiers_told(request)
    if told is not None:
        found = found.filter(slug__in=told)
    tier = (found.filter(slug=named) if named else found).first()
    if tier is None:
        return JsonResponse({"error": f"There is no tier {named!r}." if named else "There is no tier yet."}, status=404)
    answers = store.answers(tier, POOLS.values())
    document = {
        name: [{"node": part.node, "at": part.at, "rows": part.rows} for part in answers[probe]]
        for name, probe in POOLS.items()
    }
    return JsonResponse({"tier": tier.slug, **document})
