"""What must hold of the portal's own partitions: they are there before they are needed, and go when they are not kept any more."""

from datetime import timedelta

from apps.metrics.kernel import Check, Direction, Unit
from apps.partitions.own import PROBE

DAY_HOURS = 24
FEW_DAYS = 3  # the upkeep makes a week ahead, and tries again every ten minutes

CHECKS = (
    Check(
        id="portal.partitions_ahead",
        title="History's partitions end in",
        metric=f"{PROBE}.hours_left",
        source=PROBE,
        unit=Unit.HOURS,
        direction=Direction.LOW,
        warn=FEW_DAYS * DAY_HOURS,
        fail=DAY_HOURS,
        meaning="For how long each table of history has a partition for what is written, without a gap. After that no poll can be kept.",
        remedy="Start the worker: it makes a week ahead at once. Else the page of its own tables says what the upkeep failed at.",
    ),
    Check(
        id="portal.partitions_gaps",
        title="Gaps in history's partitions ahead",
        metric=f"{PROBE}.gaps_ahead",
        source=PROBE,
        unit=Unit.COUNT,
        warn=1,
        hold=timedelta(minutes=15),  # the upkeep fills what lies within the next week
        meaning="Stretches to come that no partition covers though later ones exist: somebody dropped one. No poll can be kept in them.",
        remedy="The upkeep makes what is missing of the next week within ten minutes. If it stays, the page of own tables has the error.",
    ),
    Check(
        id="portal.partitions_overdue",
        title="History past retention",
        metric=f"{PROBE}.overdue",
        source=PROBE,
        unit=Unit.COUNT,
        warn=1,
        hold=timedelta(minutes=30),  # after a retention was shortened
        meaning="Partitions of history that should have been dropped more than a day ago: rows are older than the settings say.",
        remedy="The page of own tables says what dropping fails at: mostly a session or a dump holds the table. It is tried again.",
    ),
    Check(
        id="portal.partitions_upkeep",
        title="Upkeep of partitions fails",
        metric=f"{PROBE}.failing_seconds",
        source=PROBE,
        unit=Unit.SECONDS,
        warn=1800,
        meaning="For how long making or dropping partitions of a table of history has failed, at every try.",
        remedy="The page of own tables has the error. Of a lock: end the session that holds the table, or wait for its dump.",
    ),
)
