"""A rollout whose first week is ready to be signed, without a tier: what is under test is signing."""

import pytest
from django.utils import timezone

from apps.accounts.models import Person
from apps.metrics.models import Tier
from apps.rollouts.models import Rollout, Tick
from apps.rollouts.progress import Progress, progress
from apps.rollouts.start import start

WEEK = "pre-rollout"


def settle(rollout: Rollout, ticker: Person, week: str = WEEK, only: str = "") -> None:
    """Every item of a week settled, or one."""
    for item in at(rollout, week).week.items():
        if only in {"", item.slug}:
            Tick.objects.create(
                rollout=rollout,
                week=week,
                item=item.slug,
                by=ticker,
                at=timezone.now(),
                outcome="done",
                digest="0" * 64,
            )


def at(rollout: Rollout, week: str = WEEK) -> Progress:
    """The week as it stands."""
    return next(w for w in progress(Rollout.objects.get(pk=rollout.pk)) if w.week.slug == week)


@pytest.fixture
def ready(lead: Person, qa: Person) -> Rollout:
    """A rollout on a tier that is not polled; its first week waits for signatures only."""
    tier = Tier.objects.create(slug="paper", name="Paper")
    rollout = start(tier, "Phase 2", lead)
    settle(rollout, qa)
    return rollout
