"""What the first page says: the tier's verdict in one sentence, each component's state, what waits for this person."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import Person
from apps.accounts.policy import Permission, permitted
from apps.metrics.board import Board
from apps.metrics.context import ROOM_TITLES, room_states
from apps.metrics.kernel import State, Verdict, worst
from apps.metrics.lives import Polling
from apps.metrics.models import Alert, Tier
from apps.metrics.present import Present
from apps.metrics.readings import Readings, readings
from apps.metrics.registry import checks
from apps.metrics.units import show
from apps.rollouts.gates import GateState
from apps.rollouts.models import Rollout
from apps.rollouts.progress import Progress, progress
from apps.rollouts.signing import held_up, hindrance
from apps.rollouts.watching import runs, unlooked

NAMED = 2  # of what is wrong with a component, in its line
_BADNESS = {State.FAIL: 3, State.WARN: 2, State.ERROR: 1, State.NO_DATA: 1}


@dataclass(frozen=True, slots=True)
class Component:
    """One line of the state list: a room of the tier or its application."""

    title: str
    url: str
    state: State
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something only this person, or one of a few, can do now."""

    title: str
    detail: str
    url: str
    button: str


@dataclass(frozen=True, slots=True)
class Programme:
    """The rollout under way and its present week."""

    rollout: Rollout
    weeks: Sequence[Progress]
    current: Progress | None

    @property
    def signed(self) -> int:
        """How many slots of the present week are signed."""
        return sum(slot.good for slot in self.current.slots) if self.current else 0

    @property
    def said(self) -> Hashable:
        """Everything that the first page says of it."""
        at, following = self.current, self.following
        now = (at.week.slug, at.week.title, self.signed, len(at.slots)) if at else None
        weeks = tuple((week.signed, week.open) for week in self.weeks)
        return self.rollout.pk, self.rollout.name, weeks, now, following.week.title if following else ""

    @property
    def following(self) -> Progress | None:
        """The week that opens when the present one is signed."""
        if self.current is None:
            return None
        place = list(self.weeks).index(self.current)
        return self.weeks[place + 1] if place + 1 < len(self.weeks) else None


@cache
def boards() -> tuple[Board, ...]:
    """The boards of all tier rooms, in the order of the settings."""
    return tuple(import_module(f"apps.{room}.views").BOARD for room in settings.TIER_ROOMS)


def components(tier: Tier, found: Sequence[Verdict]) -> list[Component]:
    """Every room in one sentence of its own, and the application."""
    states = room_states(found)
    told = []
    for board in boards():
        data = readings(tier, board, found)
        title = str(ROOM_TITLES.get(board.room, board.room))
        url = reverse(f"{board.room}:page", kwargs={"tier": tier.slug})
        at = max((v.at for v in data.verdicts if v.at), default=None)
        told.append(Component(title, url, states[board.room], board.verdict(data), at))
    return [*told, *_application(found)]


def _application(found: Sequence[Verdict]) -> list[Component]:
    mine = [v for v in found if v.check_id.startswith("app.") and not checks()[v.check_id].shadow]
    if not mine:
        return []
    known: list[State] = [v.state for v in mine if v.state is not State.INCONCLUSIVE]
    state = worst(known or [v.state for v in mine])
    values = {v.check_id: v.value for v in mine if v.state.known}
    parts = []
    if "app.p95" in values:
        parts.append(_("p95 %(value)s") % {"value": show(values["app.p95"], checks()["app.p95"].unit)})
    if "app.error_rate" in values:
        parts.append(_("errors %(value)s") % {"value": show(values["app.error_rate"], checks()["app.error_rate"].unit)})
    if state is State.FAIL and values.get("app.up") == 0:
        parts = [_("it does not answer")]
    elif state in {State.WARN, State.FAIL}:
        worse = sorted({str(checks()[v.check_id].title) for v in mine if v.state is state})
        parts.insert(0, _counted(state, len(worse)) % {"n": len(worse), "what": _first(worse)})
    text = ", ".join(parts) or _("nothing is known of it at present")
    at = max((v.at for v in mine if v.at), default=None)
    return [Component(_("Application"), "/catalogue/checks/#app", state, text, at)]


