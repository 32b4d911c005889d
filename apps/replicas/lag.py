"""How far each replica is behind, never less than the truth.

Three witnesses: the distance in the WAL to the primary; a live WAL receiver; and time, told by the last commit replayed and by our own
earlier readings of the primary's position. Both times are upper bounds of what the replica lacks, so the smaller of them is one too:

- it has every transaction up to the last commit it replayed, so it lacks at most `now - that commit`;
- it has all that the primary had written at an earlier poll whose position it has replayed, so it lacks at most `now - that poll`.

`now - last commit` alone rises on an idle primary though nothing is missing; `received = replayed` reads 0 though the receiver is dead.
All times are the primary's own clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from apps.metrics.kernel import NodeKind, NodeRole, NodeView, Row, Sample, TierView

LAG, WAL = "replicas.lag", "replicas.wal"
PROMPT_SECONDS = 1.0  # a replica less behind than this streams
MOST_POINTS = 400
Point: TypeAlias = tuple[
    float, int
]  # a reading of the primary: its clock (seconds since 1970) and its position (bytes)


class Standing(StrEnum):
    """How a replica stands."""

    IDLE = "idle"  # has everything, and nothing was written since the poll before
    STREAMING = "streaming"
    CATCHING_UP = "catching up"
    BROKEN = "broken"  # it replays nothing
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a replica is broken, unknown or behind."""

    NONE = ""
    NO_ANSWER = "it does not answer"
    NO_PRIMARY = "no primary answers"
    NO_RECEIVER = "it is not connected to the primary"
    SILENT = "its connection to the primary is silent"
    PAUSED = "replay is paused"
    GROWING = "the distance grows"


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one replica at one poll. `seconds` is the upper bound above; None where it cannot be known."""

    standing: Standing
    cause: Cause = Cause.NONE
    seconds: float | None = None
    bytes_behind: int | None = None
    points: tuple[Point, ...] = ()


def clock(text: str | None) -> float | None:
    """An ISO 8601 time in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp() if text else None


def upper_bound(replayed: int, points: Iterable[Point], now: float, last_commit: float | None) -> float | None:
    """At most how many seconds of the primary's work a replica lacks that has replayed up to `replayed`; None without any witness.

    >>> upper_bound(100, [(10.0, 80), (20.0, 100), (30.0, 130)], now=30.0, last_commit=None)
    10.0
    >>> upper_bound(100, [(30.0, 130)], now=30.0, last_commit=29.5)
    0.5
    """
    known = [at for at, position in points if position <= replayed]
    if last_commit is not None:
        known.append(last_commit)
    return max(0.0, now - max(known)) if known else None


def remember(points: Sequence[Point], reading: Point, replayed: int) -> tuple[Point, ...]:
    """The readings still of use: those the replica has not reached, and the latest that it has. `reading` is the newest.

    When there are many, every second of the older ones is forgotten: the bound grows coarser, never too small.
    """
    if points and points[-1][1] > reading[1]:
        points = ()  # the primary went back: it is another history
    latest = {position: at for at, position in (*points, reading)}
    reached = [position for position in latest if position <= replayed]
    kept = [(latest[p], p) for p in sorted(latest) if p > replayed or p == max(reached, default=None)]
    if len(kept) > MOST_POINTS:
        half = MOST_POINTS // 2
        kept = [kept[0], *kept[1:half:2], *kept[half:]]
    return tuple(kept)


def receiver_cause(row: Row) -> Cause:
    """Whether WAL can arrive: NONE with a live receiver, else why not."""
    if row["receiver_status"] != "streaming":
        return Cause.NO_RECEIVER
    patience = row["receiver_timeout_seconds"] or 60.0
    age = row["message_age_seconds"]
    return Cause.SILENT if age is None or age > patience else Cause.NONE


