"""The values everything speaks in: Sample, Check, Verdict. Standard library only; judging is a pure function."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = tuple[Row, ...]


class NodeKind(StrEnum):
    """What a node speaks."""

    POSTGRES = "postgres"
    PGBOUNCER = "pgbouncer"
    REDIS = "redis"
    APPLICATION = "application"


class NodeRole(StrEnum):
    """What a node is in its tier: declared by its owner, observed at each poll."""

    PRIMARY = "primary"
    REPLICA = "replica"
    NONE = ""


class Unit(StrEnum):
    """Unit of a metric; `units.show` turns value and unit into text."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    BYTES = "B"
    RATIO = "ratio"
    COUNT = "count"
    PER_SECOND = "/s"
    PER_MINUTE = "/min"
    HOURS = "h"
    DAYS = "d"
    YES_NO = "yes/no"


class State(StrEnum):
    """What a judgement says. Only PASS is good; the last three say that nothing is known and never count as PASS."""

    PASS = "pass"  # noqa: S105  a state, no password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"
    ERROR = "error"

    @property
    def known(self) -> bool:
        """Whether something was measured and could be judged."""
        return self in {State.PASS, State.WARN, State.FAIL}


_BADNESS = (State.PASS, State.WARN, State.INCONCLUSIVE, State.NO_DATA, State.ERROR, State.FAIL)


def worst(states: "list[State] | tuple[State, ...]") -> State:
    """The worst of several states; of none, INCONCLUSIVE, because nothing was measured.

    >>> worst([State.PASS, State.WARN])
    <State.WARN: 'warn'>
    >>> worst([])
    <State.INCONCLUSIVE: 'inconclusive'>
    """
    return max(states, key=_BADNESS.index, default=State.INCONCLUSIVE)


class FailureKind(StrEnum):
    """Why a node or a probe gave no answer."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    WRONG_KIND = "wrong_kind"
    DENIED = "denied"
    BLOCKED = "blocked"
    ERROR = "error"
    MISSED = "missed"
    BACKED_OFF = "backed_off"


@dataclass(frozen=True, slots=True)
class Failure:
    """An expected failure as a value: its kind and, in words, what happened."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured number.

    `metric` is `<probe id>.<name>`; `object` tells which of several (a slot, a pool, a table) on the node; `value` None means that the node
    was asked and has no number for it now (an idle replica's lag). `node` is set only by a tier probe that attributes it to a node.
    """

    metric: str
    value: float | None
    object: str = ""
    node: str = ""


class Direction(StrEnum):
    """Which side of a threshold is bad."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Changed:
    """That somebody set a check's thresholds: what they are by default, who did it (empty: somebody who is gone), when, and why."""

    warn: float | None
    fail: float | None
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, declared once and used by alerts, dashboards, checklists, trees and runbooks.

    HIGH: `value >= warn` warns and `value > fail` fails. LOW: `value <= warn` warns and `value < fail` fails. A threshold may be absent.
    `hold`: how long a state must last before an alert opens; `fail_hold`: another time for failing. `band`: the share of the warning
    threshold by which a value must be better before an open alert closes. `when_null`: the state of a sample without a number.
    `alerting`: False for those that classify health but wake nobody. `shadow`: measured and shown, never part of a verdict.
    """

    id: str
    title: str
    metric: str
    source: str
    unit: Unit
    meaning: str
    remedy: str
    warn: float | None = None
    fail: float | None = None
    direction: Direction = Direction.HIGH
    hold: timedelta = timedelta(seconds=20)
    stale_after: timedelta = timedelta(seconds=25)
    kind: NodeKind | None = None
    role: NodeRole | None = None
    when_null: State = State.INCONCLUSIVE
    runbook: str = ""
    alerting: bool = True
    shadow: bool = False
    fail_hold: timedelta | None = None
    band: float = 0.0
    changed: Changed | None = None

    @property
    def room(self) -> str:
        """The room that declares it: the part of the id before the dot."""
        return self.id.partition(".")[0]

    def judge(self, value: float | None, age: timedelta | None) -> State:
        """State of a value that is `age` old; `age` None means never measured.

        >>> c = Check("a.b", "", "a.b.c", "a.b", Unit.SECONDS, "", "", warn=5, fail=30)
        >>> [c.judge(v, timedelta(0)).value for v in (4.9, 5, 30, 30.1, None, float("nan"))]
        ['pass', 'warn', 'warn', 'fail', 'inconclusive', 'no_data']
        """
        if age is None or age > self.stale_after:
            return State.NO_DATA
        if value is None:
            return self.when_null
        if not math.isfinite(value):
            return State.NO_DATA
        high = self.direction is Direction.HIGH
        if self.fail is not None and (value > self.fail if high else value < self.fail):
            return State.FAIL
        if self.warn is not None and (value >= self.warn if high else value <= self.warn):
            return State.WARN
        return State.PASS

    def hold_of(self, state: State) -> timedelta:
        """How long a state must last before there is an alert of it."""
        return self.fail_hold if state is State.FAIL and self.fail_hold is not None else self.hold

    def clears(self, value: float | None) -> bool:
        """Whether a value that passes is far enough from the first threshold for an open alert to close.

        >>> c = Check("a.b", "", "a.b.c", "a.b", Unit.RATIO, "", "", warn=0.8, fail=0.95, band=0.05)
        >>> [c.clears(v) for v in (0.79, 0.76, 0.75, None)]
        [False, False, True, True]
        """
        first = self.warn if self.warn is not None else self.fail
        if value is None or first is None or not self.band:
            return True
        room = abs(first) * self.band
        return value < first - room if self.direction is Direction.HIGH else value > first + room


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of one node (empty for the tier as a whole) and one object on it, at one moment."""

    check_id: str
    node: str
    object: str
    value: float | None
    state: State
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe brought back from one node: its rows as given, the samples read from them, or why there are none."""

    probe_id: str
    question: str
    rows: Rows = ()
    samples: tuple[Sample, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as one poll found it, given to tier probes.

    `sparing`: the poller backs off from it, `resting`: and leaves it alone in this slot, so that nothing was asked and nothing is known
    to be wrong. `received_bytes`: since the poll before (None: not counted); `busy_seconds`: waited for, less the network's round trips.
    """

    name: str
    kind: NodeKind
    declared_role: NodeRole
    role: NodeRole
    at: datetime | None
    failure: Failure | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    identity: str = ""
    clock_offset_seconds: float | None = None
    duration_seconds: float = 0.0
    sparing: bool = False
    resting: bool = False
    received_bytes: int | None = None
    busy_seconds: float = 0.0

    def rows(self, probe_id: str) -> Rows | None:
        """Rows of a probe, or None when it was not answered."""
        answer = self.answers.get(probe_id)
        return None if answer is None or answer.failure else answer.rows


@dataclass(frozen=True, slots=True)
class TierView:
    """All nodes of a tier at one poll, what this tier probe said at the poll before, and what the portal knows of its own polling."""

    at: datetime
    nodes: tuple[NodeView, ...]
    previous: Rows = ()
    previous_at: datetime | None = None
    portal: Row = field(default_factory=dict)

    def of(self, kind: NodeKind, role: NodeRole | None = None) -> tuple[NodeView, ...]:
        """Nodes of a kind, and of an observed or (while down) declared role."""
        return tuple(n for n in self.nodes if n.kind is kind and (role is None or (n.role or n.declared_role) is role))
