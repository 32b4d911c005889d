"""The week's page as rows ready to be shown: each item with its tick, its expectation and what its check says right now."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.policy import Permission, permitted
from apps.metrics.kernel import Check, State, Unit, Verdict, worst
from apps.metrics.store import verdicts
from apps.metrics.templatetags.figures import WORDS
from apps.metrics.thresholds import limits
from apps.metrics.units import show, typed
from apps.playbook.plan import BaselineMetric, Expectation, Improvement, Item, ItemKind, Measure, Mode, Pause
from apps.rollouts.checklist import expected
from apps.rollouts.definitions import since_signed
from apps.rollouts.gates import GateState
from apps.rollouts.holders import Holders, holders, names_of
from apps.rollouts.models import Baseline, Look, Proposal, Reading, Rollout, Tick, Watch
from apps.rollouts.overrides import OverrideRow, Scope, override_rows, scopes
from apps.rollouts.present import Present, present
from apps.rollouts.progress import Progress, Slot
from apps.rollouts.proposals import waiting
from apps.rollouts.signing import held_up, hindrance
from apps.rollouts.since import Change
from apps.rollouts.watching import Entry, entries_of, to_go

MAY = (Permission.TICK, Permission.CAPTURE, Permission.DEPLOY, Permission.NOTE, Permission.OVERRIDE)

Subject: TypeAlias = tuple[str, str]  # a check, and the object it is judged of; empty: all it speaks of


@dataclass(frozen=True, slots=True)
class Live:
    """What a check says at the last poll: worst state, the values in words, when the oldest was measured, and the check itself."""

    check: Check
    state: State
    text: str
    at: datetime | None
    values: tuple[float | None, ...]

    def within(self, expected: Expectation, baseline: float | None) -> "Live":
        """The same as an item asks for it: the check alone may be content with what the item's expectation is not."""
        return replace(self, state=worst([self.state, *(expected.judge(value, baseline) for value in self.values)]))


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item of a checklist.

    `live`: for auto items. `reading`: of a challenge that was read and waits to be confirmed. `proposal`: that it does not apply, which
    waits for a second person. `before`: what has to be settled first, where items are settled in their order.
    """

    item: Item
    tick: Tick | None
    expected: str
    live: Live | None
    reading: Reading | None
    proposal: Proposal | None
    before: Item | None

    @property
    def auto(self) -> bool:
        """Whether a check proves it."""
        return self.item.kind is ItemKind.AUTO

    @property
    def observe(self) -> bool:
        """Whether a person enters a value."""
        return self.item.kind is ItemKind.OBSERVE

    @property
    def challenge(self) -> bool:
        """Whether two people settle it."""
        return self.item.kind is ItemKind.CHALLENGE


@dataclass(frozen=True, slots=True)
class _Halves:
    """What waits for a second person, by item."""

    readings: Mapping[str, Reading]
    proposals: Mapping[str, Proposal]


@dataclass(frozen=True, slots=True)
class PauseRows:
    """A pause point with its rows."""

    pause: Pause
    rows: tuple[ItemRow, ...]

    @property
    def one_by_one(self) -> bool:
        """Whether they are settled one at a time, in their order."""
        return self.pause.mode is Mode.READ_DO

    @property
    def ticked(self) -> int:
        """How many are settled."""
        return sum(row.tick is not None for row in self.rows)


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """A metric of the baseline: what was captured, and what it is now where a check measures it."""

    metric: BaselineMetric
    baseline: Baseline | None
    live: Live | None

    @property
    def value(self) -> str:
        """The captured value with its unit; a dash where there is none."""
        return show(self.baseline.value, self.metric.unit) if self.baseline else "–"

    @property
    def typed(self) -> str:
        """The captured value as it may be typed again; empty where there is none."""
        return typed(self.baseline.value if self.baseline else None, self.metric.unit)


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One thing looked after during the watch: where it stands, the looks at it, and what its check says now."""

    standing: Entry
    live: Live | None
    looks: tuple[Look, ...]

    @property
    def failures(self) -> int:
        """Failed intervals, and looks that found something wrong."""
        return self.standing.tally.failures + self.standing.tally.complaints

    @property
    def missed(self) -> int:
        """Intervals that were observed and not measured."""
        return self.standing.tally.seen - self.standing.tally.measured


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """A promised improvement: the promise in words and the baseline it is measured against."""

    promise: Improvement
    promised: str
    baseline: BaselineRow | None


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A sign-off slot as this person sees it.

    `hindrance`: why they decide nothing in it; `people`: who hold one of its `roles`; `changes`: what changed since it was signed, where it
    is stale.
    """

    slot: Slot
    hindrance: str
    roles: str
    people: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything the week page shows to one person."""

    rollout: Rollout
    progress: Progress
    prerequisites: tuple[PauseRows, ...]
    validation: tuple[PauseRows, ...]
    baselines: tuple[BaselineRow, ...]
    watch: tuple[WatchRow, ...]
    promises: tuple[PromiseRow, ...]
    slots: tuple[SlotRow, ...]
    present: Present | None
    held_up: str
    may_tick: bool
    may_capture: bool
    may_deploy: bool
    may_note: bool
    may_override: bool

    @property
    def folded(self) -> frozenset[str]:
        """The gates that are done: their sections are folded, so that the present one is near."""
        return frozenset(gate.slug for gate in self.progress.gates if gate.state is GateState.DONE)

    @property
    def to_go(self) -> str:
        """How long a running watch still takes; empty while none runs."""
        watch = self.progress.done.watch
        return to_go(watch, datetime.now(UTC)) if watch and watch.ended_at is None else ""

    @property
    def watch_mark(self) -> str:
        """Changes with whatever the watch's part of the page shows."""
        watch = self.progress.done.watch
        told = (self.to_go, watch and (watch.pk, watch.state), [(r.standing, r.looks, r.live) for r in self.watch])
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    @property
    def may_start_watch(self) -> bool:
        """Whether this person could start the watch now."""
        at = self.progress
        idle = at.done.watch is None or at.done.watch.ended_at is not None
        return self.may_deploy and at.open and not at.signed and bool(at.done.deployments) and idle

    @property
    def looked_at(self) -> tuple[WatchRow, ...]:
        """What a person looks at during the watch."""
        return tuple(row for row in self.watch if row.standing.looks_needed)

    @property
    def past_watches(self) -> list[Watch]:
        """Watches of this week that ended before the latest one."""
        return self.progress.done.watches[:-1]

    @property
    def overrides(self) -> tuple[OverrideRow, ...]:
        """The week's overrides, those that count first."""
        return override_rows(self.progress)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What this person could override now."""
        return scopes(self.progress) if self.may_override and self.progress.open and not self.progress.signed else ()

    @property
    def rows(self) -> Iterator[ItemRow]:
        """All items."""
        return (row for pause in (*self.prerequisites, *self.validation) for row in pause.rows)


def sheet(rollout: Rollout, at: Progress, person: Person) -> Sheet:
    """The page of a week for a person: at most five queries beyond the progress (verdicts, readings, proposals, looks, roles)."""
    now = _live(verdicts(rollout.tier), limits(rollout.tier).checks)
    readings = {
        r.item: r for r in Reading.objects.filter(rollout=rollout, week=at.week.slug, used_at=None).select_related("by")
    }
    halves = _Halves(readings, waiting(rollout, at.week.slug))
    pauses = tuple(PauseRows(p, tuple(_item(i, p, at, now, halves) for i in p.items)) for p in at.week.pauses)
    found = holders(rollout.tier.slug)
    baselines = tuple(BaselineRow(m, at.done.baselines.get(m.slug), now.get((m.check, ""))) for m in at.week.baseline)
    return Sheet(
        rollout,
        at,
        tuple(p for p in pauses if p.pause.gate == "prerequisite"),
        tuple(p for p in pauses if p.pause.gate == "validation"),
        baselines,
        _watch(at, now),
        tuple(_promise(p, baselines) for p in at.week.improvements),
        tuple(_slot(rollout, at, slot, person, found) for slot in at.slots),
        present(at, found),
        held_up(at),
        *_may(person, rollout, MAY),
    )


def _watch(at: Progress, now: Mapping[Subject, Live]) -> tuple[WatchRow, ...]:
    looks = tuple(at.done.watch.looks.select_related("by")) if at.done.watch else ()
    return tuple(
        WatchRow(one, now.get((one.entry.check, "")), tuple(look for look in looks if look.entry == one.entry.slug))
        for one in entries_of(at.week, at.done)
    )


def _may(person: Person, rollout: Rollout, wanted: Sequence[Permission]) -> tuple[bool, ...]:
    return tuple(permitted(person, permission, rollout.tier.slug) for permission in wanted)


def _live(found: Sequence[Verdict], known: Mapping[str, Check]) -> dict[Subject, Live]:
    grouped: dict[Subject, list[Verdict]] = {}
    for verdict in found:
        for of in {"", verdict.object}:
            grouped.setdefault((verdict.check_id, of), []).append(verdict)
    return {
        (check_id, of): Live(
            known[check_id],
            worst([v.state for v in mine]),
            _values(known[check_id], mine),
            min((v.at for v in mine if v.at), default=None),
            tuple(v.value for v in mine),
        )
        for (check_id, of), mine in grouped.items()
    }


def _values(check: Check, found: Sequence[Verdict]) -> str:
    """At most three values side by side, the rest counted; one that all have in common is said once."""
    if check.unit is Unit.YES_NO:  # whether yes is good only the check knows
        good = sum(v.state is State.PASS for v in found)
        return (
            str(WORDS[found[0].state])
            if len(found) == 1
            else _("%(good)d of %(all)d pass") % {"good": good, "all": len(found)}
        )
    shown = [show(v.value, check.unit) for v in found if v.value is not None]
    if len(shown) > 1 and len(set(shown)) == 1:
        return _("%(value)s on all %(n)d") % {"value": shown[0], "n": len(shown)}
    return " · ".join(shown[:3]) + (f" · +{len(shown) - 3}" if len(shown) > 3 else "")


def _item(item: Item, pause: Pause, at: Progress, now: Mapping[Subject, Live], halves: _Halves) -> ItemRow:
    live = now.get((item.check, item.of))
    if live is not None and item.expect is not None:
        baseline = at.done.baselines.get(item.expect.against)
        live = live.within(item.expect, baseline.value if baseline else None)
    return ItemRow(
        item,
        at.done.ticks.get(item.slug),
        expected(item),
        live,
        halves.readings.get(item.slug),
        halves.proposals.get(item.slug),
        pause.waits_for(item.slug, at.done.ticks),
    )


def _promise(promise: Improvement, baselines: Sequence[BaselineRow]) -> PromiseRow:
    against = next((b for b in baselines if b.metric.slug == promise.promised.against), None)
    return PromiseRow(promise, in_words(promise.promised), against)


def in_words(e: Expectation) -> str:
    """
    A promise as it is read aloud, a change as more or less of what was.

    >>> in_words(Expectation(unit=Unit.SECONDS, low=-0.5, high=-0.2, measure=Measure.CHANGE))
    '20\xa0% to 50\xa0% less'
    >>> in_words(Expectation(unit=Unit.SECONDS, high=-0.95, measure=Measure.CHANGE))
    'at least 95\xa0% less'
    >>> in_words(Expectation(unit=Unit.COUNT, low=1, measure=Measure.CHANGE)), in_words(Expectation(unit=Unit.COUNT, high=5))
    ('at least 100\xa0% more', 'at most 5')
    """
    unit, ends = "ratio" if e.measure is Measure.CHANGE else e.unit, [v for v in (e.low, e.high) if v is not None]
    if e.measure is Measure.VALUE:
        return _range(*("" if v is None else show(v, unit) for v in (e.low, e.high)))
    low, high = ("" if v is None else show(abs(v), unit) for v in (e.low, e.high))
    if min(ends) >= 0:
        return _("%(range)s more") % {"range": _range(low, high)}
    if max(ends) <= 0:
        return _("%(range)s less") % {"range": _range(high, low)}
    return _("from %(low)s less to %(high)s more") % {"low": low, "high": high}


def _range(least: str, most: str) -> str:
    if least and most:
        return _("%(low)s to %(high)s") % {"low": least, "high": most}
    return _("at least %(low)s") % {"low": least} if least else _("at most %(high)s") % {"high": most}


def _slot(rollout: Rollout, at: Progress, slot: Slot, person: Person, found: Holders) -> SlotRow:
    roles = ", ".join(str(role.label) for role in slot.off.roles)
    stale = slot.signature if slot.stale else None
    changes = since_signed(stale.said, at) if stale else ()
    people = names_of(slot.off.roles, found)
    return SlotRow(slot, hindrance(rollout, at, slot, person), roles, people, changes)
