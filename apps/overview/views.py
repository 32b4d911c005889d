"""The first page, and the watched tier's health for machines."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.policy import Permission, allow, public
from apps.accounts.request import PersonRequest
from apps.ledger.state import standing
from apps.metrics import context, shell, store
from apps.metrics.figures import Drawing, draw
from apps.metrics.kept import kept
from apps.metrics.kernel import Check
from apps.metrics.lives import Polling, polling_since
from apps.metrics.marks import marks
from apps.metrics.models import Alert, Tier
from apps.metrics.pages import refuse, tier_of
from apps.metrics.present import Present, status_of
from apps.metrics.ranges import CHOICES, LABELS, BadRange, Range, read_range
from apps.metrics.readings import Readings
from apps.metrics.unchanged import polled
from apps.overview import away
from apps.overview import health as healths
from apps.overview.away import Digest, digest, look
from apps.overview.summary import (
    Component,
    Programme,
    Waiting,
    boards,
    components,
    programme,
    reader,
    sentence,
    waiting,
)

CHARTS = (("replicas", 0), ("queries", 0))


@dataclass(frozen=True, slots=True)
class Around:
    """What the first page says around the part that refreshes."""

    tier: Tier
    within: Range
    ranges: Sequence[tuple[str, str]]
    away: Digest | None


@dataclass(frozen=True, slots=True)
class Page:
    """What the first page shows to one person."""

    tier: Tier
    data: Readings
    within: Range
    sentence: str
    components: Sequence[Component]
    polling: Polling
    programme: Programme | None
    alerts: Sequence[tuple[Alert, Check | None]]
    quiet: int
    waiting: Sequence[Waiting]
    drawings: Sequence[tuple[str, Drawing]]
    ledger_trouble: str

    @property
    def said(self) -> Hashable:
        """What it says besides that for which the store's mark and version stand: two that say the same look the same."""
        notice = (
            self.polling.overdue, self.polling.last_slot, self.polling.worker_alive, self.polling.beat_alive,
            self.polling.killed_at, self.polling.back_at, self.polling.beginning,
        )  # fmt: skip
        alerts = tuple((alert.pk, alert.state, alert.value, alert.acknowledged_at) for alert, _check in self.alerts)
        return (
            self.sentence,
            notice,
            alerts,
            self.quiet,
            tuple(self.waiting),
            self.ledger_trouble,
            self.programme.said if self.programme else None,
        )


@polled
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
    known = context.present_of(request, tier)
    data = reader(tier, known)
    if request.htmx and request.GET.get("version") == data.version:
        return HttpResponse(status=204)
    page = _page(request, known, data, within)
    key = ("overview", request.path, within.query, get_language(), known.version, known.mark, page.said)
    inner = {"page": page, "path": request.path}
    body = kept(key, lambda: render_to_string("overview/page.html#body", inner).encode())
    told = digest(look(request.user, tier))
    around = Around(tier, within, [(name, str(LABELS[name])) for name in CHOICES], told)
    template = "overview/page.html#live" if request.htmx else "overview/page.html"
    return shell.answer(request, template, {"page": around}, body, (within.query, told.said if told else None))


def _page(request: PersonRequest, known: Present, data: Readings, within: Range) -> Page:
    tier = data.tier
    alerts, quiet = kept(("alerts", tier.pk, known.mark), lambda: _opened(data))
    state, under_way = polling_since(data.polled_at), programme(tier)
    key = ("components", tier.pk, within.query, get_language(), known.version, known.mark)
    parts, drawings = kept(key, lambda: (components(tier, known.verdicts), _drawings(tier, data, within)))
    down = [node.name for node in data.nodes if (status := status_of(node)) and not status.up]
    return Page(
        tier=tier, data=data, within=within, sentence=sentence(parts, state, down), components=parts, polling=state,
        programme=under_way, alerts=alerts, quiet=quiet,
        waiting=waiting(request.user, tier, under_way, [alert for alert, _check in alerts]), drawings=drawings,
        ledger_trouble=kept(("ledger", get_language(), known.version), lambda: standing().trouble),
    )  # fmt: skip


def _opened(data: Readings) -> tuple[list[tuple[Alert, Check | None]], int]:
    """Open alerts that call somebody, each with its check, and how many are quiet."""
    opened = store.open_alerts(data.tier)
    calling = [alert for alert in opened if not alert.quiet]
    named = [(alert, data.limits.of(alert.check_id, alert.node.name if alert.node else "")) for alert in calling]
    return named, len(opened) - len(calling)


@allow(Permission.VIEW)
@require_POST
def dismiss(request: PersonRequest, tier: str) -> HttpResponse:
    """Put aside what happened since the person was away."""
    away.dismiss(request.user, tier_of(request, tier))
    return redirect(f"/?tier={tier}")


def _drawings(tier: Tier, data: Readings, within: Range) -> list[tuple[str, Drawing]]:
    """The charts, each with the address of its dashboard."""
    charts = [next(b for b in boards() if b.room == room).charts[place] for room, place in CHARTS]
    lines, names, marked = data.lines(charts, within), data.in_colour, marks(tier, within, charts)
    return [
        (
            reverse(f"{room}:page", args=[tier.slug]),
            draw(chart, lines, within, names, data.judged(chart), marked=marked, unreadable=data.unreadable),
        )
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
