"""What a rollout remembers of statements that were signed: drafts, signatures, and what else takes effect by one. Revoked, they stay."""

import hashlib
import json
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.rollouts.of_week import PERSON, OfWeek


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

    rollout = models.ForeignKey("rollouts.Rollout", models.PROTECT, related_name="waivers")
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

    pin = models.ForeignKey("rollouts.Pin", models.PROTECT, related_name="+")
    why = models.TextField()
    rewatch = models.BooleanField(
        default=False, help_text=_("The watch is another one: what was watched before does not count.")
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return f"{self.week} follows {self.pin_id}"
