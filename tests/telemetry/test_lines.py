"""The last lines of every process, on one page; nobody waits for them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.conf import settings as django_settings
from pytest_django import Settings

from apps.accounts.models import Person
from apps.telemetry import correlation, lines, logs
from apps.telemetry.outbox import client as outbox_client
from apps.telemetry.outbox import outbox
from tests.conftest import Until
from tests.people import Browser
from tests.telemetry.conftest import HandOver, Unanswered

COMMAND = """
import django
from django.conf import settings
settings.TELEMETRY_REDIS_URL = settings.REDIS_URL + "/9"
django.setup()
import structlog
from apps.telemetry import correlation
with correlation.correlated("across/1"):
    structlog.get_logger().warning("said by a command", password="s3cr3t-value", note="token=s3cr3t-value")
"""


@pytest.fixture(autouse=True)
def kept(hand_over: HandOver) -> Iterator[None]:
    """Lines of this process are kept."""
    logs.configure({"keep": True}, pretty=False)
    yield
    logs.configure(django_settings.LOGGING)


def say(event: str, level: str = "info", **fields: Any) -> None:
    getattr(structlog.get_logger(), level)(event, **fields)


def test_lines_of_all_processes_are_found_by_their_id(
    portal_environment: dict[str, str], devops: Person, browser: Browser, until: Until
) -> None:
    environment = os.environ | portal_environment | {"DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment, cwd=Path(__file__).parents[2], check=True, timeout=60
    )
    with correlation.correlated("across/1"):
        say("said by the web", tries=3)
    say("of somebody else")
    wanted = lines.Wanted(correlation_id="across/1")
    assert [line.event for line in lines.find(wanted).lines] == ["said by a command"]  # sent as it ended
    for sender in outbox._senders:
        sender.due = 0  # from here on the thread brings them
    until(lambda: len(lines.find(wanted).lines) == 2)
    page = browser(devops).get("/portal/logs/?correlation_id=across/1").content.decode()
    assert "What was said under the correlation id across/1" in page
    assert "From <span data-zone>(UTC)</span>" in page  # the page’s script puts the reader’s zone in its place
    assert "said by a command" in page
    assert "said by the web" in page
    assert "of somebody else" not in page
    assert "s3cr3t-value" not in page
    assert "<dt>tries</dt><dd>3</dd>" in page


def test_a_request_shows_its_address_and_how_long_it_took_the_first_page_s_too(
    hand_over: HandOver, devops: Person, browser: Browser
) -> None:
    say("request", method="GET", route="", status=200, duration_ms=12.5)
    say("request", method="GET", route="t/<slug:tier>/queries/", status=200, duration_ms=31)
    say("request", method="GET", route=None, path="/nowhere", status=404)
    hand_over()
    page = browser(devops).get("/portal/logs/").content.decode()
    for told in ("GET / 200 · 12.5 ms", "GET /t/&lt;slug:tier&gt;/queries/ 200 · 31 ms", "GET /nowhere 404<"):
        assert told in page


def test_the_filter_narrows(hand_over: HandOver, devops: Person, browser: Browser) -> None:
    say("first thing", "warning", where="Here")
    say("second thing", "error")
    say("third thing")
    hand_over()
    page = browser(devops)

    def shown(query: str) -> set[str]:
        text = page.get(f"/portal/logs/?{query}").content.decode()
        return {name for name in ("first", "second", "third") if f"{name} thing" in text}

    assert shown("") == {"first", "second", "third"}
    assert shown("level=warning") == {"first", "second"}
    assert shown("level=error") == {"second"}
    assert shown("text=here") == {"first"}
    assert shown("program=worker") == set()
    assert shown("since=2020-01-01T00:00") == {"first", "second", "third"}
    assert shown("since=0001-01-01") == {"first", "second", "third"}, "before Redis knows any time"
    assert shown(f"since={datetime.now(UTC) + timedelta(minutes=2):%Y-%m-%dT%H:%M}") == set()


def test_what_a_line_shows_can_be_looked_for(hand_over: HandOver, devops: Person, browser: Browser) -> None:
    say("slow query", "warning", sql='SELECT "person"."id" FROM "person"', path=r"C:\temp")
    hand_over()
    for text in ('from "person"', '"person"."id"', r"c:\temp"):
        assert b"slow query" in browser(devops).get("/portal/logs/", {"text": text}).content
    assert b"slow query" not in browser(devops).get("/portal/logs/", {"text": 'from "people"'}).content


def test_a_filter_without_sense_says_why(devops: Person, browser: Browser) -> None:
    for query in (
        "correlation_id=a%20b",
        "correlation_id=" + "x" * 129,
        "level=loud",
        "since=yesterday",
        "text=" + "x" * 201,
    ):
        response = browser(devops).get(f"/portal/logs/?{query}")
        assert response.status_code == 400
        assert "The filter cannot be applied" in response.content.decode()


def test_who_answers_for_the_portal_sees_its_logs(viewer: Person, lead: Person, browser: Browser) -> None:
    assert browser(lead).get("/portal/logs/").status_code == 200
    assert browser(viewer).get("/portal/logs/").status_code == 403


def test_hostile_lines_are_text(hand_over: HandOver, devops: Person, browser: Browser) -> None:
    hostile: dict[str, Any] = {"<b>key</b>": "<img src=x>", "nested": {"\u2066": ["</dl>"]}}
    say("<script>alert(1)</script>\u202e\x1b[2J", **hostile)
    hand_over()
    page = browser(devops).get("/portal/logs/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\u001b[2J" in page
    assert "<img src=x>" not in page
    assert "<b>key" not in page
    assert not {"\u202e", "\u2066", "\x1b"} & set(page)


def test_an_open_page_asks_for_what_is_new(hand_over: HandOver, devops: Person, browser: Browser) -> None:
    page, refreshed = browser(devops), {"HX-Request": "true"}
    hand_over()
    version = page.get("/portal/logs/?level=warning").context["version"]
    assert page.get(f"/portal/logs/?level=warning&version={version}", headers=refreshed).status_code == 204
    say("new thing", "warning")
    hand_over()
    response = page.get(f"/portal/logs/?level=warning&version={version}", headers=refreshed)
    assert response.status_code == 200
    assert b"new thing" in response.content
    assert b"<html" not in response.content


def test_the_stream_stays_as_long_as_it_may(hand_over: HandOver, settings: Settings) -> None:
    settings.LOG_LINES = 300
    for number in range(1000):
        say(f"line {number}")
        if number % 200 == 199:
            hand_over()
    found = lines.find(lines.Wanted(), 2000)
    assert 300 <= found.total <= 420  # Redis trims whole nodes of a hundred
    assert found.lines[0].event == "line 999"


def test_nobody_waits_while_redis_is_away_and_what_was_lost_is_told(hand_over: HandOver, settings: Settings) -> None:
    there = settings.TELEMETRY_REDIS_URL
    settings.TELEMETRY_REDIS_URL = "redis://127.0.0.1:1"
    say("before")
    assert not hand_over()
    started = time.process_time()
    for number in range(lines.QUEUED + 50):
        lines.keep(json.dumps({"event": f"line {number}"}))
    assert time.process_time() - started < 1
    settings.TELEMETRY_REDIS_URL = there
    hand_over()
    found = lines.find(lines.Wanted(text="dropped"))
    assert found.total == lines.QUEUED + 1
    assert dict(found.lines[0].pairs)["count"] == "51"


def test_lines_that_redis_took_without_answering_are_kept_once(
    hand_over: HandOver, unanswered: Unanswered, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("before")
    with unanswered():
        monkeypatch.setattr(lines, "QUEUED", 2)
        for event in ("first", "second", "lost"):
            say(event)
    say("lost too")
    assert hand_over()
    say("after")
    assert hand_over()
    told = [(line.event, line.fields.get("count")) for line in reversed(lines.find(lines.Wanted()).lines)]
    lost = ("log lines dropped", 1)
    assert told == [("before", None), ("first", None), ("second", None), lost, lost, ("after", None)]
    with outbox_client() as asked:
        assert lines.dropped(asked) == 2
