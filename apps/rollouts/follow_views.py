"""Two people at one list: what the other one did, asked for every few seconds, and the answer of a second person to a proposal."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.rollouts.act_views import on_item
from apps.rollouts.following import changed, seen
from apps.rollouts.proposals import agree, decline
from apps.rollouts.reach import the_item, the_rollout, the_week, tier_of
from apps.rollouts.sheet import sheet


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def news(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """The lines that changed since the page was drawn; 204 when none did."""
    found = the_rollout(rollout)
    page, before = sheet(found, the_week(found, week), request.user), request.GET.get("seen", "")
    marks = seen(page)
    if marks == before:
        return HttpResponse(status=204)
    context = {"sheet": page, "seen": marks, "changed": changed(page, before), "fragment": True}
    return render(request, "rollouts/week.html#news", context)


@allow(Permission.TICK, tier_of=tier_of)
@require_POST
def agree_to(request: PersonRequest, rollout: int, week: str, item: str) -> HttpResponse:
    """Be the second person who says that a critical item does not apply."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    wanted = the_item(at, item)
    return on_item(request, rollout, week, item, lambda: agree(found, at, wanted, request.user))


@allow(Permission.TICK, tier_of=tier_of)
@require_POST
def turn_down(request: PersonRequest, rollout: int, week: str, item: str) -> HttpResponse:
    """Decline a proposal, or take one's own back."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    wanted = the_item(at, item)
    return on_item(request, rollout, week, item, lambda: decline(found, at, wanted, request.user))
