"""The ledger's pages. Who may call them stands in `apps.accounts.third_party`; which tiers they see, on the request."""

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.ledger.export import as_csv, as_json
from apps.ledger.models import Entry
from apps.ledger.search import Filter
from apps.ledger.verify import links

PAGE = 50


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The newest entries first, filtered; 400 with the reasons for a filter that makes no sense."""
    form = Filter(request.GET)
    entries: list[Entry] = list(form.entries(_tiers(request))[: PAGE + 1]) if form.is_valid() else []
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "form": form,
        "entries": entries[:PAGE],
        "older": entries[PAGE - 1].seq if len(entries) > PAGE else None,
        "query": query.urlencode(),
        "paged": "before" in request.GET,
        "last": Entry.objects.first(),
    }
    return render(request, "ledger/index.html", context, status=200 if form.is_valid() else 400)


@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """One entry: in words, its exact bytes, its hash, and how it stands between its neighbours."""
    around = {found.seq: found for found in Entry.objects.filter(seq__range=(seq - 1, seq + 1))}
    found, tiers = around.get(seq), _tiers(request)
    if found is None or (tiers is not None and found.tier and found.tier not in tiers):
        raise Http404(f"There is no entry {seq}.")
    previous, following = around.get(seq - 1), around.get(seq + 1)
    context = {
        "entry": found,
        "previous": previous,
        "following": following,
        "links": links(found, previous, following),
        "exact": bytes(found.body).decode(),
    }
    return render(request, "ledger/entry.html", context)


@require_GET
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """Everything the filter finds, as `ledger.csv` or `ledger.json`."""
    wanted = Filter(request.GET)
    if form not in {"csv", "json"}:
        raise Http404("The ledger is exported as csv or json.")
    if not wanted.is_valid():
        return HttpResponse(wanted.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    entries = wanted.entries(_tiers(request)).iterator(chunk_size=2000)
    lines = as_csv(entries) if form == "csv" else as_json(entries)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    return StreamingHttpResponse(
        lines, content_type=kind, headers={"Content-Disposition": f'attachment; filename="ledger.{form}"'}
    )


def _tiers(request: HttpRequest) -> frozenset[str] | None:
    """The tiers whose entries this person may see; none when nobody has said."""
    tiers: frozenset[str] | None = getattr(request, "tiers_seen", frozenset())
    return tiers
