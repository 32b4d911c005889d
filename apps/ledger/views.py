"""The ledger's pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.ledger.models import Entry


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The newest entries first."""
    return render(request, "ledger/index.html", {"entries": Entry.objects.all()[:50]})


@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """One entry."""
    return render(request, "ledger/entry.html", {"entry": get_object_or_404(Entry, seq=seq)})


@require_GET
def export(request: HttpRequest, format: str) -> HttpResponse:
    """A file of entries."""
    return HttpResponse(status=501)
