"""Overriding verdicts from the week's page: making or proposing one, confirming it as second person, ending it."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.rollouts.act_views import first_error, in_week
from apps.rollouts.forms import OverrideForm, WhyForm
from apps.rollouts.models import Override
from apps.rollouts.overrides import confirm, override, take_back
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused

ANCHOR = "overrides"


@allow(Permission.OVERRIDE, tier_of=tier_of)
@require_POST
def add(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Override a verdict; a critical one waits for a second person."""
    found, form = the_rollout(rollout), OverrideForm(request.POST)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        data = form.cleaned_data
        made = override(found, the_week(found, week), data["scope"], data["reason"], data["length"], request.user)
        if made.critical:
            return _("The override is proposed. It counts when a second person has confirmed it.")
        return _("The override counts until %(when)s UTC.") % {"when": f"{made.expires_at:%d %b %H:%M}"}

    return in_week(request, rollout, week, ANCHOR, act)


@allow(Permission.OVERRIDE, tier_of=tier_of)
@require_POST
def second(request: PersonRequest, rollout: int, week: str, override: int) -> HttpResponse:
    """Confirm somebody else's override."""
    found = the_rollout(rollout)
    wanted = get_object_or_404(Override, pk=override, rollout=found, week=week)

    def act() -> str:
        confirm(found, the_week(found, week), wanted, request.user)
        return _("The override counts until %(when)s UTC.") % {"when": f"{wanted.expires_at:%d %b %H:%M}"}

    return in_week(request, rollout, week, ANCHOR, act)


@allow(Permission.OVERRIDE, tier_of=tier_of)
@require_POST
def finish(request: PersonRequest, rollout: int, week: str, override: int) -> HttpResponse:
    """End an override, or decline a proposed one."""
    found, form = the_rollout(rollout), WhyForm(request.POST)
    wanted = get_object_or_404(Override, pk=override, rollout=found, week=week)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        take_back(found, the_week(found, week), wanted, form.cleaned_data["why"], request.user)
        return _("The override does not count any more; it stays on record.")

    return in_week(request, rollout, week, ANCHOR, act)
