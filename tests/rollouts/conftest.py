"""A rollout whose first week is ready to be signed, without a tier: what is under test is signing."""

from dataclasses import replace

import pytest
from django.utils import timezone

from apps.accounts.models import Person
from apps.metrics.models import Tier
from apps.playbook.guides import Playbook
from apps.playbook.pin import bundle
from apps.playbook.plan import Week
from apps.playbook.validate import current
from apps.rollouts.evidence import bundle as bundle_of
from apps.rollouts.models import Pin, RollbackRun, Rollout, Tick
from apps.rollouts.progress import Progress, progress
from apps.rollouts.start import start

WEEK, FINAL = "pre-rollout", "final"


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


def bundled(rollout: Rollout, week: Week | None = None) -> bytes:
    """The evidence bundle's bytes."""
    with bundle_of(rollout, week) as file:
        return file.read()


@pytest.fixture
def ready(lead: Person, qa: Person) -> Rollout:
    """A rollout on a tier that is not polled; its first week waits for signatures only."""
    tier = Tier.objects.create(slug="paper", name="Paper")
    rollout = start(tier, "Phase 2", lead)
    settle(rollout, qa)
    return rollout


def begin(playbook: Playbook, starter: Person, ticker: Person) -> Rollout:
    """A rollout on another playbook than the portal's, all items of its weeks settled."""
    frozen = bundle(playbook)
    pin = Pin.objects.create(digest=frozen.digest, data=frozen.data, files=dict(frozen.files))
    tier = Tier.objects.create(slug="short", name="Short")
    made = Rollout.objects.create(tier=tier, pin=pin, name="Phase 3", started_by=starter, started_at=timezone.now())
    for week in playbook.weeks:
        settle(made, ticker, week.slug)
    return made


@pytest.fixture
def short(lead: Person, qa: Person) -> Rollout:
    """A programme of its first and its final week, both of which wait for signatures only."""
    whole = current().playbook
    return begin(replace(whole, weeks=(whole.weeks[0], whole.weeks[-1])), lead, qa)


def drilled(rollout: Rollout, week: str, by: Person, took_seconds: float = 20, pin: Pin | None = None) -> RollbackRun:
    """A drill of a week's rollback that came to its end, so that the week may be deployed."""
    rollback = at(rollout, week).week.rollback
    assert rollback is not None
    now = timezone.now()
    return RollbackRun.objects.create(
        rollout=rollout, week=week, pin=pin or rollout.pin, drilled_on="lab", promised_seconds=rollback.promised.total_seconds(),
        took_seconds=took_seconds, end="finished", by=by, at=now, ended_by=by, ended_at=now,
    )  # fmt: skip
