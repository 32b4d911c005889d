"""The application's request log: plain lines before the rollout, then JSON lines with a correlation id, masked."""

import json
import logging
import logging.handlers
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.telemetry.correlation import accepted
from apps.telemetry.masking import mask

FILE = "requests.log"
_BYTES, _FILES = 5_000_000, 3
_current: ContextVar[str] = ContextVar("correlation_id", default="")


def correlation_id() -> str:
    """The id of the request under way; empty where structured logs are off."""
    return _current.get()


@contextmanager
def correlated(given: str, *, on: bool) -> Iterator[str]:
    """Hold the id that a request brought, or a new one, for the lines within; empty when not `on`."""
    token = _current.set(accepted(given) if on else "")
    try:
        yield _current.get()
    finally:
        _current.reset(token)


class RequestLog:
    """Writes to a file that rotates; the newest lines stay in memory for /metrics/logs."""

    def __init__(self, folder: Path) -> None:
        self._logger = logging.getLogger("messaging.requests")
        self._logger.propagate = False
        self._logger.setLevel(logging.INFO)
        handler = logging.handlers.RotatingFileHandler(folder / FILE, maxBytes=_BYTES, backupCount=_FILES, delay=True)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._logger.addHandler(handler)
        self._recent: deque[str] = deque(maxlen=50)
        self.lines = 0

    def write(self, level: str, event: str, *, structured: bool, **facts: Any) -> None:
        """One line: `event` and its facts."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        if structured:
            line = {"timestamp": now, "level": level, "event": event, "correlation_id": correlation_id()}
            text = json.dumps(line | mask(facts), default=str)
        else:
            text = f"{now} {level.upper()} {event} " + " ".join(str(fact) for fact in facts.values())
        self._recent.append(text)
        self.lines += 1
        self._logger.info(text)

    def recent(self) -> list[str]:
        """The newest lines, oldest first."""
        return list(self._recent)
