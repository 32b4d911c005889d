"""The page of a week's newer definition: what differs, what adopting it takes, and the amendment that the lead signs."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.rollouts.amending import effects, propose_amendment, taken
from apps.rollouts.definitions import newer_of
from apps.rollouts.forms import WhyForm
from apps.rollouts.models import Rollout
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def page(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """What the playbook's files say of a week otherwise than its pin, and how the week came to follow that."""
    return _page(request, the_rollout(rollout), week)


def _page(request: PersonRequest, found: Rollout, week: str, refused: Refused | None = None) -> HttpResponse:
    at = the_week(found, week)
    newer = newer_of(at)
    context = {
        "rollout": found,
        "at": at,
        "newer": newer,
        "takes": list(taken(effects(at, newer.week).said(at))) if newer else [],
        "may": permitted(request.user, Permission.AMEND, found.tier.slug),
        "problem": refused.message if refused else "",
        "typed": request.POST.get("why", ""),
    }
    return render(request, "rollouts/amendment.html", context, status=refused.status if refused else 200)


@allow(Permission.AMEND, tier_of=tier_of)
@require_POST
def draw_up(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Draw up the amendment."""
    found, form = the_rollout(rollout), WhyForm(request.POST)
    at = the_week(found, week)
    try:
        why = form.cleaned_data["why"] if form.is_valid() else ""
        draft = propose_amendment(found, at, newer_of(at), why, request.user)
    except Refused as refused:
        return _page(request, found, week, refused)
    return redirect("rollouts:check", rollout=rollout, draft=draft.pk)
