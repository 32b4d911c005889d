"""The success criteria as a document and as a table, for machines. docs/operating.md describes the keys."""

from datetime import UTC, datetime
from typing import Any

from apps.rollouts.answers import Reached
from apps.rollouts.criteria import Criteria
from apps.rollouts.pins import in_force

FORMAT = "opsportal-criteria/1"


def document(found: Criteria) -> dict[str, Any]:
    """All criteria as they stand at this moment; nothing of it is frozen."""
    rollout = found.rollout
    amended = {week: of_week[-1].pin.digest for week, of_week in in_force(rollout).amendments.items()}
    return {
        "format": FORMAT,
        "rollout": {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug},
        "playbook": rollout.pin.digest,
        **({"amended": amended} if amended else {}),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "said": found.said,
        "counts": {verdict.value: found.counted(verdict) for verdict in Reached},
        "criteria": [row.as_body() for row in found.rows],
    }


def table(found: Criteria) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of the CSV: a column for each key of a criterion."""
    bodies = [row.as_body() for row in found.rows]
    return list(bodies[0]) if bodies else [], [list(body.values()) for body in bodies]
