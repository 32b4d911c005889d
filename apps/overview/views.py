"""The first page, and the watched tier's health for machines."""

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.policy import Permission, allow, public
from apps.accounts.request import PersonRequest
from apps.metrics import context, store
from apps.metrics.figures import Drawing, draw
from apps.metrics.kept import kept
from apps.metrics.lives import polling
from apps.metrics.models import Tier
from apps.metrics.pages import refuse, tier_of
from apps.metrics.ranges import CHOICES, LABELS, BadRange, Range, read_range
from apps.metrics.readings import Readings, status_of
from apps.overview import away
from apps.overview import health as healths
from apps.overview.away import digest, look
from apps.overview.summary import boards, components, programme, reader, sentence, waiting

CHARTS = (("replicas", 0), ("queries", 0))


@allow(Permission.VIEW)
@require_safe
def overview(request: PersonRequest) -> HttpResponse:
    """The verdict first, then components, what waits for this person, alerts, two charts; refreshed in place."""
    tier = context.current_tier(request)
    if tier is None:
        return render(request, "overview/empty.html")
    try:
        within = read_range(request.GET, timezone.now())
    except BadRange as problem:
        return refuse(request, problem)
    found = context.verdicts(request, tier)
    data = reader(tier, found)
    if request.htmx and request.GET.get("version") == data.version:
        return HttpResponse(status=204)
    opened = store.open_alerts(tier)
    alerts = [alert for alert in opened if not alert.quiet]
    state, under_way = polling(tier), programme(tier)
    key = ("overview", tier.pk, within.query, get_language(), data.version, store.mark(tier))
    parts, drawings = kept(key, lambda: (components(tier, found), _drawings(tier, data, within)))
    down = [node.name for node in data.nodes if (status := status_of(node)) and not status.up]
    page = {
        "tier": tier, "data": data, "within": within, "ranges": [(n, str(LABELS[n])) for n in CHOICES],
        "sentence": sentence(parts, state, down), "components": parts, "polling": state, "programme": under_way,
        "alerts": [(alert, data.limits.of(alert.check_id, alert.node.name if alert.node else "")) for alert in alerts],
        "quiet": len(opened) - len(alerts),
        "waiting": waiting(request.user, tier, under_way, alerts),
        "drawings": drawings,
        "away": digest(look(request.user, tier)),
    }  # fmt: skip
    return render(request, "overview/page.html#live" if request.htmx else "overview/page.html", {"page": page})


@allow(Permission.VIEW)
@require_POST
def dismiss(request: PersonRequest, tier: str) -> HttpResponse:
    """Put aside what happened since the person was away."""
    away.dismiss(request.user, tier_of(request, tier))
    return redirect(f"/?tier={tier}")


def _drawings(tier: Tier, data: Readings, within: Range) -> list[tuple[str, Drawing]]:
    """The charts, each with the address of its dashboard."""
    charts = [next(b for b in boards() if b.room == room).charts[place] for room, place in CHARTS]
    lines, names = data.lines(charts, within), [node.name for node in data.nodes]
    return [
        (reverse(f"{room}:page", args=[tier.slug]), draw(chart, lines, within, names, data.limits.of(chart.check)))
        for (room, _place), chart in zip(CHARTS, charts, strict=True)
    ]


def _tier(slug: str | None) -> Tier | None:
    tiers = Tier.objects.order_by("id")
    return (tiers.filter(slug=slug) if slug else tiers).first()


@public
@never_cache
@require_safe
def health(request: PersonRequest) -> JsonResponse:
    """`{"status", "timestamp", "tier"}` of the watched tier; 503 when it is unhealthy or not known."""
    return _health(request, detailed=False)


@public
@never_cache
@require_safe
def health_detailed(request: PersonRequest) -> JsonResponse:
    """The same with `services` as the mission describes them, from what was polled last."""
    return _health(request, detailed=True)


def _health(request: PersonRequest, *, detailed: bool) -> JsonResponse:
    tier = _tier(request.GET.get("tier"))
    if tier is None:
        problem = "There is no such tier. Name one with ?tier=, or leave it out for the first."
        return JsonResponse({"status": "unknown", "error": problem}, status=404)
    told = healths.assess(tier)
    body = told.detailed() if detailed else told.brief()
    return JsonResponse(body, status=200 if told.status in {"healthy", "degraded"} else 503)
