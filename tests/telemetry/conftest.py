"""The lines of this process, as they leave it."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from apps.telemetry import logs

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
