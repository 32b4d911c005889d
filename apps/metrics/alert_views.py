"""Alerts: those open, node by node; their history; one alert, and taking it."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.ledger.chain import append
from apps.metrics import context, muting, store
from apps.metrics.alert_forms import Acknowledgement, HistoryFilter
from apps.metrics.alert_rows import groups, rows, sentence
from apps.metrics.models import Alert, NodeStatus, Tier

CLOSED = 20
PAGE = 100
_BESIDE = ("tier", "node", "cause", "acknowledged_by", "mute", "mute__by")


@allow(Permission.VIEW)
@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """Open alerts of the current tier by node, those that are quiet and why, then the last that closed."""
    tier, now = context.current_tier(request), timezone.now()
    opened = store.open_alerts(tier) if tier else []
    polled_at = NodeStatus.objects.filter(node__tier=tier).aggregate(last=Max("slot"))["last"]
    version = _version(polled_at, opened)
    live = bool(getattr(request, "htmx", False))
    if live and request.GET.get("version") == version:
        return HttpResponse(status=204)
    closed = Alert.objects.filter(tier=tier).exclude(closed_at=None).select_related(*_BESIDE)[:CLOSED]
    loud = [alert for alert in opened if not alert.quiet]
    found = {
        "tier": tier,
        "verdict": sentence(loud),
        "groups": groups(tier, loud) if tier else [],
        "quiet": rows(tier, [alert for alert in opened if alert.quiet]) if tier else [],
        "closed": rows(tier, closed) if tier else [],
        "mutes": muting.coming(tier, now) if tier else [],
        "now": now,
        "version": version,
        "polled_at": polled_at,
    }
    return render(request, "metrics/alerts.html#live" if live else "metrics/alerts.html", found)


def _version(polled_at: datetime | None, opened: Sequence[Alert]) -> str:
    """Changes with each poll, and when an alert is opened, closed, taken or muted."""
    marks = [f"{alert.pk}{'!' if alert.acknowledged_at else ''}{'-' if alert.quiet else ''}" for alert in opened]
    return "-".join([f"{polled_at:%Y%m%dT%H%M%S}" if polled_at else "never", *marks])


@allow(Permission.VIEW)
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """Alerts of the current tier's past, filtered: how long, who took them, why they were quiet, what came before; 400 for a bad filter."""
    tier = context.current_tier(request)
    form = HistoryFilter(request.GET)
    found: list[Alert] = []
    if tier and form.is_valid():
        wanted = {"node__name": "node", "check_id": "check_id", "state": "state"}
        data = form.cleaned_data
        chosen = {lookup: data[name] for lookup, name in wanted.items() if data[name]}
        matching = Alert.objects.filter(tier=tier, opened_at__gte=form.since, **chosen).order_by("-id")
        if data["before"]:
            matching = matching.filter(pk__lt=data["before"])
        found = list(matching.select_related(*_BESIDE)[: PAGE + 1])
    query = request.GET.copy()
    query.pop("before", None)
    page = {
        "tier": tier,
        "form": form,
        "rows": rows(tier, found[:PAGE], told=True) if tier else [],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "query": query.urlencode(),
    }
    return render(request, "metrics/alert_history.html", page, status=200 if form.is_valid() else 400)


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
    found = get_object_or_404(Alert.objects.select_related(*_BESIDE), pk=alert)
    return _alert_page(request, found, Acknowledgement())


@allow(Permission.ACKNOWLEDGE, tier_of=tier_of_alert)
@require_POST
def acknowledge(request: HttpRequest, alert: int) -> HttpResponse:
    """Take an alert, and the node's others where that is asked for: who, when and the note are kept with each and in the ledger."""
    form, person = Acknowledgement(request.POST), request.user
    assert isinstance(person, Person)  # the policy lets nobody else through
    with transaction.atomic():
        found = get_object_or_404(_locked(alert, others="others" in request.POST), pk=alert)
        if found.closed_at or found.acknowledged_at:
            messages.warning(request, _("This alert was closed or taken in the meantime; nothing was changed."))
            return redirect("metrics:alert", alert=found.pk)
        if not form.is_valid():
            return _alert_page(request, found, form, status=400)
        others = list(_others(found)) if form.cleaned_data["others"] else []
        for one in [found, *others]:
            take(one, person, form.cleaned_data["note"])
    text = ngettext(
        "You have taken this alert. It stays open until the check passes twice in a row.",
        "You have taken %(n)d alerts. Each stays open until its check passes twice in a row.",
        len(others) + 1,
    )
    messages.success(request, text % {"n": len(others) + 1})
    return redirect("metrics:alert", alert=found.pk)


def _locked(alert: int, *, others: bool) -> QuerySet[Alert]:
    """Alerts with this one locked; with `others` all open ones of its tier, in the order in which a poll locks them."""
    locked = Alert.objects.select_for_update(of=("self",)).select_related("tier", "node")
    if others:
        list(locked.filter(tier__alerts=alert, closed_at=None).order_by("pk"))
    return locked


def _others(found: Alert) -> QuerySet[Alert]:
    """The node's other open alerts that nobody has taken."""
    same = Alert.objects.filter(tier=found.tier, node=found.node, closed_at=None, acknowledged_at=None)
    return same.exclude(pk=found.pk).select_related("tier", "node")


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
    row = rows(found.tier, [found], told=True)[0]
    may_take = (
        not found.closed_at
        and not found.acknowledged_at
        and permitted(request.user, Permission.ACKNOWLEDGE, found.tier.slug)
    )
    page = {
        "row": row,
        "form": form,
        "may_take": may_take,
        "may_mute": permitted(request.user, Permission.MUTE, found.tier.slug),
        "others": _others(found).count() if may_take else 0,
    }
    return render(request, "metrics/alert.html", page, status=status)
