"""`/readyz` notices that nobody polls, without the worker's help, while pages go on being served."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.metrics import lives
from apps.metrics.models import Node, NodeStatus, ProcessRun, Tier

INTERVAL = timedelta(seconds=settings.POLL_SECONDS)


@pytest.fixture
def node(transactional_db: None) -> Node:
    """A node that has been watched for an hour; other connections see it."""
    node = Node.objects.create(
        tier=Tier.objects.create(slug="secret-tier", name="Lab"), name="it", kind="redis", address="redis://127.0.0.1"
    )
    Node.objects.filter(pk=node.pk).update(created_at=datetime.now(UTC) - timedelta(hours=1))
    return node


def polled(node: Node, ago: timedelta) -> None:
    at = datetime.now(UTC) - ago
    NodeStatus.objects.update_or_create(
        node=node, defaults={"slot": at, "up": True, "since": at, "duration_seconds": 0.01}
    )


def lives_on(*names: str) -> None:
    now = datetime.now(UTC)
    for name in names:
        ProcessRun.objects.create(name=name, host="h", pid=1, started_at=now, seen_at=now)


def asked(query: str = "") -> tuple[int, str, dict[str, Any]]:
    answer = Client().get(f"/readyz{query}")
    return answer.status_code, answer.json()["status"], answer.json()["parts"]["polling"]


def test_silence_is_said_within_two_intervals_and_its_end_too(node: Node) -> None:
    polled(node, 2 * INTERVAL)
    assert asked("?polling")[:2] == (200, "ready")
    polled(node, 2 * INTERVAL + timedelta(seconds=4))
    assert asked()[:2] == (200, "degraded"), "the pages that say why are still served"
    status, _word, part = asked("?polling")
    assert (status, part["ready"]) == (503, False)
    assert part["detail"].endswith("The worker is silent: start it, then read its log.")
    assert "secret-tier" not in part["detail"], "whoever asks may have no login"
    polled(node, INTERVAL)
    assert asked("?polling")[:2] == (200, "ready")


def test_a_clock_that_was_set_back_is_silence(node: Node) -> None:
    """Slots to come are taken: nothing is polled until the clock has passed them, and what is shown is from before."""
    lives_on(lives.WORKER, lives.BEAT)
    polled(node, -INTERVAL)
    assert asked("?polling")[:2] == (200, "ready"), "hosts differ a little"
    polled(node, timedelta(minutes=-5))
    status, _word, part = asked("?polling")
    assert (status, part["ready"]) == (503, False)
    assert "The clock was set back" in part["detail"]


def test_it_says_who_is_silent(node: Node) -> None:
    lives_on(lives.WORKER)
    assert "beat is silent" in asked()[2]["detail"]
    lives_on(lives.BEAT)
    assert "Worker and beat live, and no poll is kept" in asked()[2]["detail"], "it lives and does not consume"
    ProcessRun.objects.filter(name=lives.WORKER).update(stopped_at=datetime.now(UTC))
    assert "The worker is silent" in asked()[2]["detail"]


def test_a_node_just_added_is_no_silence(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(created_at=datetime.now(UTC))
    assert asked("?polling")[:2] == (200, "ready")
    node.remove(datetime.now(UTC))
    assert asked("?polling")[2]["detail"] == "no tier has a node yet"
