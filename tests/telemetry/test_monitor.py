"""Queries of a real PostgreSQL: counted, timed, slow ones with their caller, the same one again and again noticed."""

import time

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from apps.accounts.models import Person
from apps.telemetry import figures, monitor, windows
from apps.telemetry.outbox import outbox
from apps.telemetry.sketches import Durations
from apps.telemetry.windows import folding
from tests.people import Browser
from tests.telemetry.conftest import HandOver, Lines

pytestmark = pytest.mark.usefixtures("hand_over")


def ask(statement: str, *values: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def seen(text: str) -> Durations:
    """What this process knows of the statement so far."""
    statement, known = monitor.catalogue.statement(text), Durations()
    with outbox._calls:
        folding.fold(time.time())
        for window in folding._windows.values():
            if window.length == windows.HOUR.length and statement.fingerprint in window.by_fingerprint:
                known.merge(window.by_fingerprint[statement.fingerprint])
    return known


def test_every_query_is_counted_once_with_its_time(db: None) -> None:
    for number in range(20):
        ask("SELECT pg_sleep(%s)", 0.002 if number else 0.02)
    found = seen("SELECT pg_sleep(%s)")
    assert found.count == 20
    assert 0.02 <= found.longest < 10
    [median] = found.quantiles(0.5)
    assert median is not None
    assert 0.0019 < median < 1
    assert found.slow == 0


def test_a_query_that_fails_is_counted_too(db: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        ask("SELECT 1/0 AS broken")
    assert seen("SELECT 1/0 AS broken").count == 1


def test_a_text_that_nobody_can_write_keeps_none_of_the_others_from_being_told(db: None, hand_over: HandOver) -> None:
    with pytest.raises(UnicodeEncodeError):
        ask('SELECT 1 AS "half a pair \ud83d"')
    assert hand_over()
    ask("SELECT 1 AS after_it")
    assert hand_over()
    texts = {row.text for row in figures.overview(windows.HOUR).rows}
    assert {'SELECT ? AS "half a pair ?"', "SELECT ? AS after_it"} <= texts


def test_a_slow_query_is_logged_with_its_caller_and_without_its_values(
    db: None, lines: Lines, settings: Settings
) -> None:
    settings.SLOW_QUERY_MS = 20
    with monitor.recorded():
        ask("SELECT pg_sleep(%s), 'private'", 0.03)
        ask("SELECT pg_sleep(%s), 'private'", 0.06)
    slow, very = [line for line in lines() if "slow query" in line["event"]]
    assert (slow["event"], very["event"]) == ("slow query", "very slow query")
    assert slow["level"] == "warning"
    assert slow["sql"] == "SELECT pg_sleep(?), ?"
    assert slow["duration_ms"] >= 30
    assert slow["caller"].startswith("tests/telemetry/test_monitor.py:")
    assert slow["caller"].endswith(" ask")
    assert len(slow["fingerprint"]) == 16
    found = seen("SELECT pg_sleep(%s), 'private'")
    assert (found.slow, found.very_slow) == (2, 1)


def test_the_same_query_again_and_again_is_one_warning(db: None, lines: Lines, settings: Settings) -> None:
    settings.REPEATED_QUERIES = 5
    with monitor.recorded():
        for number in range(7):
            Person.objects.filter(pk=number).first()
            with transaction.atomic():
                pass  # savepoints come again by nature
    [line] = [line for line in lines() if line["event"] == "repeated query"]
    assert line["count"] == 7
    assert 'FROM "accounts_person"' in line["sql"]
    assert "test_the_same_query_again" in line["caller"]
    with monitor.recorded():
        for number in range(4):
            Person.objects.filter(pk=number).first()
    assert len([line for line in lines() if line["event"] == "repeated query"]) == 1
    with monitor.recorded():
        for number in range(5):
            Person.objects.filter(pk=number).first()
    assert [line["count"] for line in lines() if line["event"] == "repeated query"] == [7, 5]


def test_the_queries_of_a_page_are_in_its_record(viewer: Person, browser: Browser) -> None:
    page = browser(viewer)
    with outbox._calls:
        monitor.pending.clear()
        page.get("/people/")
        records = [one for one in monitor.pending if isinstance(one, dict)]
    assert len(records) == 1
    assert monitor.spent(records[0])[0] >= 3


def test_a_connection_is_watched_once_however_often_it_is_opened(transactional_db: None) -> None:
    for _ in range(3):
        connection.close()
        ask("SELECT 1")
    assert connection.execute_wrappers.count(monitor.watch) == 1


def test_sessions_of_the_store_bear_the_programs_name(transactional_db: None) -> None:
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name')")
        assert str(cursor.fetchone()[0]).startswith("opsportal ")
