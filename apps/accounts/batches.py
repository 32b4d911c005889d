"""Keeps the record of what people decide about batches: that room stands beside the ledger and does not know it.

Imported by `AccountsConfig.ready`: the receiver connects when this module is loaded.
"""

from typing import Any

from django.dispatch import receiver

from apps.batch.models import Job
from apps.batch.signals import cancel_asked
from apps.ledger.chain import append


@receiver(cancel_asked)
def record(job: Job, actor: str, **_: Any) -> None:
    """In the transaction of the decision; what stops the entry stops the decision."""
    append(
        kind="batch.cancel",
        subject=f"batch/{job.pk}",
        actor=actor,
        body={"name": job.name, "number": job.pk, "target": job.target, "written": job.written},
    )
