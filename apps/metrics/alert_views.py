"""Alerts: those open, those that closed, and taking one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.ledger.chain import append
from apps.metrics import context, store
from apps.metrics.kernel import Check, State, Unit
from apps.metrics.models import Alert, NodeStatus, Tier
from apps.metrics.registry import checks

HISTORY = 100


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

    @property
    def unit(self) -> Unit:
        """The unit of its value."""
        return self.check.unit if self.check else Unit.COUNT

    @property
    def room_url(self) -> str:
        """The dashboard that shows the check; empty for checks of no room."""
        room = self.alert.check_id.partition(".")[0]
        return f"/t/{self.alert.tier.slug}/{room}/" if room in settings.TIER_ROOMS else ""


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
def alerts(request: HttpRequest) -> HttpResponse:
    """Open alerts of the current tier, then those that closed."""
    tier = context.current_tier(request)
    opened = store.open_alerts(tier) if tier else []
    polled_at = NodeStatus.objects.filter(node__tier=tier).aggregate(last=Max("slot"))["last"]
    version = _version(polled_at, opened)
    live = bool(getattr(request, "htmx", False))
    if live and request.GET.get("version") == version:
        return HttpResponse(status=204)
    closed = Alert.objects.filter(tier=tier).exclude(closed_at=None).select_related("node", "acknowledged_by")[:HISTORY]
    found = {"tier": tier, "opened": rows(opened), "closed": rows(closed), "version": version, "polled_at": polled_at}
    return render(request, "metrics/alerts.html#live" if live else "metrics/alerts.html", found)


def rows(found: Iterable[Alert]) -> list[AlertRow]:
    """Alerts as pages show them."""
    now, known = timezone.now(), checks()
    return [AlertRow(a, known.get(a.check_id), (a.closed_at or now) - a.opened_at) for a in found]


def _version(polled_at: datetime | None, opened: Sequence[Alert]) -> str:
    """Changes with each poll, and when an alert is opened, closed or taken."""
    marks = [f"{alert.pk}{'!' if alert.acknowledged_at else ''}" for alert in opened]
    return "-".join([f"{polled_at:%Y%m%dT%H%M%S}" if polled_at else "never", *marks])


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
@require_POST
def acknowledge(request: HttpRequest, alert: int) -> HttpResponse:
    """Take an alert: who, when and the note are kept with it and in the ledger; refused when it is closed or taken."""
    form, person = Acknowledgement(request.POST), request.user
    assert isinstance(person, Person)  # the policy lets nobody else through
    with transaction.atomic():
        found = get_object_or_404(
            Alert.objects.select_for_update(of=("self",)).select_related("tier", "node"), pk=alert
        )
        if found.closed_at or found.acknowledged_at:
            messages.warning(request, _("This alert was closed or taken in the meantime; nothing was changed."))
            return redirect("metrics:alert", alert=found.pk)
        if not form.is_valid():
            return _alert_page(request, found, form, status=400)
        take(found, person, form.cleaned_data["note"])
    messages.success(request, _("You have taken this alert. It stays open until the check passes twice in a row."))
    return redirect("metrics:alert", alert=found.pk)


def take(alert: Alert, person: Person, note: str) -> None:
    """Record that a person has taken an alert; call inside a transaction, with the row locked."""
    alert.acknowledged_at, alert.acknowledged_by, alert.note = timezone.now(), person, note
    alert.save(update_fields=["acknowledged_at", "acknowledged_by", "note"])
    append(
        kind="alert.acknowledge",
        subject=f"alert/{alert.pk}/{alert.check_id}",
        actor=person.get_username(),
        body={
            "check": alert.check_id,
            "node": alert.node.name if alert.node else "",
            "object": alert.object,
            "note": note,
        },
        tier=alert.tier.slug,
    )


def _alert_page(request: HttpRequest, found: Alert, form: Acknowledgement, status: int = 200) -> HttpResponse:
    row = rows([found])[0]
    may_take = (
        not found.closed_at
        and not found.acknowledged_at
        and permitted(request.user, Permission.ACKNOWLEDGE, found.tier.slug)
    )
    return render(request, "metrics/alert.html", {"row": row, "form": form, "may_take": may_take}, status=status)
