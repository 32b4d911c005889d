"""Mute windows: which are running, what they cover, beginning one and ending it early."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.models import Alert, Mute, Tier


def running(tier: Tier, at: datetime) -> list[Mute]:
    """The windows of a tier that are open at a moment."""
    return list(Mute.objects.filter(tier=tier, ended_at=None, starts_at__lte=at, ends_at__gt=at))


def coming(tier: Tier, at: datetime) -> QuerySet[Mute]:
    """Windows that are open or still to come, the next first."""
    return Mute.objects.filter(tier=tier, ended_at=None, ends_at__gt=at).select_related("node", "by")


def covering(mutes: Iterable[Mute], alert: Alert) -> Mute | None:
    """The first window that covers an alert; None where none does."""
    for mute in mutes:
        if mute.node_id in {None, alert.node_id} and mute.check_id in {"", alert.check_id}:
            return mute
    return None


def begin(mute: Mute) -> Mute:
    """Keep a new window and record it; alerts that are open already are quiet at once."""
    with transaction.atomic():
        mute.save()
        _apply(mute.tier, datetime.now(UTC))
        _record("mute.begin", mute, mute.by)
    return mute


def end(mute: Mute, by: Person) -> bool:
    """End a window now and record it; what is still bad is told at the next poll. Returns whether it had not ended yet."""
    with transaction.atomic():
        now = datetime.now(UTC)
        found = Mute.objects.select_for_update().filter(pk=mute.pk, ended_at=None, ends_at__gt=now)
        if not found.update(ended_at=now, ended_by=by):
            return False
        _apply(mute.tier, now)
        _record("mute.end", mute, by)
    return True


def _apply(tier: Tier, now: datetime) -> None:
    """Mark the open alerts as the windows say now; each poll does the same."""
    mutes = running(tier, now)
    for alert in Alert.objects.select_for_update().filter(tier=tier, closed_at=None).order_by("pk"):
        mute = covering(mutes, alert)
        if alert.mute_id != (mute.pk if mute else None):
            alert.mute = mute
            alert.save(update_fields=["mute"])


def _record(kind: str, mute: Mute, by: Person) -> None:
    what = " · ".join(filter(None, [mute.node.name if mute.node else "", mute.check_id])) or mute.tier.name
    ends = {
        name: f"{at.astimezone(UTC):%d %b %H:%M} UTC" for name, at in (("from", mute.starts_at), ("to", mute.ends_at))
    }
    body = {"what": what, **ends, "reason": mute.reason}
    append(
        kind=kind,
        subject=f"tier/{mute.tier.slug}/mute/{mute.pk}",
        actor=by.get_username(),
        body=body,
        tier=mute.tier.slug,
    )
