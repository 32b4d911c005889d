"""What a rollout remembers of ways back that were gone, drills and real ones, step by step."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.rollouts.of_week import PERSON, OfWeek


class DrilledOn(models.TextChoices):
    """Where a rollback was drilled. A run without one is the rollback itself."""

    STAGING = "staging", _("on staging")
    LAB = "lab", _("in the lab")


class RollbackEnd(models.TextChoices):
    """How a run of a rollback ended; whether it was in time follows from the time it took."""

    FINISHED = "finished", _("Finished")
    FAILED = "failed", _("Failed")
    ABANDONED = "abandoned", _("Abandoned")


class RollbackRun(OfWeek):
    """The way back of a week, gone by somebody along the pinned playbook: for good, or as a drill. At most one runs in a week."""

    pin = models.ForeignKey("rollouts.Pin", models.PROTECT, related_name="+")
    drilled_on = models.CharField(max_length=8, choices=DrilledOn, blank=True)
    why = models.TextField(blank=True)
    promised_seconds = models.FloatField()
    took_seconds = models.FloatField(null=True, help_text=_("From the start to the last step that the promise covers."))
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    end = models.CharField(max_length=10, choices=RollbackEnd, blank=True)
    end_why = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week"], condition=models.Q(ended_at=None), name="rollback_run_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week} {self.drilled_on or 'rollback'}"


class StepState(models.TextChoices):
    """What became of a step."""

    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    SKIPPED = "skipped", _("Not needed")


class RollbackStep(models.Model):
    """What somebody says of one step of a run. A failed step may be tried again: the newest of a step counts."""

    run = models.ForeignKey(RollbackRun, models.PROTECT, related_name="steps")
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=StepState)
    note = models.TextField(blank=True)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return f"{self.number} {self.state}"
