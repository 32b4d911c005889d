"""What must be remembered of statements beyond their counters: their texts, for as long as their history is shown."""

from typing import ClassVar

from django.db import models

from apps.metrics.models import Tier


class Statement(models.Model):
    """The text of a statement, constants replaced, as a server of the tier told it; servers that replicate use the same ids."""

    tier = models.ForeignKey(Tier, models.CASCADE)
    queryid = models.BigIntegerField()
    text = models.TextField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tier", "queryid"], name="statement_once"),
        ]

    def __str__(self) -> str:
        return f"{self.queryid}"
