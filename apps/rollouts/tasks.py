"""Thin Celery tasks of rollouts."""

from datetime import UTC, datetime

from celery import shared_task

from apps.rollouts.advancing import advance_all
from apps.rollouts.notices import tell_all


@shared_task
def advance_watches() -> None:
    """Observe what running watches have over by now, and end those that are settled; doing so twice counts nothing twice."""
    advance_all(datetime.now(UTC))


@shared_task
def tell_turns() -> None:
    """Tell people by e-mail what began to wait for them; doing so twice tells nobody twice."""
    tell_all(datetime.now(UTC))