def measure(replica: Row, primary: Row | None, before: Row | None) -> Measured:
    """One replica's standing from its own and the primary's answer (`replicas.wal`) and what was kept of it at the poll before."""
    cause = receiver_cause(replica)
    if cause is Cause.NONE and replica["replay"] != "not paused":
        cause = Cause.PAUSED
    if primary is None:
        return Measured(Standing.BROKEN if cause else Standing.UNKNOWN, cause or Cause.NO_PRIMARY)
    now, position, replayed = clock(primary["now"]) or 0.0, primary["lsn_bytes"], replica["lsn_bytes"]
    kept = _points(before, primary)
    points = remember(kept, (now, position), replayed)
    behind = max(0, position - replayed)
    seconds = 0.0 if behind == 0 else upper_bound(replayed, points, now, clock(replica["last_commit_at"]))
    if cause:
        return Measured(Standing.BROKEN, cause, seconds, behind, points)
    if behind == 0:
        still = bool(kept) and kept[-1][1] == position
        return Measured(Standing.IDLE if still else Standing.STREAMING, Cause.NONE, seconds, behind, points)
    kept_up = bool(kept) and kept[-1][1] <= replayed
    if kept_up or (seconds is not None and seconds < PROMPT_SECONDS):
        return Measured(Standing.STREAMING, Cause.NONE, seconds, behind, points)
    grows = before is not None and (before["lag_bytes"] or 0) < behind
    return Measured(Standing.CATCHING_UP, Cause.GROWING if grows else Cause.NONE, seconds, behind, points)


def _points(before: Row | None, primary: Row) -> tuple[Point, ...]:
    """Readings kept from the poll before, if they are of the same history."""
    if before is None or before["history"] != history(primary):
        return ()
    return tuple((at, position) for at, position in before["points"])


def history(primary: Row) -> str:
    """What names one line of positions: the cluster and its timeline."""
    return f"{primary['system_identifier']}/{primary['timeline']}"


def the_primary(view: TierView) -> NodeView | None:
    """The primary that answered; of several the one on the newest timeline."""
    found = [node for node in view.of(NodeKind.POSTGRES, NodeRole.PRIMARY) if node.rows(WAL)]
    return max(found, key=lambda node: (node.rows(WAL) or ({"timeline": 0},))[0]["timeline"], default=None)


def primary_rests(view: TierView) -> bool:
    """Whether the primary was left alone in this slot, so that its position is not known."""
    return any(node.resting for node in view.of(NodeKind.POSTGRES, NodeRole.PRIMARY))


def lag(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each replica with its standing, and its samples: seconds, bytes, streaming, receiver (of a node that answers)."""
    if primary_rests(view):  # without its position now nothing can be said of anybody
        return view.previous, ()
    primary = the_primary(view)
    ahead = (primary.rows(WAL) or (None,))[0] if primary else None
    known = {row["node"]: row for row in view.previous}
    rows: list[Row] = []
    samples: list[Sample] = []
    for node in view.of(NodeKind.POSTGRES, NodeRole.REPLICA):
        answer = node.rows(WAL)
        before = known.get(node.name)
        if node.resting and before is not None:
            rows.append(before)
            continue
        found = measure(answer[0], ahead, before) if answer else Measured(Standing.UNKNOWN, Cause.NO_ANSWER)
        rows.append(_row(node, found, answer[0] if answer else None, ahead, before))
        if answer:
            samples += _samples(node.name, found, answer[0])
    return rows, samples


def _row(
    node: NodeView, found: Measured, answer: Row | None, primary: Row | None, before: Row | None
) -> dict[str, Any]:
    forgotten = found.standing is Standing.UNKNOWN or primary is None
    return {
        "node": node.name,
        "standing": found.standing.value,
        "cause": found.cause.value,
        "lag_seconds": found.seconds,
        "lag_bytes": found.bytes_behind,
        "unreplayed_bytes": max(0, answer["received_bytes"] - answer["lsn_bytes"]) if answer else None,
        "receiver": answer["receiver_status"] or "none" if answer else None,
        "timeline": answer["timeline"] if answer else None,
        "history": (before["history"] if before else "") if forgotten else history(primary or {}),
        "points": (before["points"] if before else ()) if forgotten else found.points,
    }


def _samples(node: str, found: Measured, answer: Row) -> Iterable[Sample]:
    yield Sample(f"{LAG}.seconds", found.seconds, node=node)
    yield Sample(f"{LAG}.bytes", found.bytes_behind, node=node)
    replaying = None if found.standing is Standing.UNKNOWN else float(found.standing is not Standing.BROKEN)
    yield Sample(f"{LAG}.streaming", replaying, node=node)
    yield Sample(f"{LAG}.receiver", float(receiver_cause(answer) is Cause.NONE), node=node)
