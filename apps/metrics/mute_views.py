"""Mute windows of a tier: those running and coming, beginning one, ending one early."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.metrics import muting
from apps.metrics.alert_forms import MuteForm
from apps.metrics.models import Mute, Tier
from apps.metrics.registry import checks

PAST = 20


@allow(Permission.VIEW)
@require_http_methods(["GET"])
def mutes(request: HttpRequest, tier: str) -> HttpResponse:
    """The windows, and the form for whoever may mute; `?node=` and `?check_id=` fill it in."""
    found = get_object_or_404(Tier, slug=tier)
    return _page(request, found, MuteForm(initial=request.GET.dict(), tier=found))


@allow(Permission.MUTE)
@require_POST
def begin(request: HttpRequest, tier: str) -> HttpResponse:
    """Mute something for a time; 422 with the reasons for a window that cannot be."""
    found, person = get_object_or_404(Tier, slug=tier), request.user
    assert isinstance(person, Person)  # the policy lets nobody else through
    form = MuteForm(request.POST, tier=found)
    if not form.is_valid():
        return _page(request, found, form, status=422)
    muting.begin(form.mute(person))
    messages.success(request, _("Muted. Alerts are still recorded, and nobody is called for them."))
    return redirect("metrics:mutes", tier=tier)


@allow(Permission.MUTE)
@require_POST
def end(request: HttpRequest, tier: str, mute: int) -> HttpResponse:
    """End a window now."""
    found, person = (
        get_object_or_404(Mute.objects.select_related("tier", "node"), tier__slug=tier, pk=mute),
        request.user,
    )
    assert isinstance(person, Person)
    if muting.end(found, person):
        messages.success(request, _("The window has ended. What is still bad is told at the next poll."))
    else:
        messages.warning(request, _("This window had ended already; nothing was changed."))
    return redirect("metrics:mutes", tier=tier)


def _page(request: HttpRequest, tier: Tier, form: MuteForm, status: int = 200) -> HttpResponse:
    now, known = timezone.now(), checks()
    coming = list(muting.coming(tier, now))
    past = Mute.objects.filter(tier=tier).exclude(pk__in=[mute.pk for mute in coming])
    page = {
        "tier": tier,
        "form": form,
        "now": now,
        "coming": [(mute, known.get(mute.check_id)) for mute in coming],
        "past": [
            (m, known.get(m.check_id)) for m in past.select_related("node", "by", "ended_by").order_by("-id")[:PAST]
        ],
        "may_mute": permitted(request.user, Permission.MUTE, tier.slug),
    }
    return render(request, "metrics/mutes.html", page, status=status)
