"""What watching costs each node, as pages show it: from the last rows of `node.cost`, judged by the caps that were in force."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from apps.metrics import store
from apps.metrics.budget import COST, COUNTED, Duty
from apps.metrics.kernel import Row, State
from apps.metrics.models import Tier
from apps.metrics.present import SILENT
from apps.metrics.registry import tier_probes


@dataclass(frozen=True, slots=True)
class NodeCost:
    """One node: milliseconds of its server per minute, bytes received per poll, connections, each with its cap; None: not known."""

    node: str
    state: State
    ms: float | None
    ms_cap: float
    counted: bool
    received: float | None
    received_cap: float
    connections: float | None
    connections_cap: float
    asked: str
    at: datetime

    @classmethod
    def of(cls, row: Row, at: datetime, now: datetime) -> "NodeCost":
        """A row of `node.cost`; unknown when it is older than its polls allow."""
        caps, level = row["caps"], Duty(row["level"])
        return cls(
            node=row["node"],
            state=State.NO_DATA if now - at > SILENT else _state(row["used"], level),
            ms=row["ms_per_minute"],
            ms_cap=caps["ms_per_minute"],
            counted=row["measured_by"] == COUNTED,
            received=row["bytes_per_poll"],
            received_cap=caps["bytes_per_poll"],
            connections=row["connections"],
            connections_cap=caps["connections"],
            asked=_asked(level),
            at=at,
        )


def costs(tier: Tier) -> list[NodeCost]:
    """What watching cost each node within the last minute: one statement."""
    now = datetime.now(UTC)
    return [NodeCost.of(row, answer.at, now) for answer in store.answers(tier, [COST])[COST] for row in answer.rows]


def says() -> str:
    """How it is measured, in words."""
    return tier_probes()[COST].says


def _state(used: float | None, level: Duty) -> State:
    if used is None:
        return State.INCONCLUSIVE
    if used > 1:
        return State.FAIL
    return State.WARN if level is not Duty.FULL else State.PASS


def _asked(level: Duty) -> str:
    words = {
        Duty.FULL: _("at every poll"),
        Duty.NO_SLOW: _("backed off: without slow probes"),
        Duty.HALF: _("backed off: every second slot, without slow probes"),
        Duty.QUARTER: _("backed off: every fourth slot, without slow probes"),
    }
    return words[level]
