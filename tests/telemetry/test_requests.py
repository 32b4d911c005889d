"""One request, one line, one id; and what browsers are told about every page."""

import asyncio
import io
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from django.conf import settings
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Person
from apps.telemetry import correlation, logs
from tests.people import Browser
from tests.telemetry.conftest import Lines


def test_each_request_is_one_line_of_json(lines: Lines, viewer: Person, browser: Browser) -> None:
    response = browser(viewer).get("/people/?q=secret-in-query")
    [line] = [line for line in lines() if line["event"] == "request"]
    assert line["method"] == "GET"
    assert line["route"] == "people/"
    assert "path" not in line  # the pattern says it, and holds no id
    assert line["queries"] >= 2  # session, person, the page's own
    assert 0 < line["query_ms"] < line["duration_ms"]
    assert line["status"] == 200
    assert line["user_id"] == viewer.pk
    assert line["bytes"] == len(response.content)
    assert 0 < line["duration_ms"] < 60_000
    assert line["level"] == "info"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    assert "secret-in-query" not in str(line)


@pytest.mark.parametrize("header", ["X-Correlation-ID", "X-Request-ID"])
def test_the_callers_id_is_kept_and_answered(lines: Lines, db: None, header: str) -> None:
    response = Client().get("/people/", headers={header: "trace-1/abc:def=="})
    assert response.headers["X-Correlation-ID"] == "trace-1/abc:def=="
    assert {line["correlation_id"] for line in lines()} == {"trace-1/abc:def=="}


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\nb", "<script>", "{}", "\u0661\u0662", "-a"])
def test_an_id_that_could_do_harm_is_replaced(lines: Lines, db: None, given: str) -> None:
    response = Client().get("/people/", headers={"X-Correlation-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Correlation-ID"])
    assert [line["correlation_id"] for line in lines()] == [response.headers["X-Correlation-ID"]]


def test_two_requests_have_two_ids_and_nothing_is_left_of_them(db: None) -> None:
    answers = {Client().get("/healthz").headers["X-Correlation-ID"] for _ in range(2)}
    assert len(answers) == 2
    assert correlation.current() == ""


def test_an_address_without_a_route_is_logged_as_it_was_asked_for(lines: Lines, db: None) -> None:
    Client().get("/nowhere/at/all/")
    [line] = [line for line in lines() if line["event"] == "request"]
    assert (line["route"], line["path"], line["status"]) == (None, "/nowhere/at/all/", 404)


def test_a_slow_request_is_noticed(lines: Lines, viewer: Person, browser: Browser, settings: Settings) -> None:
    settings.SLOW_REQUEST_MS = 0
    browser(viewer).get("/people/")
    [line] = [line for line in lines() if line["event"] == "slow request"]
    assert (line["level"], line["route"]) == ("warning", "people/")


def test_polls_of_open_pages_do_not_drown_the_others(lines: Lines, viewer: Person, browser: Browser) -> None:
    page = browser(viewer)
    version = page.get("/alerts/").context["version"]
    before = len(lines())
    response = page.get(f"/alerts/?version={version}", headers={"HX-Request": "true"})
    assert response.status_code == 204
    assert len(lines()) == before


def test_a_page_that_failed_tells_the_number_of_its_lines(
    lines: Lines, devops: Person, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.overview.views.render", lambda *_a, **_k: 1 / 0)
    page = browser(devops)
    page.raise_request_exception = False
    response = page.get("/", headers={"X-Correlation-ID": "failing/1"})
    assert response.status_code == 500
    assert '<a href="/portal/logs/?correlation_id=failing%2F1"><code>failing/1</code></a>' in response.content.decode()
    told = [line for line in lines() if line["correlation_id"] == "failing/1"]
    assert any("ZeroDivisionError" in line.get("exception", "") for line in told)


def test_kept_clients_send_the_id_of_each_call() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("X-Correlation-ID"))
        return httpx.Response(200)

    async def twice() -> None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, event_hooks={"request": [correlation.carry_async]}) as client:
            with correlation.correlated("abc"):
                await client.get("http://x/")
            await client.get("http://x/")

    asyncio.run(twice())
    client = httpx.Client(transport=httpx.MockTransport(answer), event_hooks={"request": [correlation.carry]})
    with client, correlation.correlated("def"):
        client.get("http://x/")
        client.get("http://x/", headers={"X-Correlation-ID": "own"})
    assert seen == ["abc", None, "def", "own"]


def test_the_id_goes_on_with_outgoing_calls() -> None:
    with correlation.correlated("abc"):
        request = httpx.Request("GET", "http://127.0.0.1/", headers=correlation.outgoing_headers())
    assert request.headers["X-Correlation-ID"] == "abc"
    assert correlation.outgoing_headers() == {}


def test_probes_that_go_well_are_not_logged(lines: Lines, db: None) -> None:
    Client().get("/healthz")
    assert lines() == []


def test_what_libraries_log_has_the_same_form(lines: Lines) -> None:
    with correlation.correlated("abc"):
        logging.getLogger("some.package").warning("token=%s\nforged line", "xyz123")
    [line] = lines()
    assert line["event"] == "token=[masked]\nforged line"
    assert (line["logger"], line["level"], line["correlation_id"]) == ("some.package", "warning", "abc")


