"""Check now: ask the nodes a check concerns, at this moment, and keep all of what proves the answer.

One of the two places where a page asks the tier directly; bounded by the node deadline, marked live.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from apps.metrics.collect import Collector, NodePoll
from apps.metrics.judge import TIER, Key, Measured, judge
from apps.metrics.kernel import Check, Row, State, Verdict, worst
from apps.metrics.models import Tier
from apps.metrics.poll import Memory, assess, recall, targets_of
from apps.metrics.probe import FAST, Probe
from apps.metrics.readers import Target
from apps.metrics.record import standings
from apps.metrics.registry import probes
from apps.metrics.templatetags.figures import threshold
from apps.metrics.thresholds import limits
from apps.metrics.units import show

SHORTEST_WINDOW = timedelta(seconds=3)  # a counter's rate over less says little
MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check said of one node and object, with everything needed to see why, later and elsewhere.

    `rows`: the raw rows (of this object where they say of what, at most MOST_ROWS); `taken_at`: our clock, ISO 8601 UTC;
    `clock_offset_seconds`: the node's clock minus ours; `thresholds`: the thresholds used in words, and who set them if not the room.
    """

    check_id: str
    title: str
    node: str
    object: str
    state: str
    value: float | None
    unit: str
    shown: str
    warn: float | None
    fail: float | None
    direction: str
    question: str
    rows: tuple[Row, ...]
    taken_at: str
    clock_offset_seconds: float | None
    problem: str
    thresholds: str = ""

    def as_body(self) -> dict[str, Any]:
        """The same as JSON's types, for the ledger and for freezing."""
        return {**asdict(self), "rows": [dict(row) for row in self.rows]}


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of one check now: the worst state over all nodes and objects, and the evidence of each."""

    check: Check
    state: State
    evidence: tuple[Evidence, ...]

    @property
    def failing(self) -> tuple[Evidence, ...]:
        """What did not pass."""
        return tuple(e for e in self.evidence if e.state != State.PASS)

    def of(self, name: str) -> "Checked":
        """The same of one object only, such as a table; INCONCLUSIVE when the check does not speak of it."""
        mine = tuple(e for e in self.evidence if e.object == name)
        return Checked(self.check, worst([State(e.state) for e in mine]), mine)


def check_now(tier: Tier, check_id: str) -> Checked:
    """Run one check on the tier at this moment. Raises KeyError when no room declares it.

    A node that cannot be read gives NO_DATA with the reason; nothing is ever taken for a pass that was not measured now.
    """
    counting = limits(tier)
    check = counting.checks[check_id]
    memory = _recent(tier, check)
    targets, asked = _concerned(tier, check)
    _let_window_grow(check, targets, memory)
    collector = Collector(settings.NODE_DEADLINE, kept=False)
    try:
        polled = collector.poll(targets, asked, memory.before)
    finally:
        collector.close()
    measured = assess(tier, datetime.now(UTC), polled, memory)
    verdicts = judge(measured, [check], _expected(tier, check), counting.of_nodes)
    evidence = tuple(
        _evidence(counting.of(check.id, verdict.node) or check, verdict, measured, polled) for verdict in verdicts
    )
    return Checked(check, worst([v.state for v in verdicts]), evidence)


def _expected(tier: Tier, check: Check) -> dict[Key, Verdict]:
    """Whom the check spoke of at the last poll, with nothing known yet: who says nothing now is missed, not left out."""
    return {
        key: replace(stood.verdict, value=None, state=State.NO_DATA, at=None)
        for key, stood in standings(tier).items()
        if key[0] == check.id
    }


def _recent(tier: Tier, check: Check) -> Memory:
    """What was answered last, without the counters of long ago: a rate over the hours of a stopped worker is none of now."""
    memory = Memory()
    recall(tier, memory)
    oldest = datetime.now(UTC) - check.stale_after
    memory.before = {key: before for key, before in memory.before.items() if before.at >= oldest}
    return memory


def _concerned(tier: Tier, check: Check) -> tuple[list[Target], dict[int, list[Probe]]]:
    """The nodes to ask and what: a probe's own check needs that probe alone, a tier probe's all fast ones and its room's."""
    targets = targets_of(tier)
    source = probes().get(check.source)
    if source is not None:
        wanted = [source]
        targets = [t for t in targets if t.kind is source.kind]
    else:
        wanted = [p for p in probes().values() if p.every == FAST or p.id.startswith(f"{check.room}.")]
    return targets, {t.id: [p for p in wanted if p.kind is t.kind] for t in targets}


def _let_window_grow(check: Check, targets: Sequence[Target], memory: Memory) -> None:
    """Wait until the counters' last reading is old enough to derive from."""
    source = probes().get(check.source)
    if source is None or source.derive is None:
        return
    read = [b.at for t in targets if (b := memory.before.get((t.id, source.id)))]
    wait = (max(read) + SHORTEST_WINDOW - datetime.now(UTC)).total_seconds() if read else 0
    if wait > 0:
        time.sleep(min(wait, SHORTEST_WINDOW.total_seconds()))


def _speaks_of(row: Row, verdict: Verdict) -> bool:
    """Whether a raw row is about what a verdict is about: its object, and its node where the row names one."""
    if "node" in row and verdict.node != TIER and row["node"] != verdict.node:
        return False
    named = str(row.get("object", ""))
    return named == verdict.object if verdict.object else named in {"", verdict.node} or "node" in row


def _evidence(check: Check, verdict: Verdict, measured: Measured, polled: Sequence[NodePoll]) -> Evidence:
    one = next((p for p in polled if p.target.name == verdict.node), None)
    answer = one.answers.get(check.source) if one else None
    answer = answer or measured.tier_answers.get(check.source)
    problem = ""
    if one is not None and one.failure:
        problem = one.failure.message
    elif answer is not None and answer.failure:
        problem = answer.failure.message
    rows = answer.rows if answer else ()
    mine = tuple(row for row in rows if _speaks_of(row, verdict))
    return Evidence(
        check.id,
        check.title,
        verdict.node,
        verdict.object,
        verdict.state.value,
        verdict.value,
        check.unit.value,
        show(verdict.value, check.unit),
        check.warn,
        check.fail,
        check.direction.value,
        answer.question if answer else "",
        (mine or rows)[:MOST_ROWS],
        measured.view.at.isoformat(),
        one.clock_offset.total_seconds() if one and one.clock_offset is not None else None,
        problem,
        threshold(check),
    )
