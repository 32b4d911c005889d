"""What the application counts since it started: requests by status, their durations, refusals by the limiter."""

import threading
import time
from collections import Counter, deque
from typing import Any

from apps.lab.application.queries import percentile

WINDOW_SECONDS = 60.0


class Counters:
    """Cumulative counts of one process, and the durations of the last minute. Threads share one."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._durations: deque[tuple[float, float]] = deque(maxlen=20_000)

    def count(self, name: str, number: int = 1) -> None:
        """Add to one counter."""
        with self._lock:
            self._counted[name] += number

    def answered(self, status: int, ms: float) -> None:
        """Count an answer of the API."""
        with self._lock:
            self._counted[f"{status // 100}xx"] += 1
            self._durations.append((time.monotonic(), ms))

    def of(self, *names: str) -> dict[str, int]:
        """Some counters by name; what never happened is 0."""
        with self._lock:
            return {name: self._counted[name] for name in names}

    def requests(self) -> dict[str, Any]:
        """The API's answers: by class of status since the start, durations in ms of the last minute."""
        classes = self.of("2xx", "3xx", "4xx", "5xx")
        since = time.monotonic() - WINDOW_SECONDS
        with self._lock:
            durations = sorted(ms for at, ms in self._durations if at >= since)
        return {
            "total": sum(classes.values()),
            "by_status": classes,
            "errors": classes["5xx"],
            "window_seconds": WINDOW_SECONDS,
            "window_requests": len(durations),
            "p50_ms": percentile(durations, 0.50),
            "p95_ms": percentile(durations, 0.95),
        }
