"""Signing checkpoints as time goes by."""

import structlog
from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from apps.ledger.checkpoints import NotSigned, due, write

log = structlog.get_logger(__name__)


@shared_task
def sign_checkpoint() -> None:
    """Sign a checkpoint when the last one is old or many entries are newer; why none could be signed is logged, a finding shown too.

    What the store refuses, such as a privilege lost by a restore, is logged under the same name, and raised.
    """
    if not due(timezone.now()):
        return
    try:
        write()
    except NotSigned as error:
        log.error("ledger_not_signed", why=str(error))
    except DatabaseError as error:
        log.error("ledger_not_signed", why=f"The store refuses: {error}".strip())
        raise
