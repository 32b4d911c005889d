"""The catalogue of checks: documentation generated from what the rooms declare."""

from dataclasses import dataclass
from itertools import groupby

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.metrics import context
from apps.metrics.kernel import Check
from apps.metrics.probe import Question
from apps.metrics.registry import checks, probes, tier_probes
from apps.metrics.thresholds import limits

_TITLES = {**context.ROOM_TITLES, "node": gettext_lazy("Nodes"), "portal": gettext_lazy("The portal itself")}


@dataclass(frozen=True, slots=True)
class Entry:
    """One check of the catalogue with the question behind it, and what is asked of whom."""

    check: Check
    question: str
    asked_of: str


@allow(Permission.VIEW)
@require_GET
def catalogue(request: HttpRequest) -> HttpResponse:
    """All checks, by room: the documentation of what is judged, generated from the declarations."""
    tier = context.current_tier(request)
    counting = limits(tier).checks if tier else checks()
    ordered = sorted(counting.values(), key=_room_order)
    rooms = [
        (room, str(_TITLES.get(room, room)), [_entry(c) for c in found])
        for room, found in groupby(ordered, key=lambda check: check.room)
    ]
    return render(request, "metrics/catalogue.html", {"rooms": rooms, "count": len(ordered), "tier": tier})


def _room_order(check: Check) -> tuple[int, str]:
    rooms = settings.TIER_ROOMS
    return (rooms.index(check.room) if check.room in rooms else len(rooms), check.room)


def _entry(check: Check) -> Entry:
    probe = probes().get(check.source)
    if probe is None:
        derived = tier_probes()[check.source]
        return Entry(check, derived.says, _("the answers of all nodes together"))
    asked = probe.question
    text = asked.variants[0].text if isinstance(asked, Question) else asked if isinstance(asked, str) else probe.says
    return Entry(check, text, f"{probe.kind.value} {probe.role.value if probe.role else ''}".strip())
