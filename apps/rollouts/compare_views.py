"""The comparison of a week: its page, and the act of comparing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.metrics.units import read
from apps.playbook.plan import BaselineMetric
from apps.rollouts.baseline import metric_of
from apps.rollouts.comparing import compare_week
from apps.rollouts.distributions import Box, boxes
from apps.rollouts.models import Rollout
from apps.rollouts.progress import Progress
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.scope import Scope, scope_of


@dataclass(frozen=True, slots=True)
class Row:
    """One metric's frozen outcome and both distributions."""

    outcome: dict[str, Any]
    boxes: tuple[Box, Box] | None


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def comparison(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """What the comparison that stands says of each metric."""
    found = the_rollout(rollout)
    return _page(request, found, the_week(found, week))


def _page(request: PersonRequest, found: Rollout, at: Progress, problem: str = "", status: int = 200) -> HttpResponse:
    stands = at.done.comparison
    kept = stands.samples if stands else {}
    sides = {m: [[v for _at, v in pairs] for pairs in (s["before"], s["after"])] for m, s in kept.items()}
    may = permitted(request.user, Permission.CAPTURE, found.tier.slug) and at.open and not at.signed
    scope = scope_of(found, at)
    rows = [Row(o, boxes(*sides[o["metric"]])) for o in stands.results] if stands else []
    context = {
        "rollout": found,
        "at": at,
        "stands": stands,
        "rows": rows,
        "unknown": [row for row in rows if not row.outcome["shift"] and not row.boxes],
        "scope": scope,
        "entered": _entered(scope) if may else [],
        "may": may and scope.comparable,
        "problem": problem,
    }
    return render(request, "rollouts/comparison.html", context, status=status)


def _entered(scope: Scope) -> Sequence[BaselineMetric]:
    """Metrics whose value after is read elsewhere by a person."""
    return [m for m in scope.metrics if not metric_of(m) and m.slug in scope.baselines]


@allow(Permission.CAPTURE, tier_of=tier_of)
@require_POST
def compare(request: PersonRequest, rollout: int, week: str) -> HttpResponse:
    """Compare now, with the values that a person entered, and keep the outcome."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    try:
        made = compare_week(found, at, _typed(request, scope_of(found, at)), request.user)
    except Refused as refused:
        return _page(request, found, at, refused.message, refused.status)
    messages.success(request, made.said)
    return redirect("rollouts:comparison", rollout=rollout, week=week)


def _typed(request: PersonRequest, scope: Scope) -> dict[str, float]:
    typed = {}
    for metric in _entered(scope):
        if text := request.POST.get(f"after-{metric.slug}", "").strip():
            try:
                typed[metric.slug] = read(text, metric.unit)
            except ValueError as error:
                raise Refused(f"{metric.title}: {error}") from error
    return typed
