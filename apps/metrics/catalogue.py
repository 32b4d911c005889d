"""The catalogue of checks: what is declared, how each stands on a tier now, and finding some of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics.context import ROOM_TITLES
from apps.metrics.kernel import Check, State, Verdict, worst
from apps.metrics.probe import Question
from apps.metrics.proof_rows import Proving
from apps.metrics.registry import probes, tier_probes
from apps.metrics.rows import MUTED

TITLES = {**ROOM_TITLES, "node": gettext_lazy("Nodes"), "portal": gettext_lazy("The portal itself")}
NOT_JUDGED = "none"
BAD = "bad"
"""Two answers to how a check stands that are no state: it was not judged here; it warns, fails or misses its data."""
UNPROVED = Proving()


HEAD = (
    *("id", "room", "title", "state", "unit", "direction", "warn", "fail", "hold_seconds", "alerting", "kind", "role"),
    *("metric", "source", "runbook", "meaning", "remedy", "proven_by", "proven_at"),
)
"""Columns of the catalogue as a file, see `row_of`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a check asks: the question behind it, and of whom."""

    check: Check
    question: str
    asked_of: str


@dataclass(frozen=True, slots=True)
class Line:
    """One check of the list: how it stands now, over all its nodes and objects; None where it is not judged."""

    check: Check
    state: State | None
    proving: Proving = UNPROVED

    @property
    def look(self) -> str:
        """The state as it is shown: muted where the check is part of no verdict."""
        return MUTED if self.check.shadow else self.state.value if self.state else State.INCONCLUSIVE.value


@dataclass(frozen=True, slots=True)
class Room:
    """The checks of one room that are looked for."""

    name: str
    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which checks are looked for; empty is any. `text`: every word of it stands in id, title, meaning, remedy or runbook."""

    room: str = ""
    state: str = ""
    proof: str = ""
    text: str = ""

    def takes(self, line: Line) -> bool:
        """Whether a check is among them."""
        check = line.check
        if self.room and check.room != self.room:
            return False
        if self.state and not self._stands(line.state):
            return False
        if self.proof and self.proof != line.proving.stage:
            return False
        told = f"{check.id} {check.title} {check.meaning} {check.remedy} {check.runbook}".casefold()
        return all(word in told for word in self.text.casefold().split())

    def _stands(self, state: State | None) -> bool:
        if self.state == NOT_JUDGED:
            return state is None
        if self.state == BAD:
            return state not in {None, State.PASS, State.INCONCLUSIVE}
        return state is not None and state.value == self.state


def rooms(
    counting: Mapping[str, Check],
    verdicts: Iterable[Verdict],
    wanted: Wanted,
    proved: Mapping[str, Proving] = MappingProxyType({}),
) -> list[Room]:
    """The checks that are looked for, by room, in the order of the rail. `counting`: with the thresholds that count."""
    said: dict[str, list[State]] = {}
    for verdict in verdicts:
        said.setdefault(verdict.check_id, []).append(verdict.state)
    lines = (
        Line(check, worst(said[check.id]) if check.id in said else None, proved.get(check.id, UNPROVED))
        for check in counting.values()
    )
    found = sorted(filter(wanted.takes, lines), key=lambda line: room_order(line.check.room))
    by_room = groupby(found, key=lambda line: line.check.room)
    return [Room(room, str(TITLES.get(room, room)), list(some)) for room, some in by_room]


def row_of(line: Line) -> tuple[Any, ...]:
    """A check as a row of a file; thresholds in its unit, `state` None where it is not judged."""
    check, state = line.check, line.state.value if line.state else None
    judged = (check.unit.value, check.direction.value, check.warn, check.fail, check.hold.total_seconds())
    asked = (check.kind.value if check.kind else None, check.role.value if check.role else None)
    told = (check.metric, check.source, check.runbook, check.meaning, check.remedy)
    newest = line.proving.newest
    proven = (newest.fault, newest.fired_at) if newest else (None, None)
    return (check.id, check.room, check.title, state, *judged, check.alerting, *asked, *told, *proven)


def room_order(room: str) -> tuple[int, str]:
    """Rooms as the rail has them, others after them."""
    known = settings.TIER_ROOMS
    return (known.index(room) if room in known else len(known), room)


def entry_of(check: Check) -> Entry:
    """A check with its question."""
    probe = probes().get(check.source)
    if probe is None:
        return Entry(check, tier_probes()[check.source].says, _("the answers of all nodes together"))
    asked = probe.question
    text = asked.variants[0].text if isinstance(asked, Question) else asked if isinstance(asked, str) else probe.says
    return Entry(check, text, f"{probe.kind.value} {probe.role.value if probe.role else ''}".strip())
