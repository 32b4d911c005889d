"""The watch of a week: where it stands, asked for every few seconds; starting it, looking, aborting it."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.rollouts.act_views import first_error, in_week
from apps.rollouts.forms import LookForm, WhyForm
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.sheet import sheet
from apps.rollouts.watches import abort, begin, look


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def watching(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Where the watch stands, with the path of gates beside; 204 when nothing moved since the page was drawn. 404 without a watch."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    if at.week.watch is None:
        raise Http404("The plan of this week has no watch.")
    page = sheet(found, at, request.user)
    if page.watch_mark == request.GET.get("mark"):
        return HttpResponse(status=204)
    return render(request, "rollouts/week.html#watching", {"sheet": page, "fragment": True})


@allow(Permission.DEPLOY, tier_of=tier_of)
@require_POST
def start(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Start the watch."""
    found = the_rollout(rollout)

    def act() -> str:
        made = begin(found, the_week(found, week), request.user)
        return _("The watch runs until %(when)s UTC; nobody has to stay for that.") % {
            "when": f"{made.ends:%d %b %H:%M}"
        }

    return in_week(request, rollout, week, "watched", act)


@allow(Permission.NOTE, tier_of=tier_of)
@require_POST
def note_look(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Note a look at one thing."""
    found, form = the_rollout(rollout), LookForm(request.POST)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        data = form.cleaned_data
        at, fine = the_week(found, week), data["fine"] == "yes"
        look(found, at, data["entry"], data["note"], request.user, fine=fine)
        return _("Your look is noted.")

    return in_week(request, rollout, week, "watched", act)


@allow(Permission.DEPLOY, tier_of=tier_of)
@require_POST
def stop(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Abort the watch, with a reason."""
    found, form = the_rollout(rollout), WhyForm(request.POST)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        abort(found, the_week(found, week), form.cleaned_data["why"], request.user)
        return _("The watch is aborted and stays on record. Start another one when it is time.")

    return in_week(request, rollout, week, "watched", act)
