"""The observer budget: what watching costs each node, against a cap, and how far the poller backs off from one that costs too much.

A pure function of polls. Its rows are its memory: they are kept as the latest answer of `node.cost`, so a worker that starts anew goes on
where the one before it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from apps.metrics.kernel import Check, NodeKind, NodeView, Row, Rows, Sample, TierView, Unit
from apps.metrics.probe import Probe, TierProbe, sql

COST, LOGIN = "node.cost", "node.login"
WINDOW_SECONDS = 60
CALM_WINDOWS = 5  # without a slow probe, before they are tried again
ROOM_LEFT = 0.8  # of the cap: what the next level down would use at most
COUNTED, WAITED = "pg_stat_statements", "answers waited for"


class Duty(IntEnum):
    """How much a node is asked."""

    FULL = 0
    NO_SLOW = 1  # slow probes are left out
    HALF = 2  # and every second slot
    QUARTER = 3  # and three of four slots

    @property
    def share(self) -> int:
        """It is asked in one of so many slots."""
        return {Duty.HALF: 2, Duty.QUARTER: 4}.get(self, 1)


@dataclass(frozen=True, slots=True)
class Caps:
    """What watching one node may cost; `slot_seconds`: the interval of polling."""

    ms_per_minute: float
    bytes_per_poll: float
    connections: float
    slot_seconds: int

    @property
    def window(self) -> int:
        """How many slots are looked at together."""
        return max(2, WINDOW_SECONDS // self.slot_seconds)


def duties(rows: Rows) -> Mapping[str, Duty]:
    """How much each node is to be asked, from the last rows of `node.cost`."""
    return {row["node"]: Duty(row["level"]) for row in rows}


def rests(duty: Duty, slot: datetime, node: int, slot_seconds: int) -> bool:
    """Whether a node is left alone in a slot; nodes that back off are spread by their number.

    >>> from datetime import UTC
    >>> [rests(Duty.QUARTER, datetime(2026, 1, 1, 0, 0, s, tzinfo=UTC), 0, 10) for s in (0, 10, 20, 30, 40)]
    [False, True, True, True, False]
    """
    return (int(slot.timestamp()) // slot_seconds + node) % duty.share != 0


def cost(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each node: what it cost within the last minute, the caps, how far it is backed off; and what the next poll needs."""
    caps = Caps(**view.portal["caps"])
    known = {row["node"]: row for row in view.previous}
    rows = [_row(node, known.get(node.name, {}), caps, view.at) for node in view.nodes]
    silent = {node.name for node in view.nodes if node.failure}  # of these nothing is known now
    samples = []
    for row in (row for row in rows if row["node"] not in silent):
        samples += [
            Sample(f"{COST}.used", row["used"], node=row["node"]),
            Sample(f"{COST}.level", float(row["level"]), node=row["node"]),
        ]
    return rows, samples


def _row(node: NodeView, before: Row, caps: Caps, at: datetime) -> dict[str, Any]:
    level = Duty(before.get("level", Duty.FULL))
    window = [*before.get("window", ()), *_spent(node)][-caps.window :]
    counts = _counts(node, before)
    counter, counted = _counter(node, before, at)
    measured = {
        "ms_per_minute": counted if counts else _waited(window, caps),
        "bytes_per_poll": _mean([received for _ms, received in window]),
        "connections": _connections(node, before),
    }
    limits = {name: getattr(caps, name) for name in measured}
    shares = {name: value / limits[name] for name, value in measured.items() if value is not None}
    used = max(shares.values(), default=None)
    calm = before.get("calm", 0) + 1
    told = _next(
        level, used, calm if len(window) == caps.window else 0, caps, settled=not counts or counted is not None
    )
    if told is not level:
        window, counter, calm = [], None, 0
    return {
        "node": node.name,
        "kind": node.kind.value,
        "level": int(told),
        "resting": node.resting,
        **measured,
        "counts": counts,
        "measured_by": COUNTED if counts else WAITED,
        "used": used,
        "most": max(shares, key=lambda name: shares[name], default=""),
        "caps": limits,
        "window": window,
        "counter": counter,
        "calm": calm,
    }


