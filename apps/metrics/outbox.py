"""Sending what stands in the outbox: at least once, always with the same id, with growing pauses, and everything about it kept.

A delivery is claimed by moving its next time behind a lease. A sender that dies leaves it to be claimed again when the lease ends: the
receiver may then see it twice, with the same id, and the log shows both attempts. Within a group the order is kept.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from apps.metrics.alerting import Delivery, DeliveryState
from apps.metrics.channels import Outcome, send

log = structlog.get_logger()

LEASE = timedelta(seconds=60)  # longer than any attempt lasts
PAUSES = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 1800))
"""Between attempts; after the last one it is given up, about 50 minutes after the first."""
TURN = 10.0
"""Seconds after which a sender takes up no further delivery: the next one goes on, and no worker is held for long."""


def deliver(now: datetime | None = None) -> int:
    """Send what is due, each once; returns how many attempts were made. Any number of workers may do so at the same time."""
    tried: set[UUID] = set()
    end = monotonic() + TURN
    while monotonic() < end and (delivery := _claim(now or datetime.now(UTC), tried)) is not None:
        tried.add(delivery.pk)
        _settle(delivery, send(delivery))
    return len(tried)


def _claim(now: datetime, tried: Collection[UUID] = ()) -> Delivery | None:
    """The next delivery, ours until the lease ends; one of a group waits for those before it."""
    before = Delivery.objects.filter(
        channel=OuterRef("channel"),
        group=OuterRef("group"),
        state=DeliveryState.PENDING,
        made_at__lt=OuterRef("made_at"),
    )
    with transaction.atomic():
        due = (
            Delivery.objects.filter(state=DeliveryState.PENDING, next_at__lte=now)
            .exclude(Exists(before))
            .exclude(pk__in=tried)
        )
        found = due.select_for_update(skip_locked=True, of=("self",)).order_by("made_at").first()
        if found is None:
            return None
        if found.attempts > len(PAUSES):  # its sender died at the last attempt
            problem = found.problem or "The last sender ended without a word."
            Delivery.objects.filter(pk=found.pk).update(state=DeliveryState.GIVEN_UP, problem=problem)
            return None
        Delivery.objects.filter(pk=found.pk).update(attempts=F("attempts") + 1, next_at=datetime.now(UTC) + LEASE)
    return Delivery.objects.select_related("channel", "person").get(pk=found.pk)


def _settle(delivery: Delivery, outcome: Outcome) -> None:
    now = datetime.now(UTC)
    delivery.status, delivery.problem = outcome.status, outcome.problem[:300]
    if outcome.sent:
        delivery.state, delivery.sent_at = DeliveryState.SENT, now
    elif not outcome.again or delivery.attempts > len(PAUSES) or (delivery.channel and delivery.channel.removed_at):
        delivery.state = DeliveryState.GIVEN_UP
    else:
        pause = PAUSES[delivery.attempts - 1]
        delivery.next_at = now + max(pause, timedelta(seconds=outcome.after or 0))
    delivery.save(update_fields=["state", "status", "problem", "sent_at", "next_at"])
    told = {
        "channel": delivery.channel_id,
        "person": delivery.person_id,
        "delivery": str(delivery.pk),
        "attempt": delivery.attempts,
    }
    log.info("delivery", **told, state=delivery.state, status=outcome.status, problem=outcome.problem)


def forget(before: datetime) -> int:
    """Drop the deliveries made before a moment and no longer waiting; returns how many."""
    return Delivery.objects.exclude(state=DeliveryState.PENDING).filter(made_at__lt=before).delete()[0]
