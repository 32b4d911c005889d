"""A decision tree that walks itself: nodes bound to a check are answered by what it says now, the others wait for a person.

Whatever was not measured, or too long ago, is never an answer: the walk stops there and both branches stay open. What a person answered
counts before what a check says, so that anybody may look down the other branch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from apps.metrics.kernel import Check, State, Verdict, worst
from apps.metrics.units import show
from apps.playbook.guides import Branch, Finding, Tree, TreeNode
from apps.runbooks.models import WalkAnswer

_MOST_VALUES = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What a bound check says of the tier now; `question` and `rows` are what it was read from, as asked and as answered."""

    check: Check
    verdicts: Sequence[Verdict]
    question: str = ""
    rows: str = ""

    @property
    def finding(self) -> Finding | None:
        """BAD when anything warns or fails, GOOD when everything passes, else nothing: what is not known is no answer."""
        states = [verdict.state for verdict in self.verdicts]
        if self.check.shadow or not states:
            return None
        if {State.WARN, State.FAIL} & set(states):
            return Finding.BAD
        return Finding.GOOD if set(states) == {State.PASS} else None

    @property
    def state(self) -> State:
        """What is shown beside it; never PASS where it does not answer."""
        states = [verdict.state for verdict in self.verdicts]
        match self.finding:
            case Finding.BAD:
                return worst([state for state in states if state.known])
            case Finding.GOOD:
                return State.PASS
        return worst([state for state in states if not state.known])

    @property
    def at(self) -> datetime | None:
        """When the oldest of its values was taken; None where nothing was ever measured."""
        return min((verdict.at for verdict in self.verdicts if verdict.at), default=None)

    @property
    def values(self) -> str:
        """The values that speak, at most three side by side: the bad ones where it is bad."""
        said = [v for v in self.verdicts if self.finding is None or v.state is not State.PASS] or self.verdicts
        shown = [_value(self.check, verdict) for verdict in said if verdict.value is not None and verdict.state.known]
        return " · ".join(shown[:_MOST_VALUES]) + (
            f" · +{len(shown) - _MOST_VALUES}" if len(shown) > _MOST_VALUES else ""
        )

    @property
    def cannot_tell(self) -> str:
        """Why it gives no answer, in words; empty when it gives one."""
        if self.finding is not None:
            return ""
        if self.check.shadow:
            return _("this check is only shown and judges nothing")
        if not self.verdicts:
            return _("it was never measured on this tier")
        return {
            State.NO_DATA: _("there is no recent value"),
            State.ERROR: _("the question was not answered"),
        }.get(self.state, _("what was measured decides nothing"))


def _value(check: Check, verdict: Verdict) -> str:
    where = " ".join(filter(None, (verdict.node, verdict.object)))
    return f"{where} {show(verdict.value, check.unit)}".strip()


@dataclass(frozen=True, slots=True)
class Step:
    """A question that has its answer: by a check (`reading`), or by a person (`said`), who counts before the check."""

    node: TreeNode
    branch: Branch
    reading: Reading | None
    said: WalkAnswer | None

    @property
    def look(self) -> str:
        """The state shown beside it: what the check says where it answered; a person's answer is judged by nobody."""
        return "muted" if self.said or self.reading is None else str(self.reading.state)

    @property
    def others(self) -> Sequence[Branch]:
        """The branches not taken."""
        return [branch for branch in self.node.branches if branch is not self.branch]


@dataclass(frozen=True, slots=True)
class Path:
    """The way so far and where it stands: at a question that nobody has answered, or at an end. `before`: a person's answer to reopen."""

    steps: tuple[Step, ...]
    here: TreeNode
    reading: Reading | None
    before: WalkAnswer | None

    @property
    def ended(self) -> bool:
        """Whether it leads to something to do."""
        return not self.here.branches

    @property
    def said(self) -> bool:
        """Whether people answered any of it."""
        return any(step.said for step in self.steps)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest value was taken on which an answer rests."""
        times = [s.reading.at for s in self.steps if s.reading and s.said is None and s.reading.at]
        return min(times, default=None)

    def evidence(self) -> list[dict[str, Any]]:
        """Everything gathered on the way, as JSON: for the ledger, for freezing, for whoever takes over."""
        here: dict[str, Any] = {"question": self.here.text, "node": self.here.slug}
        return [*(_evidence(step) for step in self.steps), here | _measured(self.reading)]


def _evidence(step: Step) -> dict[str, Any]:
    said: dict[str, Any] = {"question": step.node.text, "node": step.node.slug, "answer": step.branch.answer}
    if step.said:
        said |= {"by": step.said.by.username, "at": step.said.at.isoformat(), "note": step.said.note}
    return said | _measured(step.reading)


def _measured(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return {}
    at = reading.at.isoformat() if reading.at else None
    return {"check": reading.check.id, "state": str(reading.state), "values": reading.values, "measured": at}


def walk(tree: Tree, said: Mapping[str, WalkAnswer], read: Callable[[str], Reading | None], until: str = "") -> Path:
    """
    The way through a tree.

    Args:
        tree: which one; the playbook's rules let none go in a circle.
        said: what people answered, by node.
        read: what a check says now, by its id; None for a check that no longer exists.
        until: stop at this node although it has an answer, so that it can be answered differently.
    """
    steps: list[Step] = []
    here = tree.nodes[0]
    while here.branches:
        reading = read(here.check) if here.check else None
        answer = said.get(here.slug)
        branch = None if here.slug == until else _taken(here, answer, reading)
        if branch is None:
            return Path(tuple(steps), here, reading, answer)
        by_person = answer if answer and answer.then == branch.then else None
        steps.append(Step(here, branch, reading, by_person))
        here = tree.node(branch.then)
    return Path(tuple(steps), here, None, None)


def _taken(node: TreeNode, answer: WalkAnswer | None, reading: Reading | None) -> Branch | None:
    if answer and answer.then:
        return next((branch for branch in node.branches if branch.then == answer.then), None)
    found = reading.finding if reading else None
    return next((branch for branch in node.branches if found and branch.finding is found), None)
