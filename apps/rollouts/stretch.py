"""The value of a check over a stretch of time that ends now, node by node and object by object, from the store of samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean

from apps.metrics.kernel import Check
from apps.metrics.lines import Line
from apps.metrics.models import Tier
from apps.metrics.store import lines
from apps.playbook.plan import STEPS
from apps.rollouts.baseline import judged_by

LEAST_STEPS = STEPS // 2
"""With fewer measured steps a stretch says nothing of the whole."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value: where (node and object), the step it was last measured in, and in how many steps it was.

    `object`: what of the node it is of, such as a pool; empty for the node as a whole.
    """

    where: str
    value: float
    at: datetime
    steps: int
    object: str = ""


def readings(tier: Tier, asked: Sequence[tuple[Check, timedelta, bool]]) -> list[list[Reading]]:
    """
    For each check, how long, and whether its busiest step is wanted rather than the mean: its readings, those of most steps first.

    One query for all stretches of a length. Raises HistoryUnreachable.
    """
    end = datetime.now(UTC)
    found = {
        over: lines(tier, sorted({c.metric for c, o, _busiest in asked if o == over}), end - over, end, points=STEPS)
        for over in {over for _check, over, _busiest in asked}
    }
    judged = judged_by(tier, [check for check, _over, _busiest in asked])
    return [
        _readings([line for line in found[over] if judged(line, check)], busiest=busiest)
        for check, over, busiest in asked
    ]


def _readings(found: Sequence[Line], *, busiest: bool) -> list[Reading]:
    read = []
    for line in found:
        known = [(at, value) for at, value in zip(line.times, line.values, strict=True) if value is not None]
        if known:
            values = [value for _at, value in known]
            value = max(values) if busiest else fmean(values)
            where = " ".join(filter(None, (line.node, line.object)))
            read.append(Reading(where, value, datetime.fromtimestamp(known[-1][0], UTC), len(known), line.object))
    return sorted(read, key=lambda one: -one.steps)
