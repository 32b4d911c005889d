"""Which node that is down explains what, after a failover too: an alert is quiet only while what it needs is really away."""

from apps.metrics.dependence import cause_of
from apps.metrics.kernel import Failure, FailureKind, NodeKind, NodeRole, NodeView
from apps.metrics.registry import checks

DOWN = Failure(FailureKind.UNREACHABLE, "nobody there")
LAG, APP, CACHE = (checks()[name] for name in ("replicas.replay_lag", "app.health", "cache.memory"))


def node(
    name: str,
    role: NodeRole,
    *,
    kind: NodeKind = NodeKind.POSTGRES,
    declared: NodeRole | None = None,
    down: bool = False,
) -> NodeView:
    return NodeView(name, kind, declared or role, role, None, DOWN if down else None)


def test_a_primary_that_is_down_explains_its_replicas_until_another_node_is_primary() -> None:
    old, replica = node("old", NodeRole.PRIMARY, down=True), node("replica", NodeRole.REPLICA)
    other = node("other", NodeRole.REPLICA)
    assert cause_of(LAG, "replica", [old, replica, other]) == "old"
    assert cause_of(APP, "", [old, replica, other]) == "old"
    promoted = node("other", NodeRole.PRIMARY, declared=NodeRole.REPLICA)
    assert cause_of(LAG, "replica", [old, replica, promoted]) is None, "it has a primary, and lags behind it"
    assert cause_of(APP, "", [old, replica, promoted]) is None
    assert cause_of(LAG, "old", [old, replica, promoted]) == "old", "what is down explains its own checks all the same"


def test_one_redis_does_not_explain_another() -> None:
    limits, cache = (
        node(name, NodeRole.NONE, kind=NodeKind.REDIS, down=name == "limits") for name in ("limits", "cache")
    )
    assert cause_of(CACHE, "cache", [limits, cache]) is None
    assert cause_of(CACHE, "limits", [limits, cache]) == "limits"
