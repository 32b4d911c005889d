"""What a playbook says, as frozen values: the plan, its weeks, their items, baselines, watches, rollbacks, sign-off slots.

The field names are the keys of the YAML files: `read` builds these values by the type hints below, so a key exists once.
`Annotated` hints (`Slug`, `CheckId`, …) tell the reader which names are allowed. Ratios are fractions (0.1 is 10 %; a file
may say `10 %`), durations are timedeltas (`24 h` in a file). `source` is where a value was written and no part of its
meaning: equality ignores it. The module is long because the format of a week is to be read in one place.
"""

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum
from typing import Annotated, TypeAlias

from django.utils.translation import gettext as _

from apps.accounts.roles import Role
from apps.metrics.kernel import State, Unit
from apps.metrics.units import show
from apps.playbook.mistakes import Mark

DEFAULT_COVERAGE = 0.95
"""Share of the expected samples that a watch needs; with fewer it is inconclusive."""
ALL_TARGETS = "all"
"""The `target` of an item that waits for every success criterion: those of the blocks and those of the programme."""
STEPS = 24
"""Into so many steps a stretch is divided over which a promised value is read."""


class Name(StrEnum):
    """What kind of name a text is; the reader holds the known ones."""

    SLUG = "slug"
    CHECK = "check"
    METRIC = "metric"
    RUNBOOK = "runbook"
    SYSTEM = "system"


Slug: TypeAlias = Annotated[str, Name.SLUG]
CheckId: TypeAlias = Annotated[str, Name.CHECK]
MetricName: TypeAlias = Annotated[str, Name.METRIC]
RunbookId: TypeAlias = Annotated[str, Name.RUNBOOK]
SystemSlug: TypeAlias = Annotated[str, Name.SYSTEM]


class WeekKind(StrEnum):
    """PREPARATION and FINAL deploy nothing; a BLOCK does, and has a baseline, a watch and a rollback."""

    PREPARATION = "preparation"
    BLOCK = "block"
    FINAL = "final"


class ItemKind(StrEnum):
    """Who or what proves an item.

    AUTO: its check, run at the moment of ticking. OBSERVE: a person enters a value, judged against the expectation.
    ATTEST: a person says so, with a note. CHALLENGE: one person reads, another one confirms.
    """

    AUTO = "auto"
    OBSERVE = "observe"
    ATTEST = "attest"
    CHALLENGE = "challenge"


class Gate(StrEnum):
    """When a pause point is worked through: before the deployment, or after it."""

    PREREQUISITE = "prerequisite"
    VALIDATION = "validation"


class Mode(StrEnum):
    """How a pause point is gone through.

    DO_CONFIRM: the work is done from memory and experience, then confirmed in any order. READ_DO: one item at a time, in order.
    """

    DO_CONFIRM = "do-confirm"
    READ_DO = "read-do"


class Better(StrEnum):
    """Which way of a metric is the good one."""

    LOWER = "lower"
    HIGHER = "higher"


class Strength(StrEnum):
    """How a slot may be signed. ANY: as the portal's settings allow. PASSKEY: with a passkey only."""

    ANY = "any"
    PASSKEY = "passkey"


class Measure(StrEnum):
    """What is compared with a range: the value itself, its relative change against a baseline, or its difference."""

    VALUE = "value"
    CHANGE = "change"
    DIFFERENCE = "difference"


