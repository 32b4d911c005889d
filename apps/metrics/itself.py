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
    return [view.portal], [
        Sample("portal.polling.missed_slots", missed),
        Sample("portal.polling.history_behind_seconds", float(view.portal.get("history_behind_seconds", 0))),
        Sample("portal.polling.history_lost_polls", float(view.portal.get("history_lost_polls", 0))),
    ]


TIER_PROBES = (
    TierProbe("node.state", _nodes, says="Connect to each node, ask who it is, and time the answer."),
    TierProbe(
        "portal.polling",
        _polling,
        says="Slots of the last ten minutes that no worker polled, from our own table of slots; and how keeping of samples goes.",
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
    Check(
        "portal.history_behind",
        "Keeping of history late",
        "portal.polling.history_behind_seconds",
        "portal.polling",
        Unit.SECONDS,
        "Samples wait to be packed into the levels of history, or to be sent to the store of history, for this long beyond their time.",
        "Read the worker's log for `history`. With a store of history of its own: does it run, and take what is sent? Until then "
        "samples wait in the portal's database; a day of them fits.",
        warn=1800,
        fail=21600,
    ),
    Check(
        "portal.history_lost",
        "History lost",
        "portal.polling.history_lost_polls",
        "portal.polling",
        Unit.COUNT,
        "Polls whose samples the store of history refused for good, or did not take for more than a day, and which were dropped.",
        "Read the worker's log for `history.lost`: it says what the store answered. Checks and alerts were not affected.",
        warn=1,
    ),
)
