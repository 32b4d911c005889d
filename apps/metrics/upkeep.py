"""History's partitions are made a week ahead and dropped past retention; each time is written down in the store, and each failure.

Only the store's own functions can do it (`sql/keep_partitions.sql`, docs/decisions/0030): the login that serves owns no table. One table
that is locked keeps no other from being kept. Whether it was enough is judged by the partitions room, from the bounds that there are.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F

from apps.metrics.levels import LEVELS
from apps.metrics.models import Upkeep
from apps.metrics.seal import LATE, sealed_until

log = structlog.get_logger()

AHEAD_DAYS = 8  # today and a week
RECORDED = timedelta(days=90)  # longer than any partition spans, so that the last making of each table is among them
ROWS, POLLS = "metrics_sample", "metrics_poll"
SETTINGS = {
    "metrics_chunk_raw": "OPSPORTAL_RAW_DAYS",
    "metrics_chunk_5m": "OPSPORTAL_ROLLUP_5M_DAYS",
    "metrics_chunk_1h": "OPSPORTAL_ROLLUP_1H_DAYS",
    POLLS: "OPSPORTAL_RAW_DAYS",
}
"""Which setting says for how long a table is kept. Rows of samples go a day after they are in chunks: no setting."""
_ERROR_LETTERS = 500


def retention() -> dict[str, timedelta]:
    """For how long each table is kept that a setting says it of."""
    return {level.table: level.retention for level in LEVELS} | {POLLS: settings.RAW_RETENTION}


def ends(now: datetime, sealed: datetime | None) -> dict[str, datetime]:
    """Of each table, before when its partitions are past retention. `sealed`: the watermark; without one no row may go.

    Rows go once they are in chunks and no late poll is waited for.
    """
    found = {table: now - kept for table, kept in retention().items()}
    return found if sealed is None else found | {ROWS: min(sealed, now) - LATE}


def make_ahead(now: datetime) -> None:
    """Make what is missing of the partitions of today and the next week."""
    tables = [*retention(), ROWS]
    _each("make", "SELECT metrics_make_partitions(%s, %s, %s)", [(t, now.date(), AHEAD_DAYS) for t in tables], now)


def drop_past(now: datetime) -> None:
    """Drop the partitions that are past retention."""
    due = [(table, end.date()) for table, end in ends(now, sealed_until()).items()]
    _each("drop", "SELECT metrics_drop_partitions(%s, %s)", due, now)


def forget(before: datetime) -> None:
    """Drop what is written down from before then; what fails still is kept."""
    Upkeep.objects.filter(at__lt=before).exclude(error__gt="", over_at=None).delete()


@cache
def question() -> str:
    """How each table is kept; see `sql/upkeep.sql`."""
    return (Path(__file__).parent / "sql" / "upkeep.sql").read_text(encoding="utf-8")


def _each(deed: str, statement: str, calls: Iterable[Sequence[Any]], now: datetime) -> None:
    """Call for each table (the first parameter), one transaction each; a failure is written down and ends with the next success."""
    well = []
    for parameters in calls:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, parameters)
            well.append(parameters[0])
        except DatabaseError as error:
            _failed(parameters[0], deed, str(error).partition("\n")[0][:_ERROR_LETTERS], now)
    Upkeep.objects.filter(parent__in=well, deed=deed, over_at=None, error__gt="").update(over_at=now)


def _failed(parent: str, deed: str, error: str, now: datetime) -> None:
    log.warning("history.upkeep", table=parent, deed=deed, error=error)
    said = error or "the store gave no reason"
    failing = Upkeep.objects.filter(parent=parent, deed=deed, over_at=None, error__gt="")
    once_more = {"error": said, "tries": F("tries") + 1, "tried_at": now}
    if failing.update(**once_more):
        return
    try:
        with transaction.atomic():
            Upkeep.objects.create(parent=parent, deed=deed, at=now, error=said, tried_at=now)
    except IntegrityError:  # another worker failed at the same moment
        failing.update(**once_more)
