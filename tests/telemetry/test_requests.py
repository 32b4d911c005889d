"""One request, one line, one id; and what browsers are told about every page."""

import logging
import re
from pathlib import Path

import httpx
import pytest
import structlog
from django.conf import settings
from django.test import Client

from apps.accounts.models import Person
from apps.telemetry import correlation, logs
from tests.people import Browser
from tests.telemetry.conftest import Lines


def test_each_request_is_one_line_of_json(lines: Lines, viewer: Person, browser: Browser) -> None:
    response = browser(viewer).get("/people/?q=secret-in-query")
    [line] = [line for line in lines() if line["event"] == "request"]
    assert line["method"] == "GET"
    assert line["route"] == "people/"
    assert line["path"] == "/people/"
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
        logging.getLogger("some.library").warning("token=%s\nforged line", "xyz123")
    [line] = lines()
    assert line["event"] == "token=[masked]\nforged line"
    assert (line["logger"], line["level"], line["correlation_id"]) == ("some.library", "warning", "abc")


def test_an_error_keeps_its_traceback_without_the_secret_in_it(lines: Lines) -> None:
    try:
        raise ValueError("postgresql://app:s3cr3t@127.0.0.1/x")
    except ValueError:
        structlog.get_logger().exception("failed")
    [line] = lines()
    assert "ValueError: postgresql://[masked]@127.0.0.1/x" in line["exception"]


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
