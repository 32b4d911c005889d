"""The application's own query monitor: every statement's duration, slow ones by name, health by their share."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import sql

from apps.lab.application.connections import BoundedConnection
from apps.lab.application.logs import correlation_id
from apps.lab.twin import PARTITIONED, PLAIN

SLOW_MS, VERY_SLOW_MS = 100.0, 200.0
DEGRADED_SHARE, UNHEALTHY_SHARE = 0.05, 0.10
WINDOW_SECONDS = 60.0
_KEPT = 20_000  # durations; at this many the window is shorter than WINDOW_SECONDS, and says so
_KEPT_SLOW = 50
_SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class SlowQuery:
    """A statement that took longer than SLOW_MS: its name and text without values, and where it ran."""

    name: str
    query: str
    duration_ms: float
    very_slow: bool
    node: str
    at: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """Durations in ms over the last `window_seconds`, None where nothing ran; `total_queries` since the start."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    average: float | None
    total_queries: int
    slow_queries: int
    window_queries: int
    window_seconds: float
    slow_share: float | None

    @property
    def health(self) -> str:
        """healthy under 5 % slow, degraded to 10 %, else unhealthy; unknown where nothing ran."""
        if self.slow_share is None:
            return "unknown"
        if self.slow_share < DEGRADED_SHARE:
            return "healthy"
        return "degraded" if self.slow_share <= UNHEALTHY_SHARE else "unhealthy"


@cache
def statement(name: str, partitioned: bool) -> tuple[str, sql.Composed]:
    """The text of `sql/<name>.sql`, as written and as sent; `{messages}` becomes the table in use."""
    text = (_SQL / f"{name}.sql").read_text(encoding="utf-8").strip()
    table = sql.Identifier(PARTITIONED if partitioned else PLAIN)
    return text, sql.SQL(text).format(messages=table)


class QueryMonitor:
    """Runs statements and remembers how long each took. Threads share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durations: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # when (monotonic), ms
        self._slow: deque[SlowQuery] = deque(maxlen=_KEPT_SLOW)
        self._total = 0

    def run(
        self, connection: BoundedConnection, name: str, values: Mapping[str, Any], *, partitioned: bool
    ) -> list[dict[str, Any]]:
        """Run `sql/<name>.sql` with its values; returns its rows, none for a statement that has none."""
        text, query = statement(name, partitioned)
        started = time.perf_counter()
        try:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []
        finally:
            self._record(name, text, (time.perf_counter() - started) * 1000, connection.node)

    def statistics(self) -> Statistics:
        """Of the last minute."""
        now = time.monotonic()
        with self._lock:
            while self._durations and now - self._durations[0][0] > WINDOW_SECONDS:
                self._durations.popleft()
            durations = sorted(ms for _, ms in self._durations)
            total = self._total
            window = WINDOW_SECONDS if len(self._durations) < _KEPT else now - self._durations[0][0]
        slow = sum(1 for ms in durations if ms > SLOW_MS)
        number = len(durations)
        return Statistics(
            p50=percentile(durations, 0.50),
            p90=percentile(durations, 0.90),
            p95=percentile(durations, 0.95),
            p99=percentile(durations, 0.99),
            average=round(sum(durations) / number, 3) if number else None,
            total_queries=total,
            slow_queries=slow,
            window_queries=number,
            window_seconds=round(window, 1),
            slow_share=round(slow / number, 4) if number else None,
        )

    def report(self) -> dict[str, Any]:
        """The document of /metrics/queries."""
        found = self.statistics()
        with self._lock:
            slow = list(self._slow)
        return {
            "slowQueries": [asdict(query) for query in reversed(slow)],
            "statistics": asdict(found),
            "health": {"status": found.health, "slow_threshold_ms": SLOW_MS, "very_slow_threshold_ms": VERY_SLOW_MS},
        }

    def _record(self, name: str, text: str, ms: float, node: str) -> None:
        with self._lock:
            self._total += 1
            self._durations.append((time.monotonic(), ms))
            if ms > SLOW_MS:
                now = datetime.now(UTC).isoformat(timespec="milliseconds")
                self._slow.append(SlowQuery(name, text, round(ms, 3), ms > VERY_SLOW_MS, node, now, correlation_id()))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of sorted numbers; None of none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([], 0.5)
    (2.0, None)
    """
    if not ordered:
        return None
    rank = max(1, -(-len(ordered) * share // 1))
    return round(ordered[int(rank) - 1], 3)
