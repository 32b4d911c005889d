"""A poll of the real tier: one row for every node and slot, slots never doubled, a dead or frozen node delays nobody."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.lab import faults
from apps.lab.layout import Node as Server
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics import store
from apps.metrics.kernel import State
from apps.metrics.models import Alert, LatestAnswer, NodeStatus, Slot, Standing, Tier
from apps.metrics.poll import forget, poll, slot_of
from tests.conftest import Inject

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tier(lab: Lab, db: None) -> Tier:
    """The lab as a registered tier."""
    return register(lab.layout)


@pytest.fixture
def slots() -> Callable[[], datetime]:
    """Slots one after the other, from now on, so that nothing waits for the clock."""
    at = slot_of(timezone.now())
    count = iter(range(10_000))
    return lambda: at + next(count) * timedelta(seconds=settings.POLL_SECONDS)


def rows(slot: datetime) -> list[tuple[str, str]]:
    """Node and failure of every row of a slot."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.name, p.failure FROM metrics_poll p JOIN metrics_node n ON n.id = p.node_id WHERE p.at = %s",
            [slot],
        )
        return sorted(cursor.fetchall())


def test_every_node_has_one_row_and_its_samples(tier: Tier, slots: Callable[[], datetime]) -> None:
    slot = slots()
    measured = poll(tier, slot)
    assert measured is not None
    assert [name for name, _failure in rows(slot)] == sorted(s.value for s in (
        Server.PRIMARY, Server.REPLICA_1, Server.REPLICA_2, Server.PGBOUNCER, Server.REDIS, Server.APP
    ))  # fmt: skip
    assert {failure for _name, failure in rows(slot)} == {""}
    roles = dict(NodeStatus.objects.values_list("node__name", "role"))
    assert (roles["lab-primary"], roles["lab-replica-1"]) == ("primary", "replica")
    lines = store.lines(tier, ["node.state.up"], slot, slot + timedelta(seconds=1))
    assert {line.node for line in lines} == set(roles)
    assert all(line.values == [1.0] for line in lines)


def test_a_slot_is_polled_once_however_often_it_is_ordered(tier: Tier, slots: Callable[[], datetime]) -> None:
    slot = slots()
    assert poll(tier, slot) is not None
    assert poll(tier, slot) is None
    assert len(rows(slot)) == 6
    assert Slot.objects.filter(at=slot).count() == 1


def test_a_poll_that_was_held_up_is_not_written_as_of_a_time_before_the_last_one(tier: Tier) -> None:
    late = slot_of(timezone.now())
    early = late - timedelta(seconds=settings.POLL_SECONDS)
    assert poll(tier, late) is not None
    assert poll(tier, early) is None
    assert rows(early) == []
    assert set(NodeStatus.objects.values_list("slot", flat=True)) == {late}


def test_a_clock_that_was_fast_and_is_set_right_does_not_keep_from_polling(tier: Tier) -> None:
    now = slot_of(timezone.now())
    assert poll(tier, now + timedelta(days=1)) is not None
    assert poll(tier, now) is not None
    assert len(rows(now)) == 6


def test_a_stopped_node_has_a_typed_failure_and_the_others_samples_go_on(
    tier: Tier, slots: Callable[[], datetime], fault: Inject
) -> None:
    poll(tier, slots())
    fault("stop-replica-1")
    poll(tier, slots())
    poll(tier, last := slots())
    found = dict(rows(last))
    assert found.pop("lab-replica-1") == "unreachable"
    assert set(found.values()) == {""}
    status = NodeStatus.objects.get(node__name="lab-replica-1")
    assert not status.up
    assert status.message.startswith("No connection: ")
    assert (status.role, status.version[:1]) == ("replica", "1"), "who it was is still known"
    alert = Alert.objects.get(check_id="node.up", closed_at=None)
    assert alert.node is not None
    assert alert.node.name == "lab-replica-1"
    assert not Standing.objects.filter(node__name="lab-replica-1", state=State.PASS).exists()


def test_a_frozen_node_is_abandoned_at_its_deadline(tier: Tier, slots: Callable[[], datetime], fault: Inject) -> None:
    poll(tier, slots())
    fault("freeze-replica-2")
    began = monotonic()
    poll(tier, last := slots())
    assert monotonic() - began < settings.NODE_DEADLINE.total_seconds() + 1
    found = dict(rows(last))
    assert found.pop("lab-replica-2") == "timeout"
    assert set(found.values()) == {""}


def test_a_healed_node_comes_back_and_its_alert_closes(
    tier: Tier, slots: Callable[[], datetime], fault: Inject, lab: Lab
) -> None:
    poll(tier, slots())
    fault("stop-replica-1")
    poll(tier, slots())
    poll(tier, slots())
    assert Alert.objects.filter(check_id="node.up", closed_at=None).exists()
    faults.heal_all(lab.servers)
    poll(tier, slots())
    poll(tier, slots())
    assert NodeStatus.objects.get(node__name="lab-replica-1").up
    assert not Alert.objects.filter(check_id="node.up", closed_at=None).exists()


def test_what_was_measured_is_no_data_once_it_is_old(tier: Tier, slots: Callable[[], datetime]) -> None:
    poll(tier, slots())
    now = timezone.now()
    assert State.PASS in {v.state for v in store.verdicts(tier, now=now)}
    later = store.verdicts(tier, now=now + timedelta(hours=2))
    assert not [v for v in later if v.state.known]


def test_missed_slots_are_counted(tier: Tier, slots: Callable[[], datetime]) -> None:
    first = slots()
    poll(tier, first)
    last = [slots() for _ in range(4)][-1]
    poll(tier, last)
    (line,) = store.lines(tier, ["portal.polling.missed_slots"], last, last + timedelta(seconds=1))
    assert line.values == [3.0]


def test_an_answer_of_unknown_shape_is_a_failure_of_its_probe_alone(tier: Tier, slots: Callable[[], datetime]) -> None:
    poll(tier, slots())
    LatestAnswer.objects.filter(probe="cache.hits").update(rows=[{"left by": "another version"}])
    forget(tier)
    assert poll(tier, second := slots()) is not None
    assert {failure for _name, failure in rows(second)} == {""}
    assert LatestAnswer.objects.get(probe="cache.hits").failure == "error"
    poll(tier, slots())
    assert LatestAnswer.objects.get(probe="cache.hits").failure == ""


def test_an_answer_bears_the_time_it_was_asked_not_its_slot(tier: Tier) -> None:
    began = timezone.now()  # a rate is what grew since then; since the slot began it may be far less
    poll(tier, slot_of(began) - timedelta(minutes=1))
    assert LatestAnswer.objects.exclude(node=None).exists()
    assert not LatestAnswer.objects.exclude(node=None).filter(at__lt=began).exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE metrics_sample SET value = 0",
        "DELETE FROM metrics_poll",
        "SELECT metrics_drop_partitions('metrics_sample', current_date)",
        "DELETE FROM metrics_chunk_5m",
        "INSERT INTO metrics_chunk_1h VALUES (1, now(), '')",
        "DELETE FROM rollouts_signature",
        "TRUNCATE rollouts_tick",
    ],
)
def test_the_serving_login_cannot_rewrite_what_was_recorded(db: None, statement: str) -> None:
    with connection.cursor() as cursor, pytest.raises(DatabaseError), transaction.atomic():
        cursor.execute(statement)
