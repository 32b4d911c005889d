"""What the checks of a tree say of a tier now, with what they were read from."""

from collections.abc import Callable, Sequence

import orjson

from apps.metrics import store
from apps.metrics.board import NodeRows
from apps.metrics.kernel import Verdict
from apps.metrics.models import Tier
from apps.metrics.thresholds import limits
from apps.playbook.guides import Tree
from apps.runbooks.walking import Reading

_MOST = 4000
"""Characters of raw rows that a page shows of one check; the room's own page has all of them."""


def readings(tree: Tree, tier: Tier, found: Sequence[Verdict]) -> Callable[[str], Reading | None]:
    """Says by a check's id what it says: two queries for the whole tree (thresholds, latest answers)."""
    counting = limits(tier).checks
    known = {node.check: counting[node.check] for node in tree.nodes if node.check in counting}
    asked = store.answers(tier, {check.source for check in known.values()})
    return {
        name: Reading(
            check,
            [verdict for verdict in found if verdict.check_id == name],
            next((rows.question for rows in asked[check.source] if rows.question), ""),
            _raw(asked[check.source]),
        )
        for name, check in known.items()
    }.get


def _raw(answers: Sequence[NodeRows]) -> str:
    """The rows node by node, one a line."""
    said = [f"{a.node or '–'}  {orjson.dumps(dict(row), default=str).decode()}" for a in answers for row in a.rows[:3]]
    return "\n".join(said)[:_MOST]
