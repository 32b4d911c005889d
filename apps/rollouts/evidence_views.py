"""The evidence bundle of a rollout and of a week, to be downloaded and verified elsewhere."""

from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.ledger.checkpoints import NotSigned
from apps.playbook.plan import Week
from apps.rollouts.evidence import bundle
from apps.rollouts.models import Rollout
from apps.rollouts.reach import the_rollout, the_week, tier_of


@allow(Permission.READ_LEDGER, tier_of=tier_of)
@never_cache
@require_GET
def rollout_bundle(request: PersonRequest, rollout: int) -> HttpResponseBase:
    """Everything recorded about a rollout."""
    return _answer(request, the_rollout(rollout))


@allow(Permission.READ_LEDGER, tier_of=tier_of)
@never_cache
@require_GET
def week_bundle(request: PersonRequest, rollout: int, week: str) -> HttpResponseBase:
    """Everything recorded about one week, and the rollout's start."""
    found = the_rollout(rollout)
    return _answer(request, found, the_week(found, week).week)


def _answer(request: PersonRequest, rollout: Rollout, week: Week | None = None) -> HttpResponseBase:
    """The file; 503 with the reason when the ledger cannot be signed."""
    try:
        data = bundle(rollout, week)
    except NotSigned as error:
        return render(request, "rollouts/no_bundle.html", {"rollout": rollout, "why": str(error)}, status=503)
    name = "-".join(part for part in ("evidence", slugify(rollout.name), week.slug if week else "") if part)
    return FileResponse(data, as_attachment=True, filename=f"{name}.zip", content_type="application/zip")
