"""What names a runbook: the checks that send people to it, the issues, tree ends and duties of the playbook."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.metrics.kernel import Check, State, Verdict, worst
from apps.metrics.registry import checks
from apps.playbook.guides import Playbook, Tree, TreeNode
from apps.playbook.plan import Duty, KnownIssue, Week


@dataclass(frozen=True, slots=True)
class Sending:
    """A check that names a runbook, and what it says of the tier now; None when nothing was judged yet."""

    check: Check
    state: State | None


@dataclass(frozen=True, slots=True)
class Naming:
    """Everything that names one runbook."""

    checks: Sequence[Sending]
    issues: Sequence[tuple[Week, KnownIssue]]
    ends: Sequence[tuple[Tree, TreeNode]]
    duties: Sequence[Duty]


def naming(playbook: Playbook, runbook_id: str, found: Sequence[Verdict]) -> Naming:
    """What names this runbook. `found`: the present verdicts of the tier."""
    plan = playbook.plan
    return Naming(
        sending(runbook_id, found),
        [(week, issue) for week in playbook.weeks for issue in week.issues if issue.runbook == runbook_id],
        [(tree, node) for tree in playbook.trees for node in tree.nodes if runbook_id in node.runbooks],
        [duty for duty in (*plan.stabilisation, *plan.long_term) if duty.runbook == runbook_id],
    )


def sending(runbook_id: str, found: Sequence[Verdict]) -> list[Sending]:
    """The checks that name this runbook, each with its worst present state."""
    states: dict[str, list[State]] = {}
    for verdict in found:
        states.setdefault(verdict.check_id, []).append(verdict.state)
    return [
        Sending(check, worst(states[check.id]) if check.id in states else None)
        for check in checks().values()
        if check.runbook == runbook_id
    ]


def called_for(found: Sequence[Verdict]) -> set[str]:
    """The runbooks that a failing or warning check names at this moment; checks that only measure call for none."""
    bad = {verdict.check_id for verdict in found if verdict.state in {State.WARN, State.FAIL}}
    return {check.runbook for check in checks().values() if check.id in bad and check.runbook and not check.shadow}
