"""Signing checkpoints as time goes by."""

import structlog
from celery import shared_task
from django.utils import timezone

from apps.ledger.checkpoints import NotSigned, due, write

log = structlog.get_logger(__name__)


@shared_task
def sign_checkpoint() -> None:
    """Sign a checkpoint when the last one is old or many entries are newer; why none could be signed is logged and shown."""
    if not due(timezone.now()):
        return
    try:
        write()
    except NotSigned as error:
        log.error("ledger_not_signed", why=str(error))
