"""An answer that is made while it is sent: its line comes when it is over, and tells of all of it."""

import csv
import io
from collections.abc import Iterator
from typing import cast

import pytest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import RequestFactory

from apps.accounts.models import Person
from apps.telemetry import correlation
from apps.telemetry.middleware import CorrelationMiddleware
from tests.people import Browser
from tests.telemetry.conftest import Lines


def test_a_download_counts_what_was_sent_and_what_it_asked(lines: Lines, lead: Person, browser: Browser) -> None:
    response = browser(lead).get("/ledger/export.csv")
    assert not [line for line in lines() if line["event"] == "request"]  # not over yet
    sent = b"".join(cast(StreamingHttpResponse, response))
    response.close()
    [line] = [line for line in lines() if line["event"] == "request"]
    assert (line["route"], line["bytes"]) == ("ledger/export.<str:form>", len(sent))
    assert list(csv.reader(io.StringIO(sent.decode())))
    assert line["queries"] > 2  # those of the body are among them
    assert line["correlation_id"] == response.headers["X-Correlation-ID"]


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_whoever_leaves_early_leaves_a_line(lines: Lines, db: None, parts: int) -> None:
    said: list[str] = []

    def body() -> Iterator[bytes]:
        for _ in range(3):
            said.append(correlation.current())
            yield b"12345"

    def view(_request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(body())

    request = RequestFactory().get("/", headers={"X-Correlation-ID": "stream/1"})
    response = CorrelationMiddleware(view)(request)
    iterated = iter(response)
    for _ in range(parts):
        next(iterated)
    assert correlation.current() == ""
    response.close()
    response.close()
    [line] = lines()
    assert (line["event"], line["bytes"], line["correlation_id"]) == ("request", 5 * parts, "stream/1")
    assert said == ["stream/1"] * parts


def test_an_answer_that_breaks_off_is_an_error_with_what_broke_it(lines: Lines, db: None) -> None:
    def body() -> Iterator[bytes]:
        yield b"12345"
        raise OSError("the store died")

    def view(_request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(body())

    response = CorrelationMiddleware(view)(RequestFactory().get("/"))
    with pytest.raises(OSError, match="died"):
        b"".join(cast(StreamingHttpResponse, response))
    response.close()
    [line] = lines()
    assert (line["event"], line["level"], line["bytes"]) == ("answer broken off", "error", 5)
    assert "OSError: the store died" in line["exception"]
