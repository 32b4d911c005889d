"""The lines of this process, as they leave it."""

import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.conf import settings
from pytest_django import Settings

from apps.lab.layout import Layout, Node
from apps.lab.servers import Servers
from apps.telemetry import lines as kept
from apps.telemetry import logs
from apps.telemetry.outbox import client, outbox
from apps.telemetry.windows import folding

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def raw_log() -> Iterator[io.StringIO]:
    """Everything logged, in JSON, from here to the end of the test."""
    stream = io.StringIO()
    logs.configure(stream=stream, pretty=False)
    yield stream
    logs.configure(settings.LOGGING)


@pytest.fixture
def lines(raw_log: io.StringIO) -> Lines:
    """The lines logged so far; fails when one is no JSON."""
    return lambda: [json.loads(line) for line in raw_log.getvalue().splitlines()]


HandOver = Callable[[], bool]


@pytest.fixture
def hand_over(settings: Settings) -> Iterator[HandOver]:
    """Sends what this process has for the portal's Redis, now: into a database of it that is empty before and after.

    Whether Redis took it. Nothing is sent unasked, and nothing of earlier tests is left to be sent.
    """
    due = [sender.due for sender in outbox._senders]
    settings.TELEMETRY_REDIS_URL = f"{settings.REDIS_URL}/9"

    def send() -> bool:
        with outbox._calls:
            outbox._client, outbox._rest_until = None, 0.0
        outbox.start()
        return outbox.flush()

    def forget() -> None:
        with outbox._calls:
            kept.forget()
            folding.forget()
            outbox._client, outbox._rest_until = None, 0.0
            for sender in outbox._senders:
                sender.due = math.inf

    with client() as there:
        forget()
        there.flushdb()
        yield send
        forget()
        there.flushdb()
    for sender, before in zip(outbox._senders, due, strict=True):
        sender.due = before


Unanswered = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def unanswered(hand_over: HandOver, layout: Layout) -> Unanswered:
    """What this process sends within goes to a Redis that takes it, and does not answer in time; nothing is sent unasked."""

    @contextmanager
    def frozen() -> Iterator[None]:
        assert hand_over()  # what waits in a connection that stands is done after the thaw
        process = Servers(layout.directory).find(Node.STORE_REDIS)
        assert process is not None
        process.freeze()
        try:
            yield
            assert not outbox.flush()
        finally:
            process.thaw()

    return frozen
