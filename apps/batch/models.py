"""Runs that must be remembered, and the chunks that were committed since their job was last brought up to date."""

from datetime import datetime, timedelta

from django.db import models
from django.urls import reverse

from apps.batch.result import State


class Job(models.Model):
    """One run. Written by `apps.batch.job` at most once a second, in one statement."""

    name = models.TextField()
    actor = models.TextField()
    operation = models.TextField()
    target = models.TextField()
    exact = models.BooleanField()  # each chunk is recorded in the transaction that writes it
    chunk = models.PositiveIntegerField()
    head = models.TextField()
    state = models.TextField(choices=State.choices, default=State.RUNNING)
    total = models.BigIntegerField(null=True)
    seen = models.BigIntegerField(default=0)
    written = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    undone = models.BigIntegerField(default=0)
    retried = models.BigIntegerField(default=0)
    through = models.BigIntegerField(default=0)
    beyond = models.JSONField(default=list)
    missing = models.JSONField(default=dict)
    errors = models.JSONField(default=list)
    errors_total = models.BigIntegerField(default=0)
    last_error = models.TextField(default="")
    circuit = models.TextField(default="closed")
    seconds = models.FloatField(default=0)  # of running, over all resumptions
    started_at = models.DateTimeField()
    noted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    cancel_asked_at = models.DateTimeField(null=True)
    cancel_asked_by = models.TextField(default="")

    class Meta:
        db_table = "batch_job"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"batch {self.pk} {self.name}"

    def get_absolute_url(self) -> str:
        """The page of this job."""
        return reverse("batch:job", args=[self.pk])

    @property
    def lasted(self) -> timedelta:
        """Time it ran, over all resumptions."""
        return timedelta(seconds=self.seconds)

    @property
    def rows_per_second(self) -> float | None:
        """Rows seen per second of running; None before the first second."""
        return self.seen / self.seconds if self.seconds >= 1 else None

    @property
    def done_ratio(self) -> float | None:
        """Share of the rows seen; None where their number is not known."""
        return min(self.seen / self.total, 1.0) if self.total else None

    def idle_since(self, now: datetime) -> timedelta:
        """Since when nothing was noted."""
        return now - self.noted_at


class ChunkDone(models.Model):
    """A committed chunk of a running job, written in its own transaction; gone once the job's row tells of it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.BigIntegerField()
    seen = models.IntegerField()
    written = models.IntegerField()
    failed = models.IntegerField()
    skipped = models.IntegerField()
    errors = models.JSONField()

    class Meta:
        db_table = "batch_chunk"
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="batch_chunk_once")]

    def __str__(self) -> str:
        return f"chunk {self.number} of batch {self.job_id}"
