"""What a rollout remembers. Nothing here is overwritten: an undone tick, a superseded baseline and a revoked signature stay."""

import hashlib
import json
from typing import Any, ClassVar

from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from apps.metrics.models import Tier
from apps.rollouts.of_week import PERSON, OfWeek
from apps.rollouts.watch_models import Look, Observation, Override, Watch

__all__ = [
    "Act",
    "Amendment",
    "Baseline",
    "Comparison",
    "Decision",
    "Deployment",
    "Draft",
    "Issue",
    "Look",
    "Method",
    "Observation",
    "OfWeek",
    "Outcome",
    "Override",
    "Pin",
    "Proposal",
    "Reading",
    "Revocation",
    "Rollout",
    "Signature",
    "Signed",
    "Tick",
    "Waiver",
    "Watch",
]


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
    files = models.JSONField(default=list, help_text=_("Name, sha256, bytes and type of each attached file."))
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


class Decision(models.TextChoices):
    """What a signature decides."""

    APPROVE = "approve", _("Approve")
    REJECT = "reject", _("Reject")


class Method(models.TextChoices):
    """How a signer was recognised. PASSKEY: by their authenticator, which anybody can verify. The others: by this server, which says so."""

    PASSKEY = "passkey", _("passkey")
    PASSWORD = "password", _("password, server-attested")
    CODE = "password+totp", _("password and one-time code, server-attested")


class Signed(models.Model):
    """Exact bytes that somebody signed, and how: `passkey` holds the assertion's parts and the public key, or nothing."""

    statement = models.BinaryField()
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the statement."))
    method = models.CharField(max_length=24, choices=Method, default=Method.PASSWORD)
    passkey = models.JSONField(null=True)

    class Meta:
        abstract = True


def content(statement: bytes | memoryview) -> dict[str, Any]:
    """What exact bytes say."""
    found: dict[str, Any] = json.loads(bytes(statement))
    return found


class Act(models.TextChoices):
    """What is signed: a slot of a week, taking a signature back, waiving the separation of duties, ending that waiver, an amendment."""

    SIGN = "sign", _("Sign")
    REVOKE = "revoke", _("Revoke")
    WAIVE = "waive", _("Waive")
    RESTORE = "restore", _("Restore")
    AMEND = "amend", _("Amend")


class Draft(OfWeek):
    """A statement drawn up for one person, slot and state of the week; signed once within five minutes, or never."""

    act = models.CharField(max_length=8, choices=Act)
    slot = models.CharField(max_length=60, blank=True)
    covers = models.CharField(max_length=64, blank=True)
    statement = models.BinaryField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.act} {self.week}/{self.slot} by {self.by_id}"

    @property
    def said(self) -> dict[str, Any]:
        """The statement as a dictionary."""
        return content(self.statement)

    @property
    def digest(self) -> str:
        """SHA-256 of the statement, in hexadecimal: the challenge of a passkey."""
        return hashlib.sha256(self.statement).hexdigest()


class Signature(OfWeek, Signed):
    """One person's signature in one slot: exactly what was signed, its digest, and how the signer was recognised.

    `covers` is the digest of the week's part of the statement: when it is no longer the week's present one, the signature is stale.
    """

    slot = models.CharField(max_length=60)
    role = models.CharField(max_length=16)
    meaning = models.CharField(max_length=300)
    decision = models.CharField(max_length=8, choices=Decision)
    reason = models.TextField(blank=True)
    covers = models.CharField(max_length=64)
    waived = models.BooleanField(
        default=False, help_text=_("Only a waiver of the separation of duties let this person sign.")
    )
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
                fields=["rollout", "week", "by"],
                condition=models.Q(revoked_at=None, waived=False),
                name="one_slot_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.week}/{self.slot} {self.decision}"

    @property
    def said(self) -> dict[str, Any]:
        """The statement as a dictionary."""
        return content(self.statement)

    @property
    def attested(self) -> str:
        """How the signer was recognised, in words; everything but a passkey says that only the server attests it."""
        return str(Method(self.method).label)


class Revocation(OfWeek, Signed):
    """A signature taken back: itself signed, with a reason."""

    signature = models.OneToOneField(Signature, models.PROTECT, related_name="revocation")
    why = models.TextField()

    def __str__(self) -> str:
        return f"{self.signature} revoked"


class Waiver(Signed):
    """The separation of duties given up for one rollout, by a signed statement with a reason; ended, it stays."""

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="waivers")
    by = models.ForeignKey(PERSON, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    why = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(PERSON, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar[list[str]] = ["at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["rollout"], condition=models.Q(ended_at=None), name="waiver_once"),
        ]

    def __str__(self) -> str:
        return f"waiver by {self.by_id}"


class Amendment(OfWeek, Signed):
    """A newer definition adopted for one week of a rollout, by a signed statement with a reason. The last one of a week is in force."""

    pin = models.ForeignKey(Pin, models.PROTECT, related_name="+")
    why = models.TextField()
    rewatch = models.BooleanField(
        default=False, help_text=_("The watch is another one: what was watched before does not count.")
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return f"{self.week} follows {self.pin_id}"


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

    pin = models.ForeignKey(Pin, models.PROTECT, related_name="+")
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
