"""The timeline of a rollout: as a page that prints, as JSON; moving its start and noting something beside the plan."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.metrics.exports import json_file
from apps.rollouts.drawing import drawing
from apps.rollouts.events import remark
from apps.rollouts.forms import MoveForm, NoteForm
from apps.rollouts.models import Rollout
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.schedule import earliest_monday, move
from apps.rollouts.timeline import timeline
from apps.rollouts.timeline_file import document


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def page(request: PersonRequest, rollout: int) -> HttpResponse:
    """Weeks, days and windows, planned and actual; what blocks; the log, notes and known issues of every week."""
    return _page(request, the_rollout(rollout))


def _page(request: PersonRequest, found: Rollout, problem: str = "", status: int = 200) -> HttpResponse:
    seen = timeline(found)
    context = {
        "timeline": seen,
        "drawing": drawing(seen),
        "digest": document(seen)["digest"],
        "proposed": seen.first_monday or earliest_monday(found.tier),
        "may_move": permitted(request.user, Permission.START_ROLLOUT, found.tier.slug),
        "may_note": permitted(request.user, Permission.NOTE, found.tier.slug),
        "problem": problem,
    }
    return render(request, "rollouts/timeline.html", context, status=status)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def as_json(_request: PersonRequest, rollout: int) -> HttpResponse:
    """The timeline as a JSON file."""
    found = the_rollout(rollout)
    return json_file(f"timeline-{slugify(found.name) or found.pk}", document(timeline(found)))


@allow(Permission.START_ROLLOUT, tier_of=tier_of)
@require_POST
def move_start(request: PersonRequest, rollout: int) -> HttpResponse:
    """Let the rollout begin on another Monday; all dates follow."""
    found, form = the_rollout(rollout), MoveForm(request.POST)

    def act() -> str:
        data = _cleaned(form)
        move(found, data["first_monday"], data["why"], data["seen"], request.user)
        return _("The dates follow from %(day)s now.") % {"day": f"{data['first_monday']:%d %b %Y}"}

    return _act(request, found, "plan", act)


@allow(Permission.NOTE, tier_of=tier_of)
@require_POST
def note(request: PersonRequest, rollout: int) -> HttpResponse:
    """Note something for one of its weeks."""
    found, form = the_rollout(rollout), NoteForm(request.POST)

    def act() -> str:
        data = _cleaned(form)
        remark(found, the_week(found, data["week"]), data["text"], request.user)
        return _("The note is kept.")

    return _act(request, found, request.POST.get("week", ""), act)


def _cleaned(form: MoveForm | NoteForm) -> dict[str, Any]:
    """What was typed; raises Refused with the first thing that is wrong with it."""
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise Refused(f"{form.fields[field].label or field}: {errors[0]}")
    return form.cleaned_data


def _act(request: PersonRequest, found: Rollout, anchor: str, act: Callable[[], str]) -> HttpResponse:
    """Do it and come back to the page; a refusal shows the page with its reason."""
    try:
        told = act()
    except Refused as refused:
        return _page(request, found, refused.message, refused.status)
    messages.success(request, told)
    return redirect(f"{reverse('rollouts:timeline', args=[found.pk])}#{slugify(anchor)}")
