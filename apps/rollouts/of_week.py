"""What everything done in a week of a rollout has in common."""

from django.conf import settings
from django.db import models

PERSON = settings.AUTH_USER_MODEL


class OfWeek(models.Model):
    """Something done in one week of a rollout, by somebody, at some time."""

    rollout = models.ForeignKey("rollouts.Rollout", models.PROTECT, related_name="%(class)ss")
    week = models.CharField(max_length=60)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        abstract = True
