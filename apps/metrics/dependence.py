"""Which alerts a node that is down explains: its own checks, and those of other nodes and of the tier that need it."""

from collections.abc import Sequence

from apps.metrics.kernel import Check, NodeView
from apps.metrics.registry import explained_by

OF_NODES = "node.up"


def cause_of(check: Check, node: str, nodes: Sequence[NodeView]) -> str | None:
    """The name of the node whose being down explains this check on this node (empty: the tier); None where nothing does.

    A node's own silence is never explained by another: that a replica is down is told although the primary is down too.
    """
    if check.id == OF_NODES:
        return None
    down = [one for one in nodes if one.failure is not None]
    if not down:
        return None
    if any(one.name == node for one in down):
        return node
    for kind, role in explained_by(check.room):
        found = next((one.name for one in down if one.kind is kind and (one.role or one.declared_role) is role), None)
        if found is not None:
            return found
    return None
