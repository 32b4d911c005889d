"""Since you were away: what happened on a tier between a person's last look and their coming back, until they put it aside."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.alert_rows import AlertRow, rows
from apps.metrics.models import Alert, Tier
from apps.overview.models import Visit

AWAY = timedelta(minutes=30)
"""Who did not look for this long was away."""
NOTED = timedelta(minutes=1)  # how exactly a look is remembered
SHOWN = 5
_TOLD = ("rollout.", "threshold.", "mute.", "node.", "channel.")


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a person did, in words."""

    at: datetime
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Digest:
    """What happened in an absence; each list holds the newest few, and the count is of all."""

    start: datetime
    end: datetime
    opened: int
    closed: int
    taken: int
    still_open: Sequence[AlertRow]
    deeds: Sequence[Deed]
    more: int

    @property
    def empty(self) -> bool:
        """Whether nothing happened at all."""
        return not (self.opened or self.closed or self.taken or self.deeds)

    @property
    def said(self) -> Hashable:
        """What it says: two that say the same look the same."""
        lasting = tuple((row.alert.pk, row.alert.state) for row in self.still_open)
        return self.start, self.end, self.opened, self.closed, self.taken, lasting, tuple(self.deeds), self.more


def look(person: Person, tier: Tier) -> Visit:
    """Remember that a person looks at a tier now; an absence before it, if long, waits to be told."""
    now = timezone.now()
    visit, first = Visit.objects.get_or_create(person=person, tier=tier, defaults={"seen_at": now})
    if first or now - visit.seen_at < NOTED:
        return visit
    if now - visit.seen_at >= AWAY:
        visit.away_from, visit.away_until = visit.away_from or visit.seen_at, now
    visit.seen_at = now
    visit.save(update_fields=["seen_at", "away_from", "away_until"])
    return visit


def dismiss(person: Person, tier: Tier) -> None:
    """The absence has been read."""
    Visit.objects.filter(person=person, tier=tier).update(away_from=None, away_until=None)


def digest(visit: Visit) -> Digest | None:
    """What happened in the absence that waits to be told; None when there is none, or when nothing happened in it."""
    if visit.away_from is None or visit.away_until is None:
        return None
    within = (visit.away_from, visit.away_until)
    alerts = Alert.objects.filter(tier=visit.tier)
    opened = alerts.filter(opened_at__range=within)
    lasting = opened.filter(closed_at=None, cause=None, mute=None).select_related("node", "tier")
    wanted = Q()
    for start in _TOLD:
        wanted |= Q(kind__startswith=start)
    entries = Entry.objects.filter(wanted, tier=visit.tier.slug, at__range=within).exclude(
        actor=visit.person.get_username()
    )
    told = Digest(
        *within,
        opened=opened.count(),
        closed=alerts.filter(closed_at__range=within).count(),
        taken=alerts.filter(acknowledged_at__range=within).exclude(acknowledged_by=visit.person).count(),
        still_open=rows(visit.tier, lasting[:SHOWN]),
        deeds=[Deed(one.at, one.sentence, f"/ledger/{one.seq}/") for one in entries.order_by("-seq")[:SHOWN]],
        more=max(entries.count() - SHOWN, 0),
    )
    return None if told.empty else told
