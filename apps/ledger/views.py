"""The ledger's pages. Who may call them stands in `apps.accounts.third_party`; which tiers they see, on the request."""

import base64
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.ledger.checkpoints import latest
from apps.ledger.export import as_csv, as_json
from apps.ledger.models import Entry, SignedCheckpoint
from apps.ledger.offline.verify import BrokenClaim, root_by_path
from apps.ledger.proofs import Incomplete, tree
from apps.ledger.search import Filter
from apps.ledger.state import standing
from apps.ledger.tree import Step
from apps.ledger.verify import links

PAGE = 50
PLAIN = "text/plain; charset=utf-8"


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
        "standing": standing(),
    }
    return render(request, "ledger/index.html", context, status=200 if form.is_valid() else 400)


@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """One entry: in words, its exact bytes, its hash, how it stands between its neighbours and under the signed checkpoint."""
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
        "proof": _proof(found),
    }
    return render(request, "ledger/entry.html", context)


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's path to the root of the newest signed checkpoint, and whether it leads there; `told` says why there is none."""

    checkpoint: SignedCheckpoint | None
    steps: tuple[Step, ...] = ()
    holds: bool = False
    told: str = ""

    @property
    def root(self) -> str:
        """The signed root, in hexadecimal."""
        return bytes(self.checkpoint.root).hex() if self.checkpoint else ""


def _proof(entry: Entry) -> Proof:
    checkpoint = latest()
    if checkpoint is None or checkpoint.size < entry.seq:
        return Proof(checkpoint, told=_("It is newer than the last signed checkpoint; the next one covers it."))
    try:
        steps = tuple(tree(checkpoint.size).inclusion(entry.seq))
        reached = root_by_path(entry.seq - 1, checkpoint.size, entry.leaf.hash, [step.hash for step in steps])
    except (Incomplete, BrokenClaim) as error:
        return Proof(checkpoint, told=str(error))
    return Proof(checkpoint, steps, reached == bytes(checkpoint.root))


@require_GET
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """Everything the filter finds, as `ledger.csv` or `ledger.json`."""
    wanted = Filter(request.GET)
    if form not in {"csv", "json"}:
        raise Http404("The ledger is exported as csv or json.")
    if not wanted.is_valid():
        return HttpResponse(wanted.errors.as_text(), status=400, content_type=PLAIN)
    entries = wanted.entries(_tiers(request)).iterator(chunk_size=2000)
    lines = as_csv(entries) if form == "csv" else as_json(entries)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    return StreamingHttpResponse(
        lines, content_type=kind, headers={"Content-Disposition": f'attachment; filename="ledger.{form}"'}
    )


@never_cache
@require_GET
def checkpoint(_request: HttpRequest) -> HttpResponse:
    """The newest signed checkpoint as text (a C2SP signed note); 404 when none was signed yet."""
    found = latest()
    if found is None:
        text = "No checkpoint was signed yet. The worker signs one within a minute once OPSPORTAL_LEDGER_KEY is set.\n"
        return HttpResponse(text, status=404, content_type=PLAIN)
    return HttpResponse(found.note, content_type=PLAIN)


@never_cache
@require_GET
def consistency(_request: HttpRequest, old: int, new: int) -> HttpResponse:
    """
    What shows that the ledger of `new` entries continues the one of `old`: hashes in base64, a line each.

    Only up to the newest signed checkpoint; 404 beyond it, 409 when the store lacks what is needed.
    """
    last = latest()
    if last is None or not 0 < old <= new <= last.size:
        text = f"There is no such pair. The newest signed checkpoint is over {last.size if last else 0} entries.\n"
        return HttpResponse(text, status=404, content_type=PLAIN)
    try:
        steps = tree(new).consistency(old)
    except Incomplete as error:
        return HttpResponse(f"{error} Run `manage.py ledger verify`.\n", status=409, content_type=PLAIN)
    return HttpResponse("".join(f"{base64.b64encode(step).decode()}\n" for step in steps), content_type=PLAIN)


def _tiers(request: HttpRequest) -> frozenset[str] | None:
    """The tiers whose entries this person may see; none when nobody has said."""
    tiers: frozenset[str] | None = getattr(request, "tiers_seen", frozenset())
    return tiers
