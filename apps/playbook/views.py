"""The playbook as it stands in its files, for reading; running rollouts read their own pinned copy."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.validate import current


@allow(Permission.VIEW)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Weeks with their items, trees, runbooks and the digest; 503 with every mistake when the playbook cannot be used."""
    try:
        now = current()
    except PlaybookInvalid as invalid:
        return render(request, "playbook/page.html", {"mistakes": invalid.mistakes}, status=503)
    items = sum(1 for week in now.playbook.weeks for _ in week.items())
    context = {"playbook": now.playbook, "digest": now.bundle.digest, "items": items}
    return render(request, "playbook/page.html", context)
