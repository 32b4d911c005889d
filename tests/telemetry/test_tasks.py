"""The correlation id crosses a real broker to a real worker."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from celery import Task, chain, shared_task
from celery.contrib.testing.worker import start_worker
from django.db import connection

from apps.telemetry import correlation
from opsportal import celery_app
from tests.conftest import Until
from tests.telemetry.conftest import Lines


@shared_task
def speak() -> None:
    structlog.get_logger().info("spoken")


@shared_task
def stumble() -> None:
    raise ValueError("password=xyz123")


@shared_task
def ask_again_and_again() -> None:
    name = ""
    for _ in range(12):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('application_name')")
            name = str(cursor.fetchone()[0])
    structlog.get_logger().info("asked", name=name)
    connection.close()


@shared_task(bind=True, max_retries=2)
def insist(self: Task[Any, Any]) -> None:
    if self.request.retries < 2:
        raise self.retry(countdown=0)


@shared_task
def add(one: int, other: int) -> int:
    return one + other


@pytest.fixture
def worker() -> Iterator[None]:
    """A worker; ask for it before `lines`: when it starts, Django sets up logging once more."""
    with start_worker(celery_app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        yield


def of_task(lines: Lines, name: str) -> list[dict[str, Any]]:
    return [line for line in lines() if str(line.get("task", "")).endswith(name)]


def test_a_task_goes_on_under_the_id_of_the_request_that_ordered_it(worker: None, lines: Lines, until: Until) -> None:
    with correlation.correlated("order-1"):
        speak.delay()
    until(lambda: any(line["event"] == "task" for line in of_task(lines, "speak")), 20)
    spoken, done = of_task(lines, "speak")
    assert (spoken["event"], spoken["correlation_id"]) == ("spoken", "order-1")
    assert (done["state"], done["correlation_id"]) == ("SUCCESS", "order-1")
    assert done["duration_ms"] >= 0


def test_the_id_goes_on_with_a_retry_a_chain_and_what_follows_a_failure(
    worker: None, lines: Lines, until: Until
) -> None:
    with correlation.correlated("order-3"):
        insist.delay()
        chain(add.s(1, 2), add.s(3), add.s(4)).delay()
        stumble.apply_async(link_error=speak.si())
    with correlation.correlated("order-4"):
        add.apply_async((1, 2), link=add.s(5))

    def ended(name: str) -> list[tuple[str, str]]:
        return [(line["state"], line["correlation_id"]) for line in of_task(lines, name) if line["event"] == "task"]

    until(lambda: len(ended("insist")) == 3 and len(ended("add")) == 5 and ended("stumble"), 20)
    assert sorted(ended("insist")) == [("RETRY", "order-3"), ("RETRY", "order-3"), ("SUCCESS", "order-3")]
    assert sorted(ended("add")) == [("SUCCESS", "order-3")] * 3 + [("SUCCESS", "order-4")] * 2
    assert [line["correlation_id"] for line in lines() if line["event"] == "spoken"] == ["order-3"]


def test_a_task_that_fails_says_why_without_the_secret(worker: None, lines: Lines, until: Until) -> None:
    stumble.delay()
    until(lambda: any(line["event"] == "task" for line in of_task(lines, "stumble")), 20)
    [done] = [line for line in of_task(lines, "stumble") if line["event"] == "task"]
    assert (done["state"], done["level"]) == ("FAILURE", "error")
    assert len(done["correlation_id"]) == 32
    assert "xyz123" not in str(lines())
    assert any("ValueError" in str(line.get("exception", "")) for line in lines())


def test_a_tasks_queries_are_in_its_record_and_its_session_bears_its_id(
    transactional_db: None, worker: None, lines: Lines, until: Until
) -> None:
    with correlation.correlated("order-2"):
        ask_again_and_again.delay()
    until(lambda: any(line["event"] == "task" for line in of_task(lines, "ask_again_and_again")), 20)
    told = {line["event"]: line for line in of_task(lines, "ask_again_and_again")}
    assert told["task"]["queries"] == 12
    assert told["repeated query"]["count"] == 12
    assert told["repeated query"]["caller"].endswith("ask_again_and_again")
    assert told["repeated query"]["correlation_id"] == "order-2"
    assert told["asked"]["name"].startswith("opsportal ")
    assert told["asked"]["name"].endswith(" order-2")


@shared_task
def tell_its_name() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name')")
        structlog.get_logger().info("named", name=str(cursor.fetchone()[0]))


def test_no_session_bears_the_id_of_the_task_before(
    transactional_db: None, worker: None, lines: Lines, until: Until
) -> None:
    for word in ("order-5", "order-6"):
        with correlation.correlated(word):
            tell_its_name.delay()
    until(lambda: sum(line["event"] == "task" for line in of_task(lines, "tell_its_name")) == 2, 20)
    names = [line["name"].rpartition(" ")[2] for line in of_task(lines, "tell_its_name") if line["event"] == "named"]
    assert names == ["order-5", "order-6"]