def test_an_error_keeps_its_traceback_without_the_secret_in_it(lines: Lines) -> None:
    try:
        raise ValueError("postgresql://app:s3cr3t@127.0.0.1/x")
    except ValueError:
        structlog.get_logger().exception("failed")
    [line] = lines()
    assert "ValueError: postgresql://[masked]@127.0.0.1/x" in line["exception"]


def test_of_an_error_with_many_frames_the_line_says_what_was_raised(lines: Lines) -> None:
    code = "\n".join(f"def f{n}(): f{n + 1}()" for n in range(700)) + "\ndef f700(): raise ValueError('at the end')"
    functions: dict[str, Any] = {}
    exec(code, functions)  # noqa: S102  so many functions that a traceback is longer than a line may be
    try:
        functions["f0"]()
    except ValueError:
        structlog.get_logger().exception("failed")
    [line] = lines()
    assert line["exception"].startswith("[…]\n")
    assert line["exception"].endswith("ValueError: at the end")


def test_no_text_forges_a_line_on_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as stream:
        logs.configure(stream=stream, pretty=True)
        structlog.get_logger().info("a\n2026 [info] forged\x1b[2J\u202e\u2028", who="b\r\nforged")
        stream.seek(0)
        written = stream.read()
    logs.configure(settings.LOGGING)
    assert len(written.splitlines()) == 1
    assert "\\u001b[2J" in written
    assert "\u202e" not in written


HOSTILE = "a\r\n2026 [info] forged\x1b[2J\x7f\x9b1m\u202e\u2028\u2066\u0085"


def test_no_value_no_key_and_no_message_forges_a_line_of_json(raw_log: io.StringIO) -> None:
    structlog.get_logger().info(HOSTILE, **{HOSTILE: HOSTILE}, nested={HOSTILE: [HOSTILE, {"a": HOSTILE}]})
    logging.getLogger(HOSTILE).warning("%s", HOSTILE)
    written = raw_log.getvalue()
    assert len(written.splitlines()) == 2  # by every reader's notion of a line
    assert all(char == "\n" or 0x20 <= ord(char) < 0x7F for char in written)


def test_a_traceback_on_a_terminal_is_readable_and_forges_nothing(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as stream:
        logs.configure(stream=stream, pretty=True)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            structlog.get_logger().exception("failed", **{HOSTILE: 1})
        stream.seek(0)
        first, *others = stream.read().split("\n")
    logs.configure(settings.LOGGING)
    assert "failed" in first
    assert any("raise ValueError(HOSTILE)" in line for line in others)
    assert all(line.startswith(logs.BAR) for line in others if line)
    assert not any(char in "\r\x7f\x9b\u202e\u2028\u2066\u0085" for char in "".join([first, *others]))
    assert not any("\x1b" in line for line in others)


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: {2: 3}}, object(), b"\xff", {"\ud800": float("nan")}])
def test_whatever_is_logged_comes_out_as_a_line(lines: Lines, value: object) -> None:
    structlog.get_logger().info("odd", value=value)
    assert len(lines()) == 1


def test_no_page_may_run_scripts_or_styles_of_its_own(viewer: Person, browser: Browser) -> None:
    headers = browser(viewer).get("/people/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "img-src 'self' data: blob:" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "private, no-store"


def test_pages_hold_no_inline_script_or_style(viewer: Person, browser: Browser) -> None:
    for url in ("/people/", "/people/me/", "/ledger/", "/accounts/2fa/", "/accounts/password/change/"):
        page = browser(viewer).get(url, follow=True).content.decode()
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", page), url
        scripts = re.findall(r"<script[^>]*>", page)
        assert all("src=" in script or "application/json" in script for script in scripts), url
        assert "<style" not in page, url


FOREIGN = """
import sys, types
import django
from django.conf import settings
sys.modules["bare_urls"] = types.SimpleNamespace(urlpatterns=[])
settings.configure(
    INSTALLED_APPS=["apps.telemetry"], LOGGING_CONFIG=None, ROOT_URLCONF="bare_urls", ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["apps.telemetry.middleware.CorrelationMiddleware"], REDIS_URL="redis://127.0.0.1:1",
)
django.setup()
import structlog
structlog.configure(processors=[structlog.processors.KeyValueRenderer(key_order=["event", "method", "status"])])
from django.test import Client
Client().get("/nowhere/")
"""


def test_an_application_with_a_setup_of_its_own_has_the_line_in_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "event='request' method='GET' status=404" in done.stdout


class Unprintable:
    """An object that fails whoever looks at it."""

    def __str__(self) -> str:
        raise RuntimeError


def test_nothing_that_is_logged_fails_whoever_logs_or_gets_out_raw(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.get_logger().info("said", long=10**5000, object=Unprintable())
    (handler,) = (one for one in logging.getLogger().handlers if isinstance(one, logs.Handler))
    given = {"name": "library", "msg": "password %s for %d", "args": ("hunter2", "nobody"), "levelname": "WARNING"}
    handler.handle(logging.makeLogRecord(given))
    said, library = lines()
    assert said["long"] == "[a number of 16610 bits]"
    assert said["object"] == "[unprintable Unprintable]"
    assert library["event"] == "password %s for %d [its arguments do not fit]"
    assert "hunter2" not in capsys.readouterr().err
