"""When somebody last looked at a tier, so that the first page can say what happened since."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from apps.metrics.models import Tier


class Visit(models.Model):
    """A person's last look at a tier; `away_from` to `away_until`: an absence of which they have not been told yet."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    tier = models.ForeignKey(Tier, models.CASCADE, related_name="+")
    seen_at = models.DateTimeField()
    away_from = models.DateTimeField(null=True)
    away_until = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "tier"], name="visit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.seen_at:%Y-%m-%d %H:%M}"