def _spent(node: NodeView) -> Sequence[tuple[float, int | None]]:
    """Milliseconds waited for and bytes received in this slot; nothing of a node that did not answer."""
    if node.resting:
        return [(0.0, 0)]
    if node.failure:
        return []
    return [(node.busy_seconds * 1000, node.received_bytes)]


def _counts(node: NodeView, before: Row) -> bool:
    """Whether the server itself counts what our statements take, as far as it said last."""
    rows = node.rows(LOGIN)
    return rows[0]["total_ms"] is not None if rows else bool(before.get("counts"))


def _counter(node: NodeView, before: Row, at: datetime) -> tuple[Row | None, float | None]:
    """The server's own count of what our login's statements took, and that per minute since the reading before."""
    rows = node.rows(LOGIN)
    last: Row | None = before.get("counter")
    if not rows or rows[0]["total_ms"] is None:
        return last, before.get("ms_per_minute") if last else None
    now: Row = {"total_ms": rows[0]["total_ms"], "at": at.isoformat()}
    if last is None or now["total_ms"] < last["total_ms"]:  # the first reading, or one after a reset
        return now, None
    minutes = (at - datetime.fromisoformat(last["at"])) / timedelta(minutes=1)
    return now, (now["total_ms"] - last["total_ms"]) / minutes if minutes > 0 else None


def _waited(window: Sequence[tuple[float, int | None]], caps: Caps) -> float | None:
    """The quickest answer of the window in the place of each: a busy host of the portal, or network, makes others long and is no cost."""
    asked = [ms for ms, _received in window if ms]
    if not asked:
        return 0.0 if window else None
    return min(asked) * len(asked) / len(window) * WINDOW_SECONDS / caps.slot_seconds


def _connections(node: NodeView, before: Row) -> float | None:
    """Sessions of our login as the server counts them; elsewhere the one that is kept, which for an application is not counted."""
    rows = node.rows(LOGIN)
    if rows:
        return float(rows[0]["sessions"])
    if node.kind is NodeKind.POSTGRES:
        return before.get("connections")
    return None if node.kind is NodeKind.APPLICATION else 1.0


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _next(level: Duty, used: float | None, calm: int, caps: Caps, *, settled: bool) -> Duty:
    """The level from the next slot on.

    `calm`: polls at this level, 0 while they do not fill a window; `settled`: the server's count is known, where it counts.
    """
    if used is None or not calm:
        return level
    if used > 1:
        return Duty(min(level + 1, Duty.QUARTER))
    if level is Duty.FULL or not settled:
        return level
    if level is Duty.NO_SLOW:
        return Duty.FULL if calm >= CALM_WINDOWS * caps.window else level
    return Duty(level - 1) if used * 2 < ROOM_LEFT else level


PROBES = (Probe(LOGIN, NodeKind.POSTGRES, sql(__file__, "login"), every=timedelta(minutes=1), read=lambda _rows: ()),)

TIER_PROBES = (
    TierProbe(
        COST,
        cost,
        says="What watching costs each node within a minute. Milliseconds: what pg_stat_statements counts of the polling login, where it "
        "may be read; elsewhere the quickest answer of the minute that was waited for, less round trips of the network, times its polls. "
        "Bytes: what the system counts as received over the kept connection; of an application the documents only. Connections: "
        "sessions of the polling login.",
        of_resting=True,
    ),
)

CHECKS = (
    Check(
        "node.budget",
        "Observer budget used",
        "node.cost.used",
        COST,
        Unit.RATIO,
        "What watching costs the node, as a share of the cap: the largest of milliseconds per minute, bytes per poll and connections.",
        "Look which figure it is on the page of the nodes. Many tables, statements or keys make answers long; the caps are settings, "
        "OPSPORTAL_NODE_….",
        warn=0.8,
        fail=1.0,
        hold=timedelta(minutes=1),
    ),
    Check(
        "node.backed_off",
        "Backed off",
        "node.cost.level",
        COST,
        Unit.COUNT,
        "Watching the node cost more than its cap, so it is asked less: 1 without slow probes, 2 every second slot, 3 every fourth. "
        "What is older than two intervals is shown as unknown.",
        "It ends by itself once there is room within the cap. If it does not, raise the cap or find what makes the answers long.",
        warn=1,
        hold=timedelta(0),
    ),
)
