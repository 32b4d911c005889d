"""Thin Celery tasks of rollouts."""

from datetime import UTC, datetime

from celery import shared_task

from apps.rollouts.advancing import advance_all


@shared_task
def advance_watches() -> None:
    """Observe what running watches have over by now, and end those that are settled; doing so twice counts nothing twice."""
    advance_all(datetime.now(UTC))
