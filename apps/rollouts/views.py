"""The pages of rollouts: all of them, one with its weeks, a week with everything it asks for."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.accounts.roles import tiers_seen
from apps.metrics.models import Tier
from apps.rollouts.definitions import newer, newer_of
from apps.rollouts.following import changed, seen
from apps.rollouts.forms import DeployForm, IssueForm, ResolveForm, StartForm, WhyForm
from apps.rollouts.models import Rollout
from apps.rollouts.pins import in_force
from apps.rollouts.progress import progress
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import readiness
from apps.rollouts.schedule import NoDay, earliest_monday
from apps.rollouts.sheet import sheet
from apps.rollouts.start import start


@allow(Permission.VIEW)
@require_GET
def index(request: PersonRequest) -> HttpResponse:
    """All rollouts of the tiers a person may see, and the form that starts one."""
    return _index(request, StartForm(), 200)


def _index(request: PersonRequest, form: StartForm, status: int, tier: str = "") -> HttpResponse:
    seen = tiers_seen(request.user)
    rollouts = Rollout.objects.select_related("tier", "pin", "started_by")
    tiers = Tier.objects.all()
    if seen is not None:
        rollouts, tiers = rollouts.filter(tier__slug__in=seen), tiers.filter(slug__in=seen)
    context = {
        "rollouts": [(rollout, progress(rollout)) for rollout in rollouts],
        "tiers": [(t, earliest_monday(t)) for t in tiers if permitted(request.user, Permission.START_ROLLOUT, t.slug)],
        "form": form,
        "chosen": tier,
    }
    return render(request, "rollouts/index.html", context, status=status)


@allow(Permission.START_ROLLOUT)
@require_POST
def begin(request: PersonRequest, tier: str) -> HttpResponse:
    """Start a rollout on a tier."""
    found, form = get_object_or_404(Tier, slug=tier), StartForm(request.POST)
    if not form.is_valid():
        return _index(request, form, 422, tier)
    try:
        rollout = start(found, form.cleaned_data["name"], request.user, form.cleaned_data["first_monday"])
    except Refused as refused:
        form.add_error("first_monday" if isinstance(refused, NoDay) else "name", refused.message)
        return _index(request, form, refused.status, tier)
    return redirect("rollouts:rollout", rollout=rollout.pk)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def rollout(request: PersonRequest, rollout: int) -> HttpResponse:
    """A rollout: its weeks with their gates, targets of the programme, what follows."""
    found = the_rollout(rollout)
    weeks, force = progress(found), in_force(found)
    current = next((w for w in weeks if w.open and not w.signed), None)
    context = {"rollout": found, "weeks": weeks, "current": current, "plan": force.playbook.plan, "newer": newer(force)}
    return render(request, "rollouts/rollout.html", context)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def week(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """A week: gates on the left, what to do in the middle, who signs on the right."""
    return week_page(request, the_rollout(rollout), week)


def week_page(
    request: PersonRequest, found: Rollout, week: str, problem: str = "", at_item: str = "", status: int = 200
) -> HttpResponse:
    """The page of a week, with what was refused shown at its place."""
    page = sheet(found, the_week(found, week), request.user)
    context = {
        "sheet": page,
        "seen": seen(page),
        "readiness": readiness(page.progress.week, page.progress.done),
        "newer": newer_of(page.progress),
        "problem": problem,
        "at_item": at_item,
        "typed": request.POST if problem else {},
        "deploy_form": DeployForm(),
        "issue_form": IssueForm(),
        "resolve_form": ResolveForm(),
        "why_form": WhyForm(),
    }
    return render(request, "rollouts/week.html", context, status=status)


def item_fragment(
    request: PersonRequest, found: Rollout, week: str, item: str, problem: str, status: int
) -> HttpResponse:
    """For htmx: the item's line anew, and out of band the path, the sign-offs and what others did since the page was drawn."""
    page = sheet(found, the_week(found, week), request.user)
    context = {
        "sheet": page,
        "row": next(row for row in page.rows if row.item.slug == item),
        "seen": seen(page),
        "changed": [row for row in changed(page, request.POST.get("seen", "")) if row.item.slug != item],
        "problem": problem,
        "at_item": item if problem else "",
        "typed": request.POST if problem else {},
        "fragment": True,
    }
    return render(request, "rollouts/week.html#answer", context, status=status)
