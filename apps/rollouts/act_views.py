"""What is done in a week: ticking, capturing, deploying, noting. Each answers with the page or, for htmx, with the item's line."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.metrics.units import read
from apps.rollouts.attachments import uploads
from apps.rollouts.baseline import capture
from apps.rollouts.checklist import Wish, tick, undo
from apps.rollouts.events import deploy, note_issue, resolve_issue
from apps.rollouts.forms import DeployForm, IssueForm, ResolveForm, TickForm, WhyForm
from apps.rollouts.models import Issue
from apps.rollouts.reach import the_item, the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.views import item_fragment, week_page


def first_error(form: forms.Form) -> str:
    """What is wrong with a form first, with the name of the field."""
    field, errors = next(iter(form.errors.items()))
    return f"{form.fields[field].label}: {errors[0]}"


def _back(rollout: int, week: str, anchor: str) -> HttpResponse:
    return redirect(f"{reverse('rollouts:week', args=[rollout, week])}#{anchor}")


def on_item(request: PersonRequest, rollout: int, week: str, item: str, act: Callable[[], object]) -> HttpResponse:
    """Do something to an item and answer for it; a refusal is shown at the item, with its status."""
    found, problem, status = the_rollout(rollout), "", 200
    try:
        act()
    except Refused as refused:
        problem, status = refused.message, refused.status
    if request.htmx:
        return item_fragment(request, found, week, item, problem, status)
    if problem:
        return week_page(request, found, week, problem, item, status)
    return _back(rollout, week, f"item-{item}")


@allow(Permission.TICK, tier_of=tier_of)
@require_POST
def tick_item(request: PersonRequest, rollout: int, week: str, item: str) -> HttpResponse:
    """Settle an item; an auto item runs its check now."""
    found = the_rollout(rollout)
    at, form = the_week(found, week), TickForm(request.POST)
    wanted = the_item(at, item)

    def act() -> None:
        if not form.is_valid():
            raise Refused(first_error(form))
        data = form.cleaned_data
        files = uploads(request.FILES.getlist("files"))
        wish = Wish(data["value"], data["note"], data["not_applicable"], files, data["reading"])
        tick(found, at, wanted, wish, request.user)

    return on_item(request, rollout, week, item, act)


@allow(Permission.TICK, tier_of=tier_of)
@require_POST
def undo_item(request: PersonRequest, rollout: int, week: str, item: str) -> HttpResponse:
    """Take a tick back, with a reason."""
    found = the_rollout(rollout)
    at, form = the_week(found, week), WhyForm(request.POST)
    wanted = the_item(at, item)

    def act() -> None:
        if not form.is_valid():
            raise Refused(first_error(form))
        undo(found, at, wanted, form.cleaned_data["why"], request.user)

    return on_item(request, rollout, week, item, act)


def in_week(request: PersonRequest, rollout: int, week: str, anchor: str, act: Callable[[], str]) -> HttpResponse:
    """Do something in a week; `act` returns what to tell. A refusal shows the page again with it."""
    try:
        told = act()
    except Refused as refused:
        return week_page(request, the_rollout(rollout), week, refused.message, anchor, refused.status)
    messages.success(request, told)
    return _back(rollout, week, anchor)


@allow(Permission.CAPTURE, tier_of=tier_of)
@require_POST
def capture_baseline(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Freeze the samples of the chosen window, and the values a person entered."""
    found = the_rollout(rollout)
    at = the_week(found, week)

    def act() -> str:
        entered = {}
        for metric in at.week.baseline:
            if typed := request.POST.get(f"entered-{metric.slug}", "").strip():
                try:
                    entered[metric.slug] = read(typed, metric.unit)
                except ValueError as error:
                    raise Refused(f"{metric.title}: {error}") from error
        early = request.POST.get("early") == "yes"
        taken, lacking = capture(found, at, request.POST.get("window", ""), entered, request.user, early=early)
        told = _("%(count)d metrics were captured.") % {"count": len(taken)}
        if lacking:
            told += " " + _("Without three samples in the window: %(names)s.") % {
                "names": ", ".join(m.title for m in lacking)
            }
        return told

    return in_week(request, rollout, week, "baseline", act)


@allow(Permission.DEPLOY, tier_of=tier_of)
@require_POST
def record_deployment(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Record that the week's change was deployed."""
    found, form = the_rollout(rollout), DeployForm(request.POST)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        deploy(found, the_week(found, week), form.cleaned_data["what"], form.cleaned_data["minutes"], request.user)
        return _("The deployment is recorded. Next: validate it.")

    return in_week(request, rollout, week, "deployed", act)


@allow(Permission.NOTE, tier_of=tier_of)
@require_POST
def note(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Note an issue."""
    found, form = the_rollout(rollout), IssueForm(request.POST)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        data = form.cleaned_data
        files = uploads(request.FILES.getlist("files"))
        at, blocks = the_week(found, week), data["blocker"]
        note_issue(found, at, data["text"], data["known"], request.user, blocker=blocks, files=files)
        if blocks:
            return _("The blocker is noted. Nobody approves this week until it is closed.")
        return _("The issue is noted and part of what is signed.")

    return in_week(request, rollout, week, "issues", act)


@allow(Permission.NOTE, tier_of=tier_of)
@require_POST
def resolve(request: PersonRequest, rollout: int, week: str, issue: int) -> HttpResponse:
    """Close an issue."""
    found, form = the_rollout(rollout), ResolveForm(request.POST)
    seen = get_object_or_404(Issue, pk=issue, rollout=found, week=week)

    def act() -> str:
        if not form.is_valid():
            raise Refused(first_error(form))
        resolve_issue(found, the_week(found, week), seen, form.cleaned_data["resolution"], request.user)
        return _("The issue is closed.")

    return in_week(request, rollout, week, "issues", act)