class Weekday(StrEnum):
    """A day of the week, or whichever the team agrees on."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Anything that stands in a file."""

    source: Mark = field(default=Mark(), compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(Written):
    """A range, both ends included, one of them may be absent.

    `unit` is that of the measured value. VALUE and DIFFERENCE: `low` and `high` are in that unit; CHANGE: they are
    fractions (-0.2 is 20 % less than the baseline). `against`: the baseline metric of this week. `slack`: a difference
    from the baseline of at most this much, in `unit`, is no change.
    """

    unit: Unit
    low: float | None = None
    high: float | None = None
    measure: Measure = Measure.VALUE
    against: Slug = ""
    slack: float = 0.0

    def judge(self, value: float | None, baseline: float | None = None) -> State:
        """PASS or FAIL; NO_DATA without a finite value, INCONCLUSIVE without the baseline it needs.

        >>> e = Expectation(unit=Unit.MILLISECONDS, high=0.1, measure=Measure.CHANGE, against="p95", slack=25)
        >>> [e.judge(v, b).value for v, b in ((270, 250), (290, 250), (20, 4), (9, None), (None, 9))]
        ['pass', 'fail', 'pass', 'inconclusive', 'no_data']
        """
        if value is None or not math.isfinite(value):
            return State.NO_DATA
        if self.measure is not Measure.VALUE:
            if baseline is None or not math.isfinite(baseline):
                return State.INCONCLUSIVE
            value -= baseline
            if self.slack and abs(value) <= self.slack:
                return State.PASS
            if self.measure is Measure.CHANGE:
                if not baseline:
                    return State.INCONCLUSIVE
                value /= baseline
        above = self.low is None or value >= self.low
        below = self.high is None or value <= self.high
        return State.PASS if above and below else State.FAIL

    def words(self) -> str:
        """The range as a person reads it.

        >>> Expectation(unit=Unit.COUNT, low=30, high=50).words()
        '30 to 50'
        >>> Expectation(unit=Unit.COUNT, high=0.1, measure=Measure.CHANGE, against="rows", slack=5).words()
        'at most 10\xa0% against the baseline rows, or within ±5 of it'
        """
        unit = Unit.RATIO if self.measure is Measure.CHANGE else self.unit
        low, high = show(self.low, unit), show(self.high, unit)
        if self.low == self.high:
            found = _("exactly %s") % low
        elif self.low is None or self.high is None:
            found = _("at most %s") % high if self.low is None else _("at least %s") % low
        else:
            found = _("%(low)s to %(high)s") % {"low": low, "high": high}
        if self.against:
            found = _("%(range)s against the baseline %(name)s") % {"range": found, "name": self.against}
        if self.slack:
            found = _("%(range)s, or within ±%(slack)s of it") % {"range": found, "slack": show(self.slack, self.unit)}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Written):
    """One line of a checklist.

    AUTO: `check` must be PASS on every node and object, or those of one object (`of`, such as a table), and each of its values within
    `expect` where that is given; or `target`, one of the plan's or ALL_TARGETS, must be met on the page of the success criteria.
    OBSERVE: the entered value must be within `expect`. `how`: what to do or type to find out. `critical`: it cannot be
    waived by one person alone. `differs`: in one line, why this is not what the original procedure said.
    """

    slug: Slug
    kind: ItemKind
    text: str
    why: str
    check: CheckId = ""
    of: str = ""
    target: Slug = ""
    expect: Expectation | None = None
    critical: bool = False
    how: str = ""
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Written):
    """A pause point: five to nine items that are gone through together before the work goes on."""

    slug: Slug
    title: str
    gate: Gate
    items: tuple[Item, ...]
    mode: Mode = Mode.DO_CONFIRM

    def waits_for(self, slug: str, settled: Container[str]) -> Item | None:
        """The item that has to be settled before this one: in READ_DO mode the first open one before it; else none."""
        if self.mode is Mode.READ_DO:
            for item in self.items:
                if item.slug == slug:
                    return None
                if item.slug not in settled:
                    return item
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Written):
    """When the deployment may run, in the tier's own time zone: weekday and times of day."""

    day: Weekday
    start: time
    end: time
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(Written):
    """One line of the day-by-day plan.

    `day` (to `until`) gives it its dates in calendar week `week` of the block; without a day it is that whole calendar week.
    """

    name: str
    what: str
    day: Weekday = Weekday.ANY
    until: Weekday = Weekday.ANY
    week: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Written):
    """One step of a deployment or a rollback: what is done, the command a person would type, and how long it takes.

    `afterwards`: of a rollback, that it comes when the promised time has ended, such as looking for the cause.
    """

    text: str
    command: str = ""
    at_least: timedelta | None = None
    at_most: timedelta | None = None
    differs: str = ""
    afterwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMetric(Written):
    """What is captured before the deployment: a check's metric, a metric by name, or (`how`) a value a person enters.

    No regression: worse by at most `tolerance` (a fraction of the baseline) or by at most `slack` (in `unit`).
    """

    slug: Slug
    title: str
    unit: Unit
    better: Better
    check: CheckId = ""
    metric: MetricName = ""
    how: str = ""
    tolerance: float = 0.1
    slack: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEntry(Written):
    """One thing looked after during a watch.

    With a `check` it is judged `every` so often; more than `max_tolerated_failures` failures fail it, more than
    `consecutive_errors_allowed` errors in a row fail it too. Without one a person does it. `look_every`: how often a
    person looks and notes.
    """

    slug: Slug
    title: str
    check: CheckId = ""
    every: timedelta | None = None
    look_every: timedelta | None = None
    max_tolerated_failures: int = 0
    consecutive_errors_allowed: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Written):
    """The monitoring after a deployment: inconclusive below `coverage` or with a gap over `max_gap` intervals."""

    length: timedelta
    entries: tuple[WatchEntry, ...]
    initial_delay: timedelta = timedelta(0)
    coverage: float = DEFAULT_COVERAGE
    max_gap: int = 3
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement(Written):
    """A promised effect: a change, a difference (both against a baseline metric of the week) or a value reached.

    `check`: where a promised value is read, when it is no baseline metric: at the last poll, or the mean of its samples `over` a stretch
    that ends now. `busiest`: of the STEPS of that stretch the one in which it was highest, such as the busiest hour of a day.
    """

    slug: Slug
    title: str
    better: Better
    promised: Expectation
    check: CheckId = ""
    over: timedelta | None = None
    busiest: bool = False
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIssue(Written):
    """A line of the issue table: what may be seen, what to do, by which runbook."""

    slug: Slug
    issue: str
    action: str
    check: CheckId = ""
    runbook: RunbookId = ""
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback(Written):
    """The way back: `promised` is the time it takes, `within` how long it stays open, `data` what happens to the data."""

    action: str
    promised: timedelta
    data: str
    steps: tuple[Step, ...]
    triggers: tuple[CheckId, ...] = ()
    downtime: str = ""
    within: timedelta | None = None
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff(Written):
    """A slot that one person signs.

    `roles` may; `meaning` is what the signature says; `executed`: whether who executed the deployment may sign it; `strength`: what it
    has to be made with.
    """

    slug: Slug
    title: str
    roles: tuple[Role, ...]
    meaning: str
    executed: bool = True
    strength: Strength = Strength.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Week(Written):
    """A block of the rollout. It opens only when the one before it is fully signed.

    `lasts_weeks`: calendar weeks it is planned for. Its window lies in the first of them.
    """

    slug: Slug
    title: str
    kind: WeekKind
    about: str
    pauses: tuple[Pause, ...]
    sign_offs: tuple[SignOff, ...]
    lasts_weeks: int = 1
    systems: tuple[SystemSlug, ...] = ()
    window: Window | None = None
    days: tuple[Day, ...] = ()
    baseline: tuple[BaselineMetric, ...] = ()
    deployment: tuple[Step, ...] = ()
    validation: timedelta | None = None
    watch: Watch | None = None
    improvements: tuple[Improvement, ...] = ()
    issues: tuple[KnownIssue, ...] = ()
    rollback: Rollback | None = None

    def items(self, gate: Gate | None = None) -> Iterator[Item]:
        """All items in their order, or those of one gate."""
        return (item for pause in self.pauses if gate in (None, pause.gate) for item in pause.items)

    def pause_of(self, slug: str) -> Pause:
        """The pause point that holds an item; raises KeyError when this week has no such item."""
        for pause in self.pauses:
            if any(item.slug == slug for item in pause.items):
                return pause
        raise KeyError(slug)

    def item(self, slug: str) -> Item:
        """The item of that slug; raises KeyError when this week has none."""
        for item in self.items():
            if item.slug == slug:
                return item
        raise KeyError(slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class System(Written):
    """One of the optimisations that the rollout brings."""

    slug: Slug
    title: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty(Written):
    """Something to do regularly after the rollout."""

    slug: Slug
    rhythm: str
    what: str
    runbook: RunbookId = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Written):
    """The rollout as a whole: its weeks in order, the targets of the programme, what follows in weeks 9 and 10 and later."""

    slug: Slug
    title: str
    about: str
    systems: tuple[System, ...]
    weeks: tuple[Slug, ...]
    targets: tuple[Improvement, ...]
    stabilisation: tuple[Duty, ...]
    long_term: tuple[Duty, ...]