def _first(titles: Sequence[str]) -> str:
    """The first two, and how many more: a sentence to be read aloud, not the list below it."""
    more = len(titles) - NAMED
    return ", ".join([*titles[:NAMED], *([_("%(n)d more") % {"n": more}] if more > 0 else [])])


def _counted(state: State, n: int) -> str:
    if state is State.FAIL:
        return ngettext("one thing is wrong (%(what)s)", "%(n)d things are wrong (%(what)s)", n)
    return ngettext("one thing needs a look (%(what)s)", "%(n)d things need a look (%(what)s)", n)


def sentence(parts: Sequence[Component], polling: Polling, down: Sequence[str] = ()) -> str:
    """The tier's verdict, to be read aloud: which nodes are `down`, else the worst component's own words, or that all is well."""
    if polling.last_slot is None:
        return _("Nothing has been measured yet.")
    if polling.overdue:
        return _("Polling has stopped, so the state of the tier is not known.")
    if down:
        told = ngettext("%(names)s does not answer.", "%(names)s do not answer.", len(down))
        return told % {"names": ", ".join(down)}
    ranked = sorted(parts, key=lambda part: -_BADNESS.get(part.state, 0))
    bad = [part for part in ranked if _BADNESS.get(part.state, 0)]
    if not any(part.state is State.PASS for part in parts):
        return _("Nothing that was measured could be judged yet.")
    if not bad:
        return _("Everything that is measured is within its limits.")
    first = bad[0].text if bad[0].url.startswith("/t/") else f"{bad[0].title}: {bad[0].text}."
    if len(bad) == 1:
        return first
    rest = ngettext("%(n)d more component needs a look.", "%(n)d more components need a look.", len(bad) - 1)
    return f"{first} {rest % {'n': len(bad) - 1}}"


def programme(tier: Tier) -> Programme | None:
    """The tier's latest rollout; None where there is none."""
    rollout = Rollout.objects.filter(tier=tier).select_related("tier", "pin", "started_by").first()
    if rollout is None:
        return None
    weeks = progress(rollout)
    return Programme(rollout, weeks, next((w for w in weeks if w.open and not w.signed), None))


def waiting(person: Person, tier: Tier, under_way: Programme | None, alerts: Sequence[Alert]) -> list[Waiting]:
    """What this person can do now, most binding first: sign, tick, acknowledge."""
    told: list[Waiting] = []
    if under_way and under_way.current:
        told += _of_week(person, tier, under_way.rollout, under_way.current)
    unseen = [a for a in alerts if a.acknowledged_at is None]
    if unseen and permitted(person, Permission.ACKNOWLEDGE, tier.slug):
        text = ngettext("%(n)d open alert is not acknowledged.", "%(n)d open alerts are not acknowledged.", len(unseen))
        told.append(Waiting(text % {"n": len(unseen)}, "", "/alerts/", _("Look at the alerts")))
    return told


def _of_week(person: Person, tier: Tier, rollout: Rollout, at: Progress) -> list[Waiting]:
    url = reverse("rollouts:week", kwargs={"rollout": rollout.pk, "week": at.week.slug})
    for slot in () if held_up(at) else at.slots:
        if permitted(person, Permission.SIGN, tier.slug) and not hindrance(rollout, at, slot, person):
            where = reverse(
                "rollouts:sign", kwargs={"rollout": rollout.pk, "week": at.week.slug, "slot": slot.off.slug}
            )
            title = _("Sign %(week)s as %(slot)s.") % {"week": at.week.title, "slot": slot.off.title}
            return [Waiting(title, slot.off.meaning, where, _("Review and sign"))]
    gate = next((g for g in at.gates if g.state is GateState.NOW), None)
    if gate is None or gate.slug == "signed" or not permitted(person, gate.permission, tier.slug):
        return []
    if gate.slug == "watched" and runs(at.done) and not unlooked(at.week, at.done, datetime.now(UTC)):
        return []
    title = _("%(week)s: %(gate)s") % {"week": at.week.title, "gate": gate.title.lower()}
    return [Waiting(title, gate.detail, f"{url}#{gate.slug}", _("Go on"))]


def reader(tier: Tier, known: Present) -> Readings:
    """What the charts of the first page are read with."""
    return Readings(tier, "replicas", known.verdicts, present=known)
