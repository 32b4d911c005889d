"""Pages of what is judged: the catalogue of checks, the alerts, and acknowledging one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.policy import Permission, allow, permitted
from apps.ledger.chain import append
from apps.metrics import context, store
from apps.metrics.kernel import Check, State
from apps.metrics.models import Alert, Node, Tier
from apps.metrics.probe import Question
from apps.metrics.readings import status_of
from apps.metrics.registry import checks, probes, tier_probes

HISTORY = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One check of the catalogue with the question behind it, and what is asked of whom."""

    check: Check
    question: str
    asked_of: str


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert with the check it is of (None when the check no longer exists) and how long it lasted."""

    alert: Alert
    check: Check | None
    lasted: timedelta

    @property
    def look(self) -> State:
        """How bad: the worst it was."""
        return State(self.alert.state)


class Acknowledgement(forms.Form):
    """What somebody who takes an alert says about it."""

    note = forms.CharField(
        label=gettext_lazy("What do you know, what are you doing?"),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
        error_messages={"required": gettext_lazy("Write a few words, so that others know what is being done.")},
    )


@allow(Permission.VIEW)
@require_GET
def catalogue(request: HttpRequest) -> HttpResponse:
    """All checks, by room: the documentation of what is judged, generated from the declarations."""
    ordered = sorted(checks().values(), key=_room_order)
    rooms = [
        (room, str(context.ROOM_TITLES.get(room, _("The portal itself and its nodes"))), [_entry(c) for c in found])
        for room, found in groupby(ordered, key=lambda check: check.room)
    ]
    return render(request, "metrics/catalogue.html", {"rooms": rooms, "count": len(ordered)})


def _room_order(check: Check) -> int:
    return settings.TIER_ROOMS.index(check.room) if check.room in settings.TIER_ROOMS else len(settings.TIER_ROOMS)


def _entry(check: Check) -> Entry:
    probe = probes().get(check.source)
    if probe is None:
        derived = tier_probes()[check.source]
        return Entry(check, derived.says, _("the answers of all nodes together"))
    asked = probe.question
    text = asked.variants[0][1] if isinstance(asked, Question) else asked if isinstance(asked, str) else probe.says
    return Entry(check, text, f"{probe.kind.value} {probe.role.value if probe.role else ''}".strip())


@allow(Permission.VIEW)
@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """Open alerts of the current tier, then those that closed."""
    tier = context.current_tier(request)
    opened = store.open_alerts(tier) if tier else []
    version = _version(tier, opened)
    if getattr(request, "htmx", False) and request.GET.get("version") == version:
        return HttpResponse(status=204)
    closed = Alert.objects.filter(tier=tier).exclude(closed_at=None).select_related("node", "acknowledged_by")[:HISTORY]
    page = "metrics/alerts.html#live" if getattr(request, "htmx", False) else "metrics/alerts.html"
    found = {"tier": tier, "opened": _rows(opened), "closed": _rows(closed), "version": version, "polled_at": _polled_at(tier)}
    return render(request, page, found)


def _rows(found: Sequence[Alert]) -> list[AlertRow]:
    now, known = timezone.now(), checks()
    return [AlertRow(a, known.get(a.check_id), (a.closed_at or now) - a.opened_at) for a in found]


def _version(tier: Tier | None, opened: Sequence[Alert]) -> str:
    last = max((a.updated_at for a in opened), default=None)
    taken = sum(1 for a in opened if a.acknowledged_at)
    return f"{store.version(tier) if tier else 'none'}-{len(opened)}-{taken}-{last:%H%M%S}" if last else "none"


def _polled_at(tier: Tier | None) -> object:
    nodes = Node.objects.filter(tier=tier).select_related("status")
    return max((status.slot for status in map(status_of, nodes) if status), default=None)


def tier_of_alert(alert: int, **_more: object) -> str:
    """The slug of the tier an alert belongs to; raises Http404 when there is no such alert."""
    found = Tier.objects.filter(alerts=alert).first()
    if found is None:
        raise Http404("There is no such alert.")
    return found.slug


@allow(Permission.VIEW, tier_of=tier_of_alert)
@require_GET
def alert(request: HttpRequest, alert: int) -> HttpResponse:
    """One alert: what it means, what to do, and the form by which somebody takes it."""
    found = get_object_or_404(Alert.objects.select_related("tier", "node", "acknowledged_by"), pk=alert)
    return _alert_page(request, found, Acknowledgement())


@allow(Permission.ACKNOWLEDGE, tier_of=tier_of_alert)
@require_http_methods(["POST"])
def acknowledge(request: HttpRequest, alert: int) -> HttpResponse:
    """Take an alert: who, when and the note are kept with it and in the ledger; refused when it is closed or taken."""
    form = Acknowledgement(request.POST)
    with transaction.atomic():
        found = get_object_or_404(Alert.objects.select_for_update(of=("self",)).select_related("tier", "node"), pk=alert)
        if found.closed_at or found.acknowledged_at:
            messages.warning(request, _("This alert was closed or taken in the meantime; nothing was changed."))
            return redirect("metrics:alert", alert=found.pk)
        if not form.is_valid():
            return _alert_page(request, found, form, status=400)
        take(found, request.user, form.cleaned_data["note"])
    messages.success(request, _("You have taken this alert. It stays open until the check passes twice in a row."))
    return redirect("metrics:alert", alert=found.pk)


def take(alert: Alert, person: object, note: str) -> None:
    """Record that a person has taken an alert; call inside a transaction, with the row locked."""
    alert.acknowledged_at, alert.acknowledged_by, alert.note = timezone.now(), person, note  # type: ignore[assignment]
    alert.save(update_fields=["acknowledged_at", "acknowledged_by", "note"])
    append(
        kind="alert.acknowledged",
        subject=f"alert/{alert.pk}/{alert.check_id}",
        actor=person.get_username(),  # type: ignore[attr-defined]
        body={"check": alert.check_id, "node": alert.node.name if alert.node else "", "object": alert.object, "note": note},
        tier=alert.tier.slug,
    )


def _alert_page(request: HttpRequest, found: Alert, form: Acknowledgement, status: int = 200) -> HttpResponse:
    row = _rows([found])[0]
    may_take = not found.closed_at and not found.acknowledged_at and permitted(request.user, Permission.ACKNOWLEDGE, found.tier.slug)
    return render(request, "metrics/alert.html", {"row": row, "form": form, "may_take": may_take}, status=status)
