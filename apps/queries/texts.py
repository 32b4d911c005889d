"""Texts of statements: kept from what the polls brought, read by pages."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings

from apps.metrics.models import LatestAnswer, Tier
from apps.queries.models import Statement

TEXTS = "queries.texts"
DAY = timedelta(days=1)
LONGEST_KEPT = max(settings.RAW_RETENTION, timedelta(days=400))


def keep_all() -> None:
    """Write down the texts of the latest answers of every tier. Texts not seen for as long as any history lasts are removed."""
    now = datetime.now(UTC)
    for tier in Tier.objects.all():
        answers = LatestAnswer.objects.filter(tier=tier, probe=TEXTS).values_list("rows", flat=True)
        texts = {int(row["object"]): row["query"] for rows in answers for row in rows if row["query"]}
        known = Statement.objects.filter(tier=tier, queryid__in=texts, seen_at__gt=now - DAY)
        for queryid in known.values_list("queryid", flat=True):
            del texts[queryid]
        Statement.objects.bulk_create(
            [Statement(tier=tier, queryid=queryid, text=text, seen_at=now) for queryid, text in texts.items()],
            update_conflicts=True,
            unique_fields=["tier", "queryid"],
            update_fields=["text", "seen_at"],
        )
    Statement.objects.filter(seen_at__lt=now - LONGEST_KEPT).delete()


def texts_of(tier: Tier, queryids: Iterable[str]) -> dict[str, str]:
    """The texts that are known, by queryid as the samples name it."""
    wanted = [int(queryid) for queryid in queryids]
    found = Statement.objects.filter(tier=tier, queryid__in=wanted).values_list("queryid", "text")
    return {str(queryid): text for queryid, text in found}
