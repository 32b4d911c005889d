"""What metrics measures by itself of each node: whether it answers, and how far its clock is off."""

from collections.abc import Iterable
from datetime import timedelta

from apps.metrics.kernel import Check, Direction, Row, Sample, TierView, Unit
from apps.metrics.probe import TierProbe


def _nodes(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    rows, samples = [], []
    for node in view.nodes:
        rows.append(
            {
                "object": node.name,
                "kind": node.kind.value,
                "declared_role": node.declared_role.value,
                "role": node.role.value,
                "up": node.failure is None,
                "failure": node.failure.message if node.failure else "",
                "answer_seconds": node.duration_seconds,
                "clock_offset_seconds": node.clock_offset_seconds,
            }
        )
        samples.append(Sample("node.state.up", float(node.failure is None), node=node.name))
        if node.failure is None:
            samples.append(Sample("node.state.answer_seconds", node.duration_seconds, node=node.name))
        if node.clock_offset_seconds is not None:
            samples.append(Sample("node.state.clock_offset_seconds", abs(node.clock_offset_seconds), node=node.name))
    return rows, samples


TIER_PROBES = (TierProbe("node.state", _nodes, says="Connect to each node, ask who it is, and time the answer."),)

CHECKS = (
    Check(
        "node.up",
        "Answering",
        "node.state.up",
        "node.state",
        Unit.YES_NO,
        "The node accepted a connection and answered within the deadline.",
        "Look whether its process runs and its port is reachable from the portal; then read its log.",
        fail=1,
        direction=Direction.LOW,
        hold=timedelta(seconds=10),
        runbook="RB-20",
    ),
    Check(
        "node.clock_offset",
        "Clock offset",
        "node.state.clock_offset_seconds",
        "node.state",
        Unit.SECONDS,
        "The node's clock and the portal's differ by this much, half the round trip allowed for.",
        "Check time synchronisation (chrony or systemd-timesyncd) on both hosts; lag and windows are wrong until then.",
        warn=1,
        fail=10,
        hold=timedelta(minutes=1),
    ),
)
