"""What metrics measures by itself: whether each node answers, how far its clock is off, and whether polling goes on."""

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


def _polling(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    missed = float(view.portal.get("missed_slots", 0))
    return [view.portal], [Sample("portal.polling.missed_slots", missed)]


TIER_PROBES = (
    TierProbe("node.state", _nodes, says="Connect to each node, ask who it is, and time the answer."),
    TierProbe(
        "portal.polling",
        _polling,
        says="Slots of the last ten minutes that no worker polled, from our own table of slots.",
    ),
)

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
    Check(
        "portal.missed_slots",
        "Polls missed",
        "portal.polling.missed_slots",
        "portal.polling",
        Unit.COUNT,
        "Scheduled polls of the last ten minutes that never ran, because the worker or beat was away or too slow.",
        "Read the log of worker and beat; a worker that is killed again and again may lack memory.",
        warn=1,
        fail=12,
    ),
)
