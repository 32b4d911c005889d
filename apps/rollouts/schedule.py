"""Where a rollout's dates begin, and how that is moved: each move is a row and an entry of its own."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.models import Tier
from apps.rollouts.dates import next_monday
from apps.rollouts.models import Rollout, Schedule
from apps.rollouts.refusals import Refused

MONDAY = 0
FARTHEST = timedelta(days=5 * 365)
"""How far from today a rollout may begin; what is farther is a slip of the pen."""


class NoDay(Refused):
    """Raised for a day on which no rollout begins."""


def zone_of(tier: Tier) -> ZoneInfo:
    """The zone in which the tier's days and windows are meant."""
    return ZoneInfo(tier.time_zone)


def today(tier: Tier) -> date:
    """The date where the tier is."""
    return datetime.now(zone_of(tier)).date()


def earliest_monday(tier: Tier) -> date:
    """The first Monday that leaves a week for the preparation."""
    return next_monday(today(tier))


def first_monday(rollout: Rollout) -> date | None:
    """The Monday of its first week; None for one that was started before there were dates."""
    found = rollout.schedules.first()
    return found.first_monday if found else None


def refuse_day(tier: Tier, day: date) -> None:
    """Raises NoDay for a day that is no Monday, or one years away."""
    if abs(day - today(tier)) > FARTHEST:
        raise NoDay(_("%(day)s is more than five years away. Look at the year.") % {"day": f"{day:%d %b %Y}"})
    if day.weekday() != MONDAY:
        near = day - timedelta(days=day.weekday())
        text = _("%(day)s is no Monday. A week begins on one: choose %(near)s, for example.")
        raise NoDay(text % {"day": f"{day:%d %b %Y}", "near": f"{near:%d %b %Y}"})


def move(rollout: Rollout, day: date, why: str, seen: date | None, by: Person) -> None:
    """
    Let the rollout's dates begin on another Monday.

    `seen`: the day that the person was shown.

    Raises:
        Refused: the day is no Monday, too far away or the one it is already, or somebody moved it meanwhile.
    """
    refuse_day(rollout.tier, day)
    with transaction.atomic():
        Rollout.objects.select_for_update().get(pk=rollout.pk)
        before = first_monday(rollout)
        if before != seen:
            raise Refused(_("Somebody moved it while you were reading. Nothing was changed; look again."), status=409)
        if before == day:
            raise Refused(_("It begins on that day already; nothing was changed."), status=409)
        Schedule.objects.create(rollout=rollout, first_monday=day, why=why, by=by, at=datetime.now(UTC))
        append(
            kind="rollout.move",
            subject=f"rollout/{rollout.pk}",
            actor=by.username,
            body={
                "rollout": rollout.name,
                "before": before.isoformat() if before else "–",
                "first_monday": day.isoformat(),
                "why": why,
            },
            tier=rollout.tier.slug,
        )
