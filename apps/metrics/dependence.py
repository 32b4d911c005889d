"""Which alerts a node that is down explains: its own checks, and those of other nodes and of the tier that need it."""

from collections.abc import Sequence

from apps.metrics.kernel import Check, NodeRole, NodeView
from apps.metrics.registry import explained_by

OF_NODES = "node.up"


def cause_of(check: Check, node: str, nodes: Sequence[NodeView]) -> str | None:
    """The name of the node whose being down explains this check on this node (empty: the tier); None where nothing does.

    A node's own silence is never explained by another: that a replica is down is told although the primary is down too. A role that another
    node fills by now, as after a failover, explains nothing: whoever needs it has it.
    """
    if check.id == OF_NODES:
        return None
    filled = {(one.kind, _role(one)) for one in nodes if one.failure is None}
    down = [one for one in nodes if one.failure is not None]
    return _among([one for one in down if one.name == node or (one.kind, _role(one)) not in filled], check, node)


def spared(check: Check, node: str, nodes: Sequence[NodeView]) -> bool:
    """Whether a node that the poller backs off from explains that this check has no data: its own alert tells that."""
    return _among([one for one in nodes if one.sparing], check, node) is not None


def _among(found: Sequence[NodeView], check: Check, node: str) -> str | None:
    """The one of these nodes that a check on a node (empty: the tier) needs; None where it needs none of them."""
    if any(one.name == node for one in found):
        return node
    for kind, role in explained_by(check.room) if found else ():
        named = next((one.name for one in found if one.kind is kind and _role(one) is role), None)
        if named is not None:
            return named
    return None


def _role(node: NodeView) -> NodeRole:
    return node.role or node.declared_role
