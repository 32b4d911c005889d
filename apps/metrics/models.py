"""Tiers, their nodes, and what must be remembered of each poll.

Samples and polls live in day partitions (see migrations/0002): `store` writes them by COPY and reads them by SQL.
"""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.alerting import Channel, Delivery, Mute, Threshold
from apps.metrics.alerts import Kind
from apps.metrics.kernel import FailureKind, NodeKind, NodeRole, State
from apps.metrics.proven import Proof

__all__ = [
    "Alert",
    "Channel",
    "ClosedBy",
    "Delivery",
    "LatestAnswer",
    "Mute",
    "Node",
    "NodeStatus",
    "ProcessRun",
    "Proof",
    "Series",
    "Slot",
    "Standing",
    "Threshold",
    "Tier",
    "Upkeep",
]


class ClosedBy(models.TextChoices):
    """Why an alert is closed."""

    PASSED = "passed", _("the check passed")
    BACK = "back", _("there are data again")
    GONE = "gone", _("what it was of is gone")
    REMOVED = "removed", _("the node is no longer watched")


class Tier(models.Model):
    """A data tier: the nodes that serve one environment (staging, production)."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    time_zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    open_alerts: int | None = None
    """How many of its alerts are open, where they were counted with it (`store.tiers`)."""

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]

    def __str__(self) -> str:
        return self.name


class WatchedNodes(models.Manager["Node"]):
    """Nodes that are watched now; a removed one keeps its history and is reached through `Node.every` only."""

    def get_queryset(self) -> models.QuerySet["Node"]:
        """Without removed nodes."""
        return super().get_queryset().filter(removed_at=None)


class Node(models.Model):
    """One server of a tier. `address` holds no password; `secret` is encrypted with settings.FIELD_KEY (see `secrets`)."""

    tier = models.ForeignKey(Tier, models.CASCADE, related_name="nodes")
    name = models.SlugField(max_length=60)
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in NodeKind])
    role = models.CharField(max_length=16, choices=[(r.value, r.value or _("none")) for r in NodeRole], blank=True)
    address = models.CharField(max_length=300, help_text=_("The address without its password."))
    secret = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, editable=False)

    objects = WatchedNodes()
    every = models.Manager["Node"]()

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "name"], condition=models.Q(removed_at=None), name="node_name_in_tier"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def remove(self, now: datetime) -> None:
        """Stop watching it: its samples and alerts stay, its open alerts close, its thresholds end, its present verdicts and answers go."""
        self.threshold_set.filter(ended_at=None).update(ended_at=now)
        self.alert_set.filter(closed_at=None).update(closed_at=now, updated_at=now, closed_by=ClosedBy.REMOVED)
        self.standing_set.all().delete()
        self.latestanswer_set.all().delete()
        self.removed_at = now
        self.secret = ""
        self.save(update_fields=["removed_at", "secret"])


class NodeStatus(models.Model):
    """How the last poll found a node."""

    node = models.OneToOneField(Node, models.CASCADE, primary_key=True, related_name="status")
    slot = models.DateTimeField()
    up = models.BooleanField()
    since = models.DateTimeField(help_text=_("Since when it has been up, or not."))
    failure = models.CharField(max_length=16, blank=True, choices=[(k.value, k.value) for k in FailureKind])
    message = models.TextField(blank=True)
    role = models.CharField(max_length=16, blank=True)
    version = models.CharField(max_length=40, blank=True)
    identity = models.CharField(max_length=80, blank=True, help_text=_("System identifier, run id or the like."))
    clock_offset_seconds = models.FloatField(null=True)
    duration_seconds = models.FloatField()

    def __str__(self) -> str:
        return f"{self.node_id} {'up' if self.up else 'down'}"


class Slot(models.Model):
    """A scheduled poll of a tier, claimed by the worker that runs it: two beats or two deliveries find it taken."""

    tier = models.ForeignKey(Tier, models.CASCADE)
    at = models.DateTimeField()
    claimed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tier", "at"], name="slot_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tier_id} {self.at:%H:%M:%S}"


class Series(models.Model):
    """What a sample is of: metric, object and node (none for the tier as a whole)."""

    tier = models.ForeignKey(Tier, models.CASCADE)
    node = models.ForeignKey(Node, models.CASCADE, null=True)
    metric = models.CharField(max_length=120)
    object = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "metric", "node", "object"], name="series_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.object}"


class Newest(models.Model):
    """The newest sample of a series, for those who scrape the portal; kept only where samples are kept in another store of history."""

    series = models.OneToOneField(Series, models.CASCADE, primary_key=True)
    at = models.DateTimeField()
    value = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.series_id} {self.value}"


class LatestAnswer(models.Model):
    """The rows a probe brought last, as given: objects of the tables, raw rows of evidence, counters before."""

    tier = models.ForeignKey(Tier, models.CASCADE)
    node = models.ForeignKey(Node, models.CASCADE, null=True)
    probe = models.CharField(max_length=80)
    at = models.DateTimeField()
    question = models.TextField()
    rows = models.JSONField()
    failure = models.CharField(max_length=16, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tier", "probe", "node"], name="answer_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return self.probe


class Standing(models.Model):
    """The present verdict of a check on a node and object, and since when it says so."""

    tier = models.ForeignKey(Tier, models.CASCADE)
    node = models.ForeignKey(Node, models.CASCADE, null=True)
    check_id = models.CharField(max_length=80)
    object = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=16, choices=[(s.value, s.value) for s in State])
    value = models.FloatField(null=True)
    at = models.DateTimeField(null=True, help_text=_("When the value was measured; empty: never."))
    since = models.DateTimeField(help_text=_("Since when it has been good, bad, undecided or silent."))
    failing_since = models.DateTimeField(null=True, help_text=_("Since when it has failed without a break."))

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "check_id", "node", "object"], name="standing_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_id} {self.state}"


class Alert(models.Model):
    """A check that stayed bad, or without data, for its hold time, until it passed, or had data, twice in a row.

    `announced`: the worst state that channels were told of; empty while a mute or its cause keeps it quiet.
    """

    tier = models.ForeignKey(Tier, models.CASCADE, related_name="alerts")
    node = models.ForeignKey(Node, models.CASCADE, null=True)
    check_id = models.CharField(max_length=80)
    object = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in Kind], default=Kind.LIMIT.value)
    state = models.CharField(max_length=16, help_text=_("warn or fail, rising with the worst seen; or no_data."))
    value = models.FloatField(null=True, help_text=_("The latest value."))
    threshold = models.FloatField(null=True)
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=8, choices=ClosedBy.choices, blank=True)
    flapping = models.BooleanField(default=False)
    cause = models.ForeignKey(Node, models.SET_NULL, null=True, related_name="+", help_text=_("The node that is down."))
    mute = models.ForeignKey(Mute, models.SET_NULL, null=True, related_name="alerts")
    announced = models.CharField(max_length=16, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-opened_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "check_id", "node", "object", "kind"],
                condition=models.Q(closed_at=None),
                name="alert_open_once",
                nulls_distinct=False,
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tier", "-opened_at"], name="alert_history"),
        ]

    def __str__(self) -> str:
        return f"{self.check_id} {self.state}"

    @property
    def quiet(self) -> bool:
        """Whether it calls nobody: muted, or explained by a node that is down."""
        return self.mute_id is not None or self.cause_id is not None


class Unsent(models.Model):
    """The samples of one poll that the store of history (OPSPORTAL_HISTORY=prometheus) has not taken yet, as they will be sent."""

    at = models.DateTimeField()
    samples = models.IntegerField()
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.samples} samples of {self.at:%H:%M:%S}"


class Forwarding(models.Model):
    """How sending to the store of history goes; one row. `lost` begins anew with the first poll that is lost a day after the last one."""

    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True, help_text=_("What the store said last when it did not take something."))
    lost = models.BigIntegerField(default=0, help_text=_("Polls whose samples were dropped, since the beginning."))
    lost_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.message


class ProcessRun(models.Model):
    """One life of a worker or beat process, so that a killed one is noticed without asking it."""

    name = models.CharField(max_length=40)
    host = models.CharField(max_length=120)
    pid = models.IntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, help_text=_("Set by an orderly stop only."))

    class Meta:
        ordering: ClassVar[list[str]] = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.name} {self.pid}"


class Upkeep(models.Model):
    """Partitions of a table of history that were made or dropped (written by the store's own functions), or what kept them from it.

    A failure is one row however often it is tried again: `at` is its beginning, `over_at` when it went well again.
    """

    parent = models.CharField(max_length=63)
    deed = models.CharField(max_length=4, choices=[("make", _("made")), ("drop", _("dropped"))])
    at = models.DateTimeField(db_index=True)
    partitions = models.IntegerField(default=0)
    error = models.TextField(blank=True)
    tries = models.IntegerField(default=1)
    tried_at = models.DateTimeField()
    over_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-tried_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["parent", "deed"],
                condition=~models.Q(error="") & models.Q(over_at=None),
                name="upkeep_fails_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.parent} {self.deed} {self.error or self.partitions}"
