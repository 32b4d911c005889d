"""Thin Celery tasks of measuring: beat asks for a poll of every tier, a worker polls each."""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task
from celery.signals import beat_init, worker_ready, worker_shutdown
from django.conf import settings
from django.db import connection

from apps.metrics import lives, outbox
from apps.metrics.models import Slot, Tier
from apps.metrics.poll import poll, slot_of

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
def maintain() -> None:
    """Make the history's partitions of the next week, drop those past retention, forget old slots."""
    oldest = datetime.now(UTC) - settings.RAW_RETENTION
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions((now() AT TIME ZONE 'UTC')::date, 8)")
        cursor.execute("SELECT metrics_drop_partitions(%s)", [oldest.date()])
    Slot.objects.filter(at__lt=oldest - timedelta(days=1)).delete()
    outbox.forget(datetime.now(UTC) - DELIVERIES_KEPT)


@worker_ready.connect
def _worker_lives(**_: Any) -> None:
    maintain()
    _lives.append(lives.Life(lives.WORKER))


@beat_init.connect
def _beat_lives(**_: Any) -> None:
    _lives.append(lives.Life(lives.BEAT))


@worker_shutdown.connect
def _worker_stops(**_: Any) -> None:
    while _lives:
        _lives.pop().stop()
