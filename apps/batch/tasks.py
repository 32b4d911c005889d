"""Upkeep of the record of runs."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.batch.models import ChunkDone, Job
from apps.batch.operations import delete

KEPT_FOR = timedelta(days=90)


@shared_task
def forget_old() -> None:
    """Delete runs of which nothing was heard for 90 days."""
    old = Job.objects.filter(noted_at__lt=timezone.now() - KEPT_FOR)
    delete(ChunkDone, ChunkDone.objects.filter(job__in=old).values_list("pk", flat=True).iterator())
    delete(Job, old.values_list("pk", flat=True).iterator())
