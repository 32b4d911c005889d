"""What people decide about alerts, and who is told: mute windows, thresholds of their own, channels and what was sent through them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.kernel import State

PERSON = settings.AUTH_USER_MODEL


class Mute(models.Model):
    """A time in which alerts of a tier, of one of its nodes, of one check, or of one check on one node call nobody.

    They are recorded all the same. A window that ends early keeps the end it was given first; `ended_at` says when it really ended.
    """

    tier = models.ForeignKey("metrics.Tier", models.CASCADE, related_name="mutes")
    node = models.ForeignKey("metrics.Node", models.CASCADE, null=True, blank=True)
    check_id = models.CharField(max_length=80, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar[list[str]] = ["starts_at", "id"]

    def __str__(self) -> str:
        return self.reason[:60]


class Threshold(models.Model):
    """Thresholds that somebody set for a check on a tier, or on one of its nodes, instead of the declared ones. Only ever ended."""

    tier = models.ForeignKey("metrics.Tier", models.CASCADE, related_name="thresholds")
    node = models.ForeignKey("metrics.Node", models.CASCADE, null=True)
    check_id = models.CharField(max_length=80)
    warn = models.FloatField(null=True)
    fail = models.FloatField(null=True)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar[list[str]] = ["-at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "node", "check_id"],
                condition=models.Q(ended_at=None),
                name="threshold_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_id} {self.warn}/{self.fail}"


class ChannelKind(models.TextChoices):
    """What a channel speaks; `channels` knows how each is written."""

    EMAIL = "email", _("e-mail")
    SLACK = "slack", _("webhook, Slack-compatible")
    JSON = "json", _("webhook, JSON with a signature")


class Channel(models.Model):
    """Where a tier's alerts are told. `target` is encrypted: a webhook's address is a key by itself; `shown` is what may be seen of it."""

    tier = models.ForeignKey("metrics.Tier", models.CASCADE, related_name="channels")
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=8, choices=ChannelKind.choices)
    target = models.TextField(editable=False)
    shown = models.CharField(max_length=300, editable=False)
    secret = models.TextField(blank=True, editable=False, help_text=_("What webhooks are signed with, encrypted."))
    least = models.CharField(max_length=8, choices=[(s.value, s.value) for s in (State.WARN, State.FAIL)])
    tells_silence = models.BooleanField(default=True)
    tells_end = models.BooleanField(default=True)
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    removed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "name"], condition=models.Q(removed_at=None), name="channel_name_in_tier"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    """How far a delivery came."""

    PENDING = "pending", _("waiting")
    SENT = "sent", _("sent")
    GIVEN_UP = "given up", _("given up")


class Delivery(models.Model):
    """One message to one channel or person: an outbox. Written with what it tells of, sent later, at least once, with the same id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, related_name="deliveries")
    person = models.ForeignKey(PERSON, models.CASCADE, null=True, related_name="+")
    group = models.CharField(
        max_length=80, help_text=_("The node, or empty for the tier: one message each and change.")
    )
    message = models.JSONField()
    made_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(help_text=_("Not before; while it is being sent: when its sender counts as dead."))
    status = models.PositiveSmallIntegerField(null=True, help_text=_("The last answer's status code."))
    problem = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-made_at"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["next_at"], condition=models.Q(state="pending"), name="delivery_due"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(channel=None, person__isnull=False) | models.Q(channel__isnull=False, person=None),
                name="delivery_to_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"
