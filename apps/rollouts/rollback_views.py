"""The rollback of a week: whether it is ready, starting it or a drill of it, and the run with its clock."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.metrics.pages import tier_of as tier_seen
from apps.playbook.plan import Week
from apps.rollouts.commands import commands
from apps.rollouts.forms import EndRollbackForm, RollbackForm, StepForm
from apps.rollouts.models import DrilledOn, RollbackEnd, RollbackRun, Rollout, StepState
from apps.rollouts.pins import pinned
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import course, readiness
from apps.rollouts.rollback_run import begin, finish, rollback_of, settle
from apps.rollouts.start import playbook_of


@allow(Permission.VIEW)
@require_GET
def of_tier(request: PersonRequest, tier: str, week: str) -> HttpResponse:
    """From a decision tree, which knows tier and block only, to the rollback of the rollout that brought the block there last."""
    found = Rollout.objects.filter(tier=tier_seen(request, tier))
    known = [one for one in found if week in {known.slug for known in playbook_of(one).weeks}]
    live = [one for one in known if one.deployments.filter(week=week).exists()]
    chosen = next(iter(live or known), None)
    if chosen is None:
        messages.warning(
            request, _("No rollout on this tier has this block, so the portal does not know its way back.")
        )
        return redirect("rollouts:index")
    return redirect("rollouts:rollback", rollout=chosen.pk, week=week)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def page(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Whether the way back of a week is ready, its steps, and every time it was gone."""
    return _page(request, the_rollout(rollout), week)


def _page(request: PersonRequest, found: Rollout, week: str, refused: Refused | None = None) -> HttpResponse:
    at = the_week(found, week)
    page = {
        "rollout": found,
        "at": at,
        "week": at.week,
        "readiness": readiness(at.week, at.done),
        "runs": [course(run, at.week.rollback) for run in at.done.rollbacks] if at.week.rollback else (),
        "running": next((run for run in at.done.rollbacks if run.ended_at is None), None),
        "places": DrilledOn.choices,
        "may": permitted(request.user, Permission.DEPLOY, found.tier.slug),
        "problem": refused.message if refused else "",
    }
    return render(request, "rollouts/rollback.html", page, status=refused.status if refused else 200)


@allow(Permission.DEPLOY, tier_of=tier_of)
@require_POST
def start(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Start the rollback, or a drill of it."""
    found, form = the_rollout(rollout), RollbackForm(request.POST)
    try:
        _refuse(form)
        data = form.cleaned_data
        run = begin(found, the_week(found, week), data["drilled_on"], data["why"], request.user)
    except Refused as refused:
        return _page(request, found, week, refused)
    return redirect("rollouts:rollback-run", rollout=rollout, run=run.pk)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def run(request: PersonRequest, rollout: int, run: int) -> HttpResponse:
    """A run: the clock against the promise, the step that is to be done now, and what was done before."""
    return _run_page(request, *_found(rollout, run))


def _run_page(request: PersonRequest, found: RollbackRun, week: Week, refused: Refused | None = None) -> HttpResponse:
    """The page; asked by htmx, its live part, and the form only where another step is the present one than before."""
    going = course(found, rollback_of(week))
    said = sum(len(row.said) for row in going.rows)
    present = str(going.present.number if going.present else 0)
    version = f"{said}-{found.end}"
    if request.htmx and request.GET.get("version") == version:
        return HttpResponse(status=204)
    page = {
        "course": going,
        "run": found,
        "week": week,
        "version": version,
        "asked": present,
        "anew": bool(found.end) or request.GET.get("asked") != present,
        "may": permitted(request.user, Permission.DEPLOY, found.rollout.tier.slug),
        "commands": commands(found),
        "problem": refused.message if refused else "",
    }
    template = "rollouts/rollback_run.html#live" if request.htmx else "rollouts/rollback_run.html"
    return render(request, template, page, status=refused.status if refused else 200)


@allow(Permission.DEPLOY, tier_of=tier_of)
@require_POST
def step(request: PersonRequest, rollout: int, run: int) -> HttpResponse:
    """Say what became of the present step."""
    form = StepForm(request.POST)

    def act(found: RollbackRun, week: Week) -> None:
        data = form.cleaned_data
        settle(found, week, data["number"], StepState(data["state"]), data["note"], request.user)

    return _act(request, rollout, run, form, act)


@allow(Permission.DEPLOY, tier_of=tier_of)
@require_POST
def end(request: PersonRequest, rollout: int, run: int) -> HttpResponse:
    """End a run: finished, failed or abandoned."""
    form = EndRollbackForm(request.POST)

    def act(found: RollbackRun, week: Week) -> None:
        data = form.cleaned_data
        finish(found, week, RollbackEnd(data["end"]), data["why"], request.user)

    return _act(request, rollout, run, form, act)


def _act(
    request: PersonRequest, rollout: int, run: int, form: forms.Form, act: Callable[[RollbackRun, Week], None]
) -> HttpResponse:
    found, week = _found(rollout, run)
    try:
        _refuse(form)
        act(found, week)
    except Refused as refused:
        return _run_page(request, *_found(rollout, run), refused)
    return redirect("rollouts:rollback-run", rollout=rollout, run=run)


def _refuse(form: forms.Form) -> None:
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise Refused(f"{form.fields[field].label}: {errors[0]}")


def _found(rollout: int, run: int) -> tuple[RollbackRun, Week]:
    """A run and the week of the playbook along which it went, adopted since or not; raises Http404."""
    runs = RollbackRun.objects.select_related("rollout__tier", "pin", "by", "ended_by")
    found = get_object_or_404(runs, pk=run, rollout=rollout)
    return found, pinned(found.pin.digest).week(found.week)
