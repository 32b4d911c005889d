"""What a rollout remembers of watches and overrides. As all of it: ended and marked, never overwritten."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.rollouts.of_week import PERSON, OfWeek


class Watch(OfWeek):
    """A watch after a deployment, from its start by a person (`by`, `at`) to its end. While it runs, `state` is empty.

    What it holds against what is in the week of the pin; `terms` are what was fixed at its start besides.
    """

    rollout = models.ForeignKey("rollouts.Rollout", models.PROTECT, related_name="watches")
    begins = models.DateTimeField(help_text=_("When the first interval begins: its start and the initial delay."))
    ends = models.DateTimeField()
    terms = models.JSONField(help_text=_("Nodes and thresholds of each entry, as they were when it was started."))
    tallies = models.JSONField(default=dict, help_text=_("What was observed so far, by entry."))
    state = models.CharField(max_length=12, blank=True)
    said = models.TextField(blank=True, help_text=_("Why it ended so."))
    ended_at = models.DateTimeField(null=True)
    aborted_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    digest = models.CharField(max_length=64, blank=True, help_text=_("SHA-256 of terms, tallies and outcome."))

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week"], condition=models.Q(ended_at=None), name="watch_runs_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week} watch {self.state or 'runs'}"


class Observation(models.Model):
    """What one interval of a watch was judged to be. `value`: the worst one in it."""

    watch = models.ForeignKey(Watch, models.PROTECT, related_name="observations")
    entry = models.CharField(max_length=80)
    number = models.IntegerField(help_text=_("Of the interval, counted from 0."))
    at = models.DateTimeField(help_text=_("When the interval ended."))
    state = models.CharField(max_length=12)
    value = models.FloatField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["watch", "entry", "number"], name="observed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entry} {self.number} {self.state}"


class Look(models.Model):
    """A person looked at an entry of a watch and says whether it was in order."""

    watch = models.ForeignKey(Watch, models.PROTECT, related_name="looks")
    entry = models.CharField(max_length=80)
    number = models.IntegerField(help_text=_("Of the interval between looks, counted from 0."))
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    fine = models.BooleanField()
    note = models.TextField()

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]

    def __str__(self) -> str:
        return f"{self.entry} {self.note[:40]}"


class Override(OfWeek):
    """Somebody lets a gate go on although a verdict does not allow it. The verdict stays what it is; this counts until it expires.

    A critical one counts only after a second person confirmed it.
    """

    scope = models.CharField(max_length=120, help_text=_("gate:…, item:… or check:…"))
    title = models.TextField(help_text=_("What is overridden, in words."))
    verdict = models.CharField(max_length=12, help_text=_("What it said when it was overridden."))
    reason = models.TextField()
    expires_at = models.DateTimeField()
    critical = models.BooleanField()
    confirmed_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_why = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]

    def __str__(self) -> str:
        return f"{self.week}/{self.scope}"

    @property
    def settled(self) -> bool:
        """Made by as many people as it takes; a critical one without its second person is a proposal."""
        return not self.critical or self.confirmed_by_id is not None
