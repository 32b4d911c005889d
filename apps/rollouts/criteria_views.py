"""The success criteria of a rollout: as a page that prints, as JSON and as CSV."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.metrics.exports import csv_file, json_file
from apps.rollouts.criteria import criteria
from apps.rollouts.criteria_file import document, table
from apps.rollouts.reach import the_rollout, tier_of


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def page(request: PersonRequest, rollout: int) -> HttpResponse:
    """Every target with what was, what is, and its verdict."""
    return render(request, "rollouts/criteria.html", {"criteria": criteria(the_rollout(rollout))})


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def as_file(_request: PersonRequest, rollout: int, form: str) -> HttpResponse:
    """The same as a file, `form` being json or csv."""
    found = the_rollout(rollout)
    name = f"criteria-{slugify(found.name) or found.pk}"
    match form:
        case "json":
            return json_file(name, document(criteria(found)))
        case "csv":
            return csv_file(name, *table(criteria(found)))
    raise Http404
