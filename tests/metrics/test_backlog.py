"""What waits for the worker is told by the broker itself: in its list, and taken ahead by a worker that is busy with something else."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from celery import shared_task
from celery.contrib.testing.worker import start_worker
from django.conf import settings

from apps.metrics.backlog import Backlog, backlog
from opsportal import celery_app
from tests.conftest import Until

_let_go, _at_it = threading.Event(), threading.Event()


@shared_task
def hang() -> None:
    _at_it.set()
    _let_go.wait(30)


@shared_task
def stand_behind() -> None: ...


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    """An empty queue, before and after."""
    names = (settings.CELERY_TASK_DEFAULT_QUEUE, "unacked", "unacked_index")
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        broker.delete(*names)
        _let_go.clear()
        _at_it.clear()
        yield
        _let_go.set()
        broker.delete(*names)


def test_the_oldest_message_is_as_old_as_its_sending(until: Until) -> None:
    assert backlog(None) == Backlog(0, None)
    stand_behind.delay()
    until(lambda: (backlog(None).oldest_seconds or 0) > 0.2)
    stand_behind.delay()
    found = backlog(None)
    assert found.waiting == 2
    assert found.oldest_seconds is not None
    assert 0.2 < found.oldest_seconds < 10


def test_a_worker_that_lives_and_hangs_is_seen_by_what_it_holds(until: Until) -> None:
    with start_worker(celery_app, pool="threads", concurrency=1, perform_ping_check=False, shutdown_timeout=20):
        hang.delay()
        assert _at_it.wait(20)
        stand_behind.delay()
        stand_behind.delay()
        until(lambda: backlog(None).waiting == 2 and (backlog(None).oldest_seconds or 0) > 0.2, 20)
        _let_go.set()
        until(lambda: backlog(None).waiting == 0, 20)


def test_what_a_killed_worker_held_waits_for_nobody() -> None:
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        stand_behind.delay()
        message = broker.lpop(settings.CELERY_TASK_DEFAULT_QUEUE)
        then = datetime.now(UTC) - timedelta(minutes=5)
        broker.hset("unacked", "tag", b'[%s, "", "opsportal"]' % message)
        broker.zadd("unacked_index", {"tag": then.timestamp()})
    assert backlog(then - timedelta(minutes=1)).waiting == 1
    assert backlog(then + timedelta(minutes=1)) == Backlog(0, None)
