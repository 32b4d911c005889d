"""The runbooks of the playbook, for reading: they cannot be run from here yet, and the pages say so."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.metrics import context
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.validate import current
from apps.runbooks.naming import called_for, naming


@allow(Permission.VIEW)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All runbooks; those that a check calls for now come first. 503 when the playbook cannot be used."""
    try:
        runbooks = current().playbook.runbooks
    except PlaybookInvalid:
        return render(request, "runbooks/index.html", {"invalid": True}, status=503)
    tier = context.current_tier(request)
    called = called_for(context.verdicts(request, tier)) if tier else set()
    page = {"tier": tier, "called": [r for r in runbooks if r.id in called], "runbooks": runbooks}
    return render(request, "runbooks/index.html", page)


@allow(Permission.VIEW)
@require_GET
def runbook(request: HttpRequest, runbook: str) -> HttpResponse:
    """One runbook, and what names it; 404 for an id that the playbook does not have."""
    try:
        playbook = current().playbook
        found = playbook.runbook(runbook)
    except PlaybookInvalid:
        return render(request, "runbooks/index.html", {"invalid": True}, status=503)
    except KeyError as error:
        raise Http404(f"The playbook has no runbook {runbook}.") from error
    tier = context.current_tier(request)
    verdicts = context.verdicts(request, tier) if tier else ()
    page = {"tier": tier, "runbook": found, "naming": naming(playbook, found.id, verdicts)}
    return render(request, "runbooks/page.html", page)
