"""That a check can fire: what was seen of it while a fault was put into its tier on purpose."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.kernel import State


class Proof(models.Model):
    """A fault made a check leave pass, and the check passed again once it was healed: the newest of each check, tier and fault.

    A row begins as an expectation, when the fault goes in while the check passes. `fired_at` empty: it has not fired yet; `passed_at`
    empty: it has not passed again, and nothing is proved so far. Moments but `put_in_at` are those of polls, and `fired_at` is the
    watchman's where nobody polled under the fault.
    """

    tier = models.ForeignKey("metrics.Tier", models.CASCADE, related_name="proofs")
    check_id = models.CharField(max_length=80)
    fault = models.CharField(max_length=80)
    put_in_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=16, blank=True, choices=[(s.value, s.value) for s in (State.WARN, State.FAIL)])
    value = models.FloatField(null=True)
    node = models.CharField(max_length=60, blank=True, help_text=_("Where it fired; empty: on the tier as a whole."))
    object = models.CharField(max_length=200, blank=True)
    passed_at = models.DateTimeField(null=True)
    portal = models.CharField(max_length=80, blank=True, help_text=_("The portal's version, and its commit if known."))
    postgresql = models.CharField(max_length=40, blank=True, help_text=_("Version of that node, or of the primary."))

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tier", "check_id", "fault"], condition=models.Q(passed_at=None), name="proof_awaited_once"
            ),
            models.UniqueConstraint(
                fields=["tier", "check_id", "fault"], condition=models.Q(passed_at__isnull=False), name="proof_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_id} by {self.fault}"
