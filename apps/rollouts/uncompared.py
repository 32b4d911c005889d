"""The one comparison at the end of a watch, also where the process that ended it was killed before it had compared."""

from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps.rollouts.comparing import compare_week
from apps.rollouts.models import Baseline, Comparison, Deployment, Watch
from apps.rollouts.progress import progress
from apps.rollouts.refusals import Refused

log = structlog.get_logger()

LOCK = 0x6F707363  # one who compares after a watch at a time: "opsc"
PATIENCE = timedelta(hours=1)  # after the end of a watch: what could not be compared by then is left to people


def uncompared() -> QuerySet[Watch]:
    """Watches that ended by themselves within the hour, are the last of their week and its last deployment, and that nobody compared after.

    Those of signed weeks are among them: which they are only the progress of a rollout tells.
    """
    of_week = {"rollout": OuterRef("rollout"), "week": OuterRef("week")}
    return Watch.objects.filter(
        Exists(Baseline.objects.filter(**of_week, superseded_at=None)),
        ~Exists(Comparison.objects.filter(**of_week, at__gte=OuterRef("ended_at"))),
        ~Exists(Watch.objects.filter(**of_week, pk__gt=OuterRef("pk"))),
        ~Exists(Deployment.objects.filter(**of_week, at__gt=OuterRef("at"))),
        ended_at__gt=datetime.now(UTC) - PATIENCE,
        aborted_by=None,
    )


def compare_ended(pk: int) -> bool:
    """
    Compare after a watch, in the name of who started it; returns whether that was done.

    What it needs from people they enter afterwards. Nothing is done where the week is signed or not open, or where somebody else compares
    at this moment or did.
    """
    with transaction.atomic():
        watch = uncompared().filter(pk=pk).select_related("rollout__tier", "rollout__pin", "by").first()
        if watch is None or not _alone(pk):
            return False
        at = next(one for one in progress(watch.rollout) if one.week.slug == watch.week)
        if not at.open or at.signed or not uncompared().filter(pk=pk).exists():
            return False
        try:
            compare_week(watch.rollout, at, {}, watch.by)
        except Refused as refused:
            log.info("watch.not_compared", watch=pk, said=refused.message)
            return False
    return True


def _alone(pk: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK, pk % 2**31])
        return bool(cursor.fetchone()[0])
