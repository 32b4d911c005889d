"""What is measured so far for a week's baseline, and its capture from there."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.metrics.histories import HistoryUnreachable
from apps.rollouts.baseline import WINDOWS, metric_of
from apps.rollouts.gathering import gathered, left_to_do, said, too_late
from apps.rollouts.reach import the_rollout, the_week, tier_of

DEFAULT = "1h"


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def page(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Have of need for each metric in the window that is asked for; another word than those of WINDOWS is taken for an hour."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    asked = request.GET.get("window", DEFAULT)
    window, problem, rows = asked if asked in WINDOWS else DEFAULT, "", []
    deployed = bool(at.done.deployments)
    try:
        rows = [] if deployed else gathered(found, at.week, window)
    except HistoryUnreachable as error:
        problem = str(error)
    may = permitted(request.user, Permission.CAPTURE, found.tier.slug) and at.open and not deployed
    context = {
        "rollout": found,
        "at": at,
        "rows": rows,
        "said": too_late(at) if deployed else said(rows) if rows else "",
        "left": left_to_do(at) if deployed else "",
        "enough": all(row.enough for row in rows),
        "window": window,
        "windows": list(WINDOWS),
        "entered": [metric for metric in at.week.baseline if not metric_of(metric)],
        "may_override": permitted(request.user, Permission.OVERRIDE, found.tier.slug),
        "may": may and not problem,
        "problem": problem,
    }
    return render(request, "rollouts/gathering.html", context, status=503 if problem else 200)
