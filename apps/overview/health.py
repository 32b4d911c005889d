"""The health of the watched tier: healthy, degraded or unhealthy by the mission's table, from what was polled last.

Nothing is asked of the tier here. What is not known is never healthy: a tier whose primary was not heard of within two
intervals is `unknown`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.metrics import store
from apps.metrics.board import NodeRows
from apps.metrics.kernel import NodeKind, NodeRole, State, Verdict, worst
from apps.metrics.lives import polling
from apps.metrics.models import Tier

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = "healthy", "degraded", "unhealthy", "unknown"

# The checks that classify (mission.md, "Health classification"); lag is judged replica by replica, see `_replicas`.
CLASSIFYING = (
    "queries.primary_up",
    "queries.p95_health",
    "queries.slow_share",
    "cache.up",
    "cache.memory_health",
    "cache.evictions_health",
    "pools.up",
    "pools.waiting",
)
BADNESS = (State.PASS, State.WARN, State.FAIL)
LAG = "replicas.lag_health"
NODES = "node.state"


@dataclass(frozen=True, slots=True)
class Health:
    """The tier's health at a moment; `services` has the mission's shape."""

    tier: str
    status: str
    at: datetime
    polled_at: datetime | None
    services: Mapping[str, Any]

    def brief(self) -> dict[str, Any]:
        """For `/health`."""
        polled = self.polled_at.isoformat() if self.polled_at else None
        return {"status": self.status, "timestamp": self.at.isoformat(), "tier": self.tier, "polled_at": polled}

    def detailed(self) -> dict[str, Any]:
        """For `/health/detailed`."""
        return {**self.brief(), "services": self.services}


def assess(tier: Tier) -> Health:
    """The health of a tier from four small reads of our own store."""
    now = timezone.now()
    found = store.verdicts(tier, now=now)
    polled = polling(tier, now)
    answers = store.answers(tier, [NODES, "pools.pools"])
    nodes = [row for part in answers[NODES] for row in part.rows] if polled.known else []
    services = _services(found, nodes, answers["pools.pools"])
    status = classify(found, nodes) if polled.known else UNKNOWN
    return Health(tier.slug, status, now, polled.last_slot, services)


def classify(found: Sequence[Verdict], nodes: Sequence[Mapping[str, Any]]) -> str:
    """The worst part decides. A part of which nothing is known degrades; without knowledge of the primary all is unknown.

    INCONCLUSIVE (nothing happened in the interval, so no rate) is no fault.
    """
    states: list[State] = [v.state for v in found if v.check_id in CLASSIFYING and v.state is not State.INCONCLUSIVE]
    if worst([v.state for v in found if v.check_id == "queries.primary_up"]) not in {State.PASS, State.FAIL}:
        return UNKNOWN
    states += _replicas(found, nodes)
    if State.FAIL in states:
        return UNHEALTHY
    return HEALTHY if all(state is State.PASS for state in states) else DEGRADED


def _replicas(found: Sequence[Verdict], nodes: Sequence[Mapping[str, Any]]) -> list[State]:
    """The lag of those that answer; some down degrades, all down fails."""
    replicas = _of(nodes, NodeKind.POSTGRES, NodeRole.REPLICA)
    down = [row for row in replicas if not row["up"]]
    if replicas and len(down) == len(replicas):
        return [State.FAIL]
    alive = {row["object"] for row in replicas if row["up"]}
    return [v.state for v in found if v.check_id == LAG and v.node in alive] + [State.WARN for _row in down]


def _of(nodes: Sequence[Mapping[str, Any]], kind: NodeKind, role: NodeRole = NodeRole.NONE) -> list[Mapping[str, Any]]:
    return [row for row in nodes if row["kind"] == kind and (row["role"] or row["declared_role"]) == role]


def _services(
    found: Sequence[Verdict], nodes: Sequence[Mapping[str, Any]], pools: Sequence[NodeRows]
) -> dict[str, Any]:
    """What was measured last, None where it is not known; seconds become milliseconds where the name says so."""
    known = {(v.check_id, v.node): v.value for v in found if v.state.known}
    value = _worst_values(found)
    primary = next(iter(_of(nodes, NodeKind.POSTGRES, NodeRole.PRIMARY)), None)
    served = [row for part in pools for row in part.rows if row.get("database") != "pgbouncer"]
    return {
        "database": {
            "primary": {
                "connected": primary["up"] if primary else None,
                "latency_ms": _milliseconds(primary["answer_seconds"]) if primary and primary["up"] else None,
            },
            "replicas": [
                {"name": row["object"], "connected": row["up"], "lag_seconds": known.get((LAG, row["object"]))}
                for row in _of(nodes, NodeKind.POSTGRES, NodeRole.REPLICA)
            ],
        },
        "redis": {
            "connected": _yes(value.get("cache.up")),
            "memory_bytes": value.get("cache.memory_health"),
            "keys": value.get("cache.keys"),
            "evictions": value.get("cache.evictions_health"),
        },
        "pgbouncer": {
            "connected": _yes(value.get("pools.up")),
            "active": sum(row.get("cl_active", 0) for row in served) if value.get("pools.up") else None,
            "waiting": value.get("pools.waiting"),
        },
        "queries": {"p95_ms": value.get("queries.p95_health"), "slow_share": value.get("queries.slow_share")},
    }


def _worst_values(found: Sequence[Verdict]) -> dict[str, float | None]:
    """The value of each check; of several nodes the one that classifies, so that figures and status agree."""
    worst_first = sorted((v for v in found if v.state.known), key=lambda v: BADNESS.index(v.state))
    return {v.check_id: v.value for v in worst_first}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _yes(value: float | None) -> bool | None:
    return None if value is None else bool(value)
