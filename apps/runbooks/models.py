"""Walks through decision trees: who walked which one on which tier, what they answered, and how it ended."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.models import Tier

PERSON = settings.AUTH_USER_MODEL


class WalkOutcome(models.TextChoices):
    """How a walk ended."""

    HELPED = "helped", _("It helped")
    HANDED_OVER = "handed-over", _("Handed over")


class Walk(models.Model):
    """One walk through one tree, along the tree as it was written when the walk began."""

    tier = models.ForeignKey(Tier, models.PROTECT, related_name="walks")
    tree = models.CharField(max_length=60)
    definition = models.JSONField(help_text=_("The tree as it was written then."))
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    outcome = models.CharField(max_length=12, choices=WalkOutcome, blank=True)
    note = models.TextField(blank=True)
    evidence = models.JSONField(default=list, help_text=_("The path with its answers and values, frozen at the end."))

    class Meta:
        ordering: ClassVar[list[str]] = ["-at"]

    def __str__(self) -> str:
        return f"{self.tree} on {self.tier_id}"


class WalkAnswer(models.Model):
    """What a person answered at a node; the newest of a node counts. `then` is the branch taken, empty: taken back."""

    walk = models.ForeignKey(Walk, models.PROTECT, related_name="answers")
    node = models.CharField(max_length=60)
    then = models.CharField(max_length=60, blank=True)
    note = models.TextField(blank=True)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return f"{self.node} → {self.then or '–'}"
