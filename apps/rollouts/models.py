"""What a rollout remembers. Nothing here is overwritten: an undone tick, a superseded baseline and a revoked signature stay."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.models import Tier

PERSON = settings.AUTH_USER_MODEL


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


class OfWeek(models.Model):
    """Something done in one week of a rollout, by somebody, at some time."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="%(class)ss")
    week = models.CharField(max_length=60)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        abstract = True


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
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the frozen evidence, value and note."))
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


class Deployment(OfWeek):
    """Somebody deployed what the week brings: what, and how long it took."""

    what = models.CharField(max_length=200)
    minutes = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.week} {self.what}"


class Issue(OfWeek):
    """Something seen in a week; an open one is listed in every statement signed."""

    text = models.TextField()
    known = models.CharField(max_length=80, blank=True, help_text=_("Slug in the week's issue table."))
    action = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    resolution = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]

    def __str__(self) -> str:
        return self.text[:60]


class Decision(models.TextChoices):
    """What a signature decides."""

    APPROVE = "approve", _("Approve")
    REJECT = "reject", _("Reject")


class Signature(OfWeek):
    """One person's signature in one slot: exactly what was signed, its digest, and how the signer was recognised.

    `covers` is the digest of the week's part of the statement: when it is no longer the week's present one, the signature is stale.
    """

    slot = models.CharField(max_length=60)
    role = models.CharField(max_length=16)
    meaning = models.CharField(max_length=300)
    decision = models.CharField(max_length=8, choices=Decision)
    reason = models.TextField(blank=True)
    statement = models.BinaryField()
    digest = models.CharField(max_length=64)
    covers = models.CharField(max_length=64)
    method = models.CharField(max_length=24, default="password", help_text=_("password: server-attested."))
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")
    revoked_why = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["rollout", "week", "slot"], condition=models.Q(revoked_at=None), name="signature_once"
            ),
            models.UniqueConstraint(
                fields=["rollout", "week", "by"], condition=models.Q(revoked_at=None), name="one_slot_a_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week}/{self.slot} {self.decision}"
