"""What all servers are to each other: roles, timelines, clocks, settings, and where the SELECTs went. Pure functions of one poll."""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.metrics.kernel import NodeKind, NodeRole, NodeView, Row, Sample, TierView
from apps.metrics.probe import share
from apps.replicas.lag import WAL, Cause, clock, primary_rests, receiver_cause, the_primary

TOPOLOGY, DRIFT, SPLIT = "replicas.topology", "replicas.drift", "replicas.split"
STANDBYS, SENDERS = "replicas.standbys", "replicas.senders"
OF_A_SERVER = ("role_differs", "timeline_differs", "clock_skew_seconds")
Told = tuple[Iterable[Row], Iterable[Sample]]


def topology(view: TierView) -> Told:
    """A row for each server: declared and observed role, timeline, clock; and whether there is one primary and enough replicas."""
    primary = the_primary(view)
    known = {row["node"]: row for row in view.previous}
    rows: list[Row] = [
        known[node.name] if node.resting and node.name in known else _server(node, primary)
        for node in view.of(NodeKind.POSTGRES)
    ]
    samples: list[Sample] = []
    for row in rows:
        if row["up"]:
            told = [name for name in OF_A_SERVER if row[name] is not None]
            samples += [Sample(f"{TOPOLOGY}.{name}", float(row[name]), node=row["node"]) for name in told]
    primaries = sum(row["up"] and row["role"] == NodeRole.PRIMARY.value for row in rows)
    samples.append(Sample(f"{TOPOLOGY}.primaries", float(primaries)))
    samples.append(Sample(f"{TOPOLOGY}.one_primary", float(primaries == 1)))
    declared = sum(row["declared"] == NodeRole.REPLICA.value for row in rows)
    serving = sum(row["replicating"] for row in rows)
    samples.append(Sample(f"{TOPOLOGY}.replicas_in_service", None if not declared else min(1.0, serving / declared)))
    samples.append(Sample(f"{TOPOLOGY}.replicas_serving", float(serving)))
    return rows, samples


def _server(node: NodeView, primary: NodeView | None) -> dict[str, Any]:
    answer = (node.rows(WAL) or (None,))[0]
    ahead = (primary.rows(WAL) or (None,))[0] if primary else None
    up = node.failure is None
    replica = node.role is NodeRole.REPLICA
    return {
        "node": node.name,
        "declared": node.declared_role.value,
        "role": node.role.value if up else "",
        "up": up,
        "replicating": bool(
            replica and answer and receiver_cause(answer) is Cause.NONE and answer["replay"] == "not paused"
        ),
        "role_differs": (node.role is not node.declared_role) if node.declared_role else None,
        "timeline": answer["timeline"] if answer else None,
        "timeline_differs": answer["timeline"] != ahead["timeline"] if replica and answer and ahead else None,
        "clock_skew_seconds": _skew(node, answer, primary, ahead) if replica else None,
        "message": node.failure.message if node.failure else "",
    }


def standbys(view: TierView) -> Told:
    """What the primary sees of its standbys, against the replicas declared: how many stream, and how many of these by a slot.

    A replica that follows another replica is none of the primary's, and what the replicas say of themselves is not asked here.
    """
    if primary_rests(view):
        return view.previous, ()
    primary = the_primary(view)
    seen = primary.rows(SENDERS) if primary else None
    declared = sum(node.declared_role is NodeRole.REPLICA for node in view.of(NodeKind.POSTGRES))
    if primary is None or seen is None:
        return (), ()
    streaming = [row for row in seen if row["standby"] and row["state"] == "streaming"]
    told = {"streaming": len(streaming), "with_slot": sum(row["slot"] is not None for row in streaming)}
    samples = [
        Sample(f"{STANDBYS}.{name}", min(1.0, count / declared) if declared else None, node=primary.name)
        for name, count in told.items()
    ]
    return [{"node": primary.name, "declared": declared, **row} for row in seen], samples


def _skew(node: NodeView, answer: Row | None, primary: NodeView | None, ahead: Row | None) -> float | None:
    """How far the clocks of a replica and the primary are apart, as exact as the two polls' durations."""
    if answer is None or ahead is None or primary is None or node.at is None or primary.at is None:
        return None
    ours, theirs = clock(answer["now"]), clock(ahead["now"])
    if ours is None or theirs is None:
        return None
    return abs((ours - node.at.timestamp()) - (theirs - primary.at.timestamp()))


def drift(view: TierView) -> Told:
    """A row for each server with its settings and, on a replica, those that differ from the primary's. Kept between the slow readings."""
    kept: dict[str, Mapping[str, str]] = {row["node"]: row["settings"] for row in view.previous}
    fresh = False
    for node in view.of(NodeKind.POSTGRES):
        answer = node.rows("replicas.settings")
        if answer:
            kept[node.name] = {row["object"]: row["value"] for row in answer}
            fresh = True
    primary = the_primary(view)
    model = kept.get(primary.name) if primary else None
    rows, samples = [], []
    for node in view.of(NodeKind.POSTGRES):
        settings = kept.get(node.name, {})
        differing = _differing(settings, model) if model and node.role is NodeRole.REPLICA else ()
        rows.append({"node": node.name, "differs": ", ".join(differing), "settings": settings})
        if fresh and model and settings and node.role is NodeRole.REPLICA:
            samples.append(Sample(f"{DRIFT}.settings", float(len(differing)), node=node.name))
    return rows, samples


def _differing(settings: Mapping[str, str], model: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{name} {settings[name]} (primary: {value})"
        for name, value in model.items()
        if settings.get(name, value) != value
    )


def split(view: TierView) -> Told:
    """A row for each server with its SELECTs per second over its last reading, and the share that the replicas answered.

    A reading is taken each minute; the share is told at the polls that bring one.
    """
    rates: dict[str, float | None] = {row["node"]: row["selects_per_second"] for row in view.previous}
    fresh = False
    for node in view.of(NodeKind.POSTGRES):
        answer = node.answers.get("replicas.reads")
        if answer is None:
            continue
        told = [sample.value for sample in answer.samples if sample.metric == "replicas.reads.selects_per_second"]
        rates[node.name] = told[0] if told else None
        fresh = fresh or bool(told)
    rows, by_role = [], {NodeRole.PRIMARY: 0.0, NodeRole.REPLICA: 0.0}
    for node in view.of(NodeKind.POSTGRES):
        rate = rates.get(node.name) if node.failure is None else None
        rows.append({"node": node.name, "role": node.role.value, "selects_per_second": rate})
        if node.role in by_role:
            by_role[node.role] += rate or 0.0
    if not fresh:
        return rows, ()
    return rows, [Sample(f"{SPLIT}.reads_share", share(by_role[NodeRole.REPLICA], sum(by_role.values())))]
