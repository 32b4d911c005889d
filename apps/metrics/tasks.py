"""Thin Celery tasks of measuring: beat asks for a poll of every tier, a worker polls each."""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task
from celery.signals import beat_init, worker_ready, worker_shutdown
from django.conf import settings

from apps.metrics import lives, outbox, upkeep, watchman
from apps.metrics.histories import history
from apps.metrics.models import Newest, Slot, Tier
from apps.metrics.poll import poll, slot_of
from apps.metrics.seal import seal_due

DELIVERIES_KEPT = timedelta(days=90)
_lives: list[lives.Life] = []


@shared_task
def poll_all() -> None:
    """Order one poll of every tier; each runs on its own so that no tier delays another."""
    for tier_id in Tier.objects.values_list("id", flat=True):
        poll_tier.apply_async((tier_id,), expires=settings.POLL_SECONDS)


@shared_task
def poll_tier(tier_id: int) -> None:
    """Poll one tier for the present slot; a second delivery finds the slot taken and does nothing."""
    tier = Tier.objects.filter(pk=tier_id).first()
    if tier is not None:
        poll(tier, slot_of(datetime.now(UTC)))


@shared_task
def deliver() -> None:
    """Send what is due in the outbox: what polls wrote, retries, tests, and what a worker that died had left."""
    outbox.deliver()


@shared_task
def send_history() -> None:
    """Send samples to the store of history; ordered only where there is one (OPSPORTAL_HISTORY=prometheus)."""
    history().settle(datetime.now(UTC))


@shared_task
def maintain() -> None:
    """Make the history's partitions of the next week, settle what was written, drop what is past retention."""
    now = datetime.now(UTC)
    upkeep.make_ahead(now)
    try:
        history().settle(now)
        seal_due(now)  # rows from before another store of history was chosen, too
    finally:  # also where sealing fails because the disk is full
        upkeep.drop_past(now)
        upkeep.forget(now - upkeep.RECORDED)
    Slot.objects.filter(at__lt=now - settings.RAW_RETENTION - timedelta(days=1)).delete()
    Newest.objects.filter(at__lt=now - settings.RAW_RETENTION).delete()  # of series that are not measured any more
    outbox.forget(now - DELIVERIES_KEPT)


@worker_ready.connect
def _worker_lives(**_: Any) -> None:
    upkeep.make_ahead(datetime.now(UTC))  # the first poll needs them; the rest may take its time
    maintain.apply_async(expires=600)
    _lives.append(lives.Life(lives.WORKER))


@beat_init.connect
def _beat_lives(**_: Any) -> None:
    _lives.append(lives.Life(lives.BEAT))
    watchman.begin()


@worker_shutdown.connect
def _worker_stops(**_: Any) -> None:
    while _lives:
        _lives.pop().stop()
