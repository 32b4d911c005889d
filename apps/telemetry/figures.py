"""What the portal answers about its own queries: verdict, statistics, statements, slow ones."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from apps.telemetry import monitor, windows
from apps.telemetry.sketches import Durations, merged

DEGRADED_SHARE, UNHEALTHY_SHARE = 0.05, 0.10
SHOWN = 100
SHARES = (0.50, 0.90, 0.95, 0.99)


class Health(StrEnum):
    """How queries are, by the share of slow ones."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


def health_of(slow_share: float | None) -> Health:
    """
    healthy under 5 % slow, degraded to 10 %, else unhealthy; unknown where nothing ran.

    >>> [health_of(share).value for share in (None, 0.049, 0.05, 0.10, 0.101)]
    ['unknown', 'healthy', 'degraded', 'degraded', 'unhealthy']
    """
    if slow_share is None:
        return Health.UNKNOWN
    if slow_share < DEGRADED_SHARE:
        return Health.HEALTHY
    return Health.DEGRADED if slow_share <= UNHEALTHY_SHARE else Health.UNHEALTHY


@dataclass(frozen=True, slots=True)
class Summary:
    """Durations as a person reads them: milliseconds, shares from 0 to 1, None where nothing ran."""

    calls: int
    total_ms: float
    average: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    longest: float | None
    slow: int
    very_slow: int
    slow_share: float | None

    @property
    def health(self) -> Health:
        """By the share of slow ones."""
        return health_of(self.slow_share)


def summary(durations: Durations) -> Summary:
    """The summary of durations."""
    p50, p90, p95, p99 = (_ms(value) for value in durations.quantiles(*SHARES))
    return Summary(
        calls=durations.count,
        total_ms=round(durations.total * 1000, 3),
        average=_ms(durations.average),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        longest=_ms(durations.longest) if durations.count else None,
        slow=durations.slow,
        very_slow=durations.very_slow,
        slow_share=None if durations.slow_share is None else round(durations.slow_share, 4),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


@dataclass(frozen=True, slots=True)
class Row:
    """One statement of the table: what it is, how it went, and its share of all time spent (0 to 1)."""

    fingerprint: str
    text: str
    caller: str
    summary: Summary
    share: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The statements of a span that took the most time, how many more there were, and all of them together."""

    span: windows.Span
    whole: Summary
    rows: Sequence[Row]
    more: int


def overview(span: windows.Span, shown: int | None = SHOWN) -> Overview:
    """The first `shown` statements, None for all. Raises RedisError when Redis does not answer."""
    found = merged(window for _, window in windows.read(span))
    whole = _together(found)
    most = sorted(found.items(), key=lambda one: -one[1].total)[:shown]
    texts = windows.told(name for name, _ in most)
    rows = [
        Row(
            name,
            texts[name].text if name in texts else "",
            texts[name].caller if name in texts else "",
            summary(durations),
            durations.total / whole.total if whole.total else 0.0,
        )
        for name, durations in most
    ]
    return Overview(span, summary(whole), rows, len(found) - len(rows))


@dataclass(frozen=True, slots=True)
class Course:
    """One statement over a span: its row, every window of the span, oldest first, and its slow ones.

    A window is None where no process said anything of it; of no calls where others ran and this one did not.
    """

    span: windows.Span
    row: Row
    every_window: Sequence[tuple[datetime, Summary | None]]
    slow: Sequence[windows.Slow]

    @property
    def steps(self) -> Sequence[tuple[datetime, Summary]]:
        """The windows in which it ran, newest first."""
        return [(at, found) for at, found in reversed(self.every_window) if found is not None and found.calls]


def course(span: windows.Span, fingerprint: str) -> Course | None:
    """None when it did not run within the span. Raises RedisError."""
    read = windows.read(span)
    whole, own = Durations(), Durations()
    steps: list[tuple[datetime, Summary | None]] = []
    for at, window in read:
        for durations in window.values():
            whole.merge(durations)
        here = window.get(fingerprint, Durations())
        own.merge(here)
        steps.append((at, summary(here) if window else None))
    if not own.count:
        return None
    said = windows.told([fingerprint]).get(fingerprint)
    row = Row(
        fingerprint,
        said.text if said else "",
        said.caller if said else "",
        summary(own),
        own.total / whole.total if whole.total else 0.0,
    )
    slow = [one for one in windows.slow_queries() if one.name == fingerprint]
    return Course(span, row, steps, slow)


def ran(fingerprint: str) -> bool:
    """Whether a statement is known from within the last day. Raises RedisError."""
    return bool(windows.told([fingerprint]))


def report() -> dict[str, Any]:
    """
    The document of `/metrics/queries`: the last hour, in the shape in which a watched application answers it.

    Raises RedisError when Redis does not answer.
    """
    span = windows.HOUR
    found = summary(_together(merged(window for _, window in windows.read(span))))
    return {
        "slowQueries": [asdict(one) for one in windows.slow_queries()],
        "statistics": {
            "p50": found.p50,
            "p90": found.p90,
            "p95": found.p95,
            "p99": found.p99,
            "average": found.average,
            "total_queries": windows.total(),
            "slow_queries": found.slow,
            "window_queries": found.calls,
            "window_seconds": float(span.seconds),
            "slow_share": found.slow_share,
        },
        "health": {
            "status": found.health.value,
            "slow_threshold_ms": monitor.limits.slow * 1000,
            "very_slow_threshold_ms": monitor.limits.very_slow * 1000,
        },
    }


def _together(found: dict[str, Durations]) -> Durations:
    whole = Durations()
    for durations in found.values():
        whole.merge(durations)
    return whole
