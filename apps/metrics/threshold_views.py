"""One check on one tier: the thresholds that count, who set them and why, what it says now; setting and reverting them."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.metrics import proof_rows, store, thresholds
from apps.metrics.alert_forms import ThresholdForm
from apps.metrics.catalogue import entry_of
from apps.metrics.kernel import Check, Unit
from apps.metrics.models import Threshold, Tier
from apps.metrics.registry import checks
from apps.metrics.units import typed

PAST = 20


def _found(tier: str, check: str) -> tuple[Tier, Check]:
    declared = checks().get(check)
    if declared is None:
        raise Http404("There is no such check.")
    return get_object_or_404(Tier, slug=tier), declared


@allow(Permission.VIEW)
@require_GET
def check(request: HttpRequest, tier: str, check: str) -> HttpResponse:
    """The check as it is judged on this tier."""
    found, declared = _found(tier, check)
    counts = thresholds.limits(found).checks[declared.id]
    ends = {"warn": typed(counts.warn, counts.unit), "fail": typed(counts.fail, counts.unit)}
    return _page(request, found, declared, ThresholdForm(tier=found, check=declared, initial=ends))


@allow(Permission.SET_THRESHOLDS)
@require_POST
def change(request: HttpRequest, tier: str, check: str) -> HttpResponse:
    """Set thresholds, with a reason; 422 with what is wrong when they make no sense."""
    found, declared = _found(tier, check)
    person = request.user
    assert isinstance(person, Person)  # the policy lets nobody else through
    form = ThresholdForm(request.POST, tier=found, check=declared)
    if not form.is_valid():
        return _page(request, found, declared, form, status=422)
    data = form.cleaned_data
    try:
        thresholds.change(found, declared, form.chosen, (data["warn"], data["fail"]), data["reason"], person)
    except thresholds.Refused as error:
        form.add_error(None, str(error))
        return _page(request, found, declared, form, status=422)
    messages.success(request, _("Set. It counts from the next poll on."))
    return redirect("metrics:check", tier=tier, check=check)


@allow(Permission.SET_THRESHOLDS)
@require_POST
def revert(request: HttpRequest, tier: str, check: str, threshold: int) -> HttpResponse:
    """Let the tier's thresholds, or where there are none the declared ones, count again."""
    person = request.user
    assert isinstance(person, Person)
    found = get_object_or_404(
        Threshold.objects.select_related("tier", "node"), tier__slug=tier, check_id=check, pk=threshold
    )
    if thresholds.revert(found, person):
        counts = thresholds.limits(found.tier).of(check, found.node.name if found.node else "")
        if counts is not None and counts.changed is not None:
            messages.success(request, _("Reverted. What is set on the tier counts from the next poll on."))
        else:
            messages.success(request, _("Reverted. The default counts from the next poll on."))
    else:
        messages.warning(request, _("Somebody changed it in the meantime; nothing was changed."))
    return redirect("metrics:check", tier=tier, check=check)


def _page(request: HttpRequest, tier: Tier, declared: Check, form: ThresholdForm, status: int = 200) -> HttpResponse:
    counting = thresholds.limits(tier)
    rows = Threshold.objects.filter(tier=tier, check_id=declared.id).select_related("node", "by", "ended_by")
    page = {
        "tier": tier,
        "check": counting.checks[declared.id],
        "default": declared,
        "form": form,
        "entry": entry_of(counting.checks[declared.id]),
        "standings": [
            (verdict, counting.of(declared.id, verdict.node))
            for verdict in store.verdicts(tier, declared.room)
            if verdict.check_id == declared.id
        ],
        "proving": proof_rows.of_one(declared.id, tier),
        "set": thresholds.in_force(tier).filter(check_id=declared.id).select_related("node", "by"),
        "past": [row for row in rows if row.ended_at is not None][:PAST],
        "may_set": permitted(request.user, Permission.SET_THRESHOLDS, tier.slug) and declared.unit is not Unit.YES_NO,
    }
    return render(request, "metrics/check.html", page, status=status)
