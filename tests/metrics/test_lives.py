"""Who lives and who was killed is seen from the store alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.metrics import lives, store
from apps.metrics.models import Node, NodeStatus, ProcessRun, Slot, Tier


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier with one node."""
    tier = Tier.objects.create(slug="lab", name="Lab")
    Node.objects.create(tier=tier, name="it", kind="redis", address="redis://127.0.0.1")
    return tier


def polled(tier: Tier, at: datetime) -> None:
    NodeStatus.objects.create(node=tier.nodes.get(), slot=at, up=True, since=at, duration_seconds=0.01)


def run(started: timedelta, seen: timedelta, stopped: timedelta | None = None) -> None:
    """A worker's life, as times before now."""
    now = timezone.now()
    ProcessRun.objects.create(
        name=lives.WORKER, host="h", pid=1, started_at=now - started, seen_at=now - seen,
        stopped_at=None if stopped is None else now - stopped,
    )  # fmt: skip


def test_polling_is_overdue_after_two_intervals(tier: Tier) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    polled(tier, at)
    interval = timedelta(seconds=settings.POLL_SECONDS)
    assert not lives.polling(tier, at + 2 * interval).overdue
    assert lives.polling(tier, at + 2 * interval + timedelta(seconds=3)).overdue


def test_a_tier_never_polled_is_overdue(tier: Tier) -> None:
    assert lives.polling(tier).overdue


def test_the_first_seconds_of_a_worker_are_no_alarm(tier: Tier) -> None:
    run(timedelta(seconds=3), timedelta(seconds=1))
    state = lives.polling(tier)
    assert (state.beginning, state.overdue, state.known) == (True, False, False)
    later = lives.polling(tier, timezone.now() + timedelta(seconds=3 * settings.POLL_SECONDS))
    assert (later.beginning, later.overdue) == (False, True)


def test_a_killed_worker_is_told_from_a_stopped_one(tier: Tier) -> None:
    polled(tier, timezone.now())
    run(timedelta(hours=1), timedelta(seconds=60))
    assert lives.polling(tier).killed_at
    assert not lives.polling(tier).worker_alive
    run(timedelta(seconds=50), timedelta(seconds=1))
    state = lives.polling(tier)
    assert state.worker_alive
    assert state.killed_at
    assert state.back_at
    assert state.back_at > state.killed_at


def test_an_orderly_restart_is_no_news(tier: Tier) -> None:
    polled(tier, timezone.now())
    run(timedelta(hours=1), timedelta(seconds=60), stopped=timedelta(seconds=60))
    run(timedelta(seconds=50), timedelta(seconds=1))
    assert lives.polling(tier).killed_at is None


def test_serving_starts_anew_after_an_orderly_stop_only(tier: Tier) -> None:
    run(timedelta(hours=3), timedelta(hours=2), stopped=timedelta(hours=2))
    run(timedelta(hours=1), timedelta(minutes=30))
    run(timedelta(minutes=20), timedelta(seconds=1))
    now = timezone.now()
    Slot.objects.create(tier=tier, at=now - timedelta(hours=4))
    began = store.slots(tier, now - timedelta(hours=5), now, lives.WORKER).start
    assert timedelta(minutes=59) < timezone.now() - began < timedelta(minutes=61)


def test_a_life_is_seen_again_and_again_until_it_stops(tier: Tier, transactional_db: None, until: object) -> None:
    life = lives.Life("worker")
    first = ProcessRun.objects.get().seen_at
    until(lambda: ProcessRun.objects.get().seen_at > first, 15)  # type: ignore[operator]
    life.stop()
    assert ProcessRun.objects.get().stopped_at
