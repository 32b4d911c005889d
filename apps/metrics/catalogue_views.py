"""The catalogue of checks: documentation generated from what the rooms declare, and how each stands now."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.metrics import context, proof_rows
from apps.metrics.catalogue import BAD, HEAD, NOT_JUDGED, TITLES, Line, Wanted, entry_of, room_order, rooms, row_of
from apps.metrics.exports import csv_file, json_file
from apps.metrics.kernel import State
from apps.metrics.models import Tier
from apps.metrics.proof_rows import Stage
from apps.metrics.registry import checks
from apps.metrics.thresholds import limits

FILES = {"csv", "json"}
STATES = (
    ("", _("Every state")),
    (BAD, _("Warns, fails or has no data")),
    (State.FAIL.value, _("Fails")),
    (State.WARN.value, _("Warns")),
    (State.NO_DATA.value, _("No data")),
    (State.PASS.value, _("Passes")),
    (State.INCONCLUSIVE.value, _("Inconclusive")),
    (State.ERROR.value, _("Error")),
    (NOT_JUDGED, _("Not judged here")),
)
STAGES = (
    ("", _("Proven or not")),
    (Stage.PROVEN.value, _("Proven by a fault")),
    (Stage.OLD.value, _("Proven long ago")),
    (Stage.AWAITED.value, _("Not proven here yet")),
    (Stage.NONE.value, _("No fault proves it")),
)


class Filter(forms.Form):
    """Which checks; every field is optional."""

    room = forms.ChoiceField(label=_("Room"), required=False)
    state = forms.ChoiceField(label=_("Now"), required=False, choices=STATES)
    proof = forms.ChoiceField(label=_("Proof"), required=False, choices=STAGES)
    text = forms.CharField(label=_("Text"), required=False, max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = sorted({check.room for check in checks().values()}, key=room_order)
        choices = [("", _("Every room")), *((name, TITLES.get(name, name)) for name in names)]
        self.fields["room"].choices = choices  # type: ignore[attr-defined]

    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        return Wanted(**self.cleaned_data)


@allow(Permission.VIEW)
@require_GET
def catalogue(request: HttpRequest) -> HttpResponse:
    """The checks by room, one line each, those that are looked for, or with `form=csv` or `form=json` all that is declared of them.

    400 with the reasons for a filter that makes no sense.
    """
    tier, form = context.current_tier(request), Filter(request.GET)
    counting = limits(tier).checks if tier else checks()
    valid = form.is_valid()
    verdicts = context.verdicts(request, tier) if tier else ()
    proved = proof_rows.of_all(tier)
    found = rooms(counting, verdicts, form.wanted(), proved) if valid else []
    if valid and request.GET.get("form") in FILES:
        return _file(tier, [line for room in found for line in room.lines], request.GET["form"])
    page = {
        "form": form,
        "filtered": not valid or form.wanted() != Wanted(),
        "rooms": found,
        "count": sum(len(room.lines) for room in found),
        "all": len(counting),
        "proved": sum(one.stage in {Stage.PROVEN, Stage.OLD} for one in proved.values()),
        "unprovable": sum(one.stage is Stage.NONE for one in proved.values()),
        "tier": tier,
    }
    return render(request, "metrics/catalogue.html", page, status=200 if valid else 400)


def _file(tier: Tier | None, lines: Sequence[Line], form: str) -> HttpResponse:
    name = f"{tier.slug}-checks" if tier else "checks"
    rows = [row_of(line) for line in lines]
    if form == "csv":
        return csv_file(name, HEAD, rows)
    return json_file(
        name, {"tier": tier.slug if tier else None, "rows": [dict(zip(HEAD, row, strict=True)) for row in rows]}
    )


@allow(Permission.VIEW)
@require_GET
def one(request: HttpRequest, check: str) -> HttpResponse:
    """A check's own page: on the present tier; without any, what it is."""
    declared = checks().get(check)
    if declared is None:
        raise Http404("There is no such check.")
    if tier := context.current_tier(request):
        return redirect("metrics:check", tier=tier.slug, check=check)
    page = {"check": declared, "entry": entry_of(declared), "proving": proof_rows.of_one(declared.id, None)}
    return render(request, "metrics/catalogue_check.html", page)
