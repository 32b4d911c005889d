"""What a rollout remembers. Nothing here is overwritten: an undone tick, a superseded baseline and a revoked signature stay."""

from typing import ClassVar

from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from apps.metrics.models import Tier
from apps.rollouts.of_week import PERSON, OfWeek
from apps.rollouts.rollback_models import DrilledOn, RollbackEnd, RollbackRun, RollbackStep, StepState
from apps.rollouts.sign_models import (
    Act,
    Amendment,
    Decision,
    Draft,
    Method,
    Revocation,
    Signature,
    Signed,
    Waiver,
    content,
)
from apps.rollouts.watch_models import Look, Observation, Override, Watch

__all__ = [
    "Act",
    "Amendment",
    "Baseline",
    "Comparison",
    "Decision",
    "Deployment",
    "Draft",
    "DrilledOn",
    "Issue",
    "Look",
    "Method",
    "Note",
    "Notice",
    "Observation",
    "OfWeek",
    "Outcome",
    "Override",
    "Pin",
    "Proposal",
    "Reading",
    "Revocation",
    "RollbackEnd",
    "RollbackRun",
    "RollbackStep",
    "Rollout",
    "Schedule",
    "Signature",
    "Signed",
    "StepState",
    "StoredFile",
    "Tick",
    "Waiver",
    "Watch",
    "content",
]


FILES = _("Name, sha256, bytes and type of each attached file.")


class Pin(models.Model):
    """A playbook frozen for rollouts: the exact bytes of its bundle and the digest of its meaning."""

    digest = models.CharField(max_length=64, unique=True)
    data = models.BinaryField()
    files = models.JSONField(default=dict)
    made_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest[:12]


class Rollout(models.Model):
    """One programme on one tier, along one pinned playbook."""

    tier = models.ForeignKey(Tier, models.PROTECT, related_name="rollouts")
    pin = models.ForeignKey(Pin, models.PROTECT)
    name = models.CharField(max_length=80)
    started_by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    started_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-started_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tier", "name"], name="rollout_name_in_tier"),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def waiver(self) -> "Waiver | None":
        """The waiver of the separation of duties that is in force, as it was when this instance was first asked."""
        return self.waivers.filter(ended_at=None).select_related("by").first()


class Schedule(models.Model):
    """Where a rollout's dates begin: the Monday of its first week. The newest one counts; the others tell how it was moved."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="schedules")
    first_monday = models.DateField(help_text=_("In the tier's time zone."))
    why = models.TextField(blank=True)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return f"{self.first_monday}"


class Notice(models.Model):
    """That something began to wait for people, until when it did, and which of them were told by e-mail."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="notices")
    key = models.CharField(max_length=200, help_text=_("Names the occasion within the rollout while it lasts."))
    text = models.TextField()
    told = models.JSONField(default=list, help_text=_("User names of those who were told."))
    at = models.DateTimeField()
    over_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["rollout", "key"], condition=models.Q(over_at=None), name="notice_once"),
        ]

    def __str__(self) -> str:
        return self.key


class StoredFile(models.Model):
    """The bytes of an attached file, kept once however often it is attached; the serving login adds some and changes none."""

    digest = models.CharField(max_length=64, primary_key=True, help_text=_("SHA-256 of the bytes."))
    data = models.BinaryField()

    def __str__(self) -> str:
        return self.digest[:12]


class Outcome(models.TextChoices):
    """How an item was settled."""

    DONE = "done", _("Done")
    NOT_APPLICABLE = "n/a", _("Not applicable")


class Tick(OfWeek):
    """An item settled, with the evidence frozen at that moment. Undoing it keeps it and makes room for another."""

    item = models.CharField(max_length=80)
    outcome = models.CharField(max_length=8, choices=Outcome)
    value = models.FloatField(null=True)
    note = models.TextField(blank=True)
    evidence = models.JSONField(default=list)
    files = models.JSONField(default=list, help_text=FILES)
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the frozen evidence, value, note and files."))
    read_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    proposed_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    undone_why = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week", "item"], condition=models.Q(undone_at=None), name="tick_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week}/{self.item} {self.outcome}"


class Reading(OfWeek):
    """The first half of a challenge item: one person read it out; another one confirms."""

    item = models.CharField(max_length=80)
    note = models.TextField(blank=True)
    files = models.JSONField(default=list, help_text=FILES)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week", "item"], condition=models.Q(used_at=None), name="reading_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week}/{self.item} read"


class Proposal(OfWeek):
    """Somebody says why a critical item does not apply. A second person agrees, which settles the item, or declines."""

    item = models.CharField(max_length=80)
    why = models.TextField()
    files = models.JSONField(default=list, help_text=FILES)
    agreed = models.BooleanField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week", "item"], condition=models.Q(settled_at=None), name="proposal_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week}/{self.item} does not apply"


class Baseline(OfWeek):
    """One metric before the deployment: its raw samples in a window, their median, the load, a digest."""

    metric = models.CharField(max_length=80, help_text=_("Slug of the metric in the week."))
    unit = models.CharField(max_length=12)
    value = models.FloatField(help_text=_("Median of the samples, or the value entered."))
    start = models.DateTimeField()
    end = models.DateTimeField()
    samples = models.JSONField(
        help_text=_("[Unix seconds, value] pairs by node and object; empty for an entered value.")
    )
    load_per_second = models.FloatField(null=True)
    conditions = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week", "metric"], condition=models.Q(superseded_at=None), name="baseline_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week}/{self.metric} {self.value}"


class Comparison(OfWeek):
    """Before and after of one week, frozen: every metric's answer, the values it rests on, one state and one sentence for all of it."""

    state = models.CharField(max_length=12, help_text=_("The worst of all answers."))
    said = models.TextField(help_text=_("The outcome in one sentence."))
    results = models.JSONField(help_text=_("One answer a metric."))
    samples = models.JSONField(
        help_text=_("What was compared: [Unix seconds, value] pairs before and after, by metric.")
    )
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of answers and samples."))
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week"], condition=models.Q(superseded_at=None), name="comparison_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week} {self.state}"


class Deployment(OfWeek):
    """Somebody deployed what the week brings: what, and how long it took."""

    what = models.CharField(max_length=200)
    minutes = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.week} {self.what}"


class Issue(OfWeek):
    """Something seen in a week; an open one is listed in every statement signed, and an open blocker lets nobody approve."""

    text = models.TextField()
    known = models.CharField(max_length=80, blank=True, help_text=_("Slug in the week's issue table."))
    action = models.TextField(blank=True)
    blocker = models.BooleanField(default=False)
    files = models.JSONField(default=list, help_text=_("Name, sha256, bytes and type of each attached file."))
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    resolution = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]

    def __str__(self) -> str:
        return self.text[:60]


class Note(OfWeek):
    """A remark beside the plan, for those who read the timeline; no signature covers it."""

    text = models.TextField()

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]

    def __str__(self) -> str:
        return self.text[:60]
