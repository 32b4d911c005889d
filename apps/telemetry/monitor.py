"""Every query that Django sends: how long it took, by statement; slow ones with their caller; the same one again and again.

Works in any Django application whose INSTALLED_APPS name `apps.telemetry`: `watch` is put around the queries of every
connection when it is opened. While a query runs its duration is only put down; sketches are filled by the outbox's thread.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.core.signals import setting_changed
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from apps.telemetry.callers import caller
from apps.telemetry.outbox import outbox
from apps.telemetry.statements import Catalogue, Statement

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]
# What one request or task sent so far, by statement; durations in seconds.
Record = dict[Statement, list[float]]
log = structlog.get_logger("query")
catalogue = Catalogue()
PENDING = 100_000
WARNED = 3  # lines about repeated statements for one request


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is slow and very slow, in seconds, and how often is too often within one request."""

    slow: float
    very_slow: float
    repeated: int


def thresholds() -> Thresholds:
    """As the settings SLOW_QUERY_MS (100) and REPEATED_QUERIES (10) say; very slow is twice slow."""
    slow = float(getattr(settings, "SLOW_QUERY_MS", 100)) / 1000
    return Thresholds(slow, 2 * slow, int(getattr(settings, "REPEATED_QUERIES", 10)))


@dataclass(frozen=True, slots=True)
class SlowQuery:
    """A query over the threshold, without its values."""

    statement: Statement
    seconds: float
    very_slow: bool
    alias: str


_record: ContextVar[Record | None] = ContextVar("opsportal_queries", default=None)
# Whole records, and queries outside of requests and tasks, until the outbox's thread takes them.
pending: deque[Record | tuple[Statement, float]] = deque(maxlen=PENDING)
noticed: deque[Callable[[SlowQuery], None]] = deque()
limits = Thresholds(0.1, 0.2, 10)


def watch(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Around one query: Django's execute wrapper."""
    began = perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        seconds = perf_counter() - began
        statement = catalogue.by_text.get(sql) if type(sql) is str else None
        if statement is None:
            statement = catalogue.statement(sql, context["connection"].connection)
        record = _record.get()
        if record is None:
            pending.append((statement, seconds))
        elif (durations := record.get(statement)) is None:
            record[statement] = [seconds]
        else:
            durations.append(seconds)
            if len(durations) == limits.repeated:
                statement.due = True
        if statement.due:
            statement.due, statement.caller = False, caller()
        if seconds > limits.slow:
            _slow(statement, seconds, context["connection"].alias)


def _slow(statement: Statement, seconds: float, alias: str) -> None:
    statement.caller = caller()
    query = SlowQuery(statement, seconds, seconds > limits.very_slow, alias)
    log.warning(
        "very slow query" if query.very_slow else "slow query",
        fingerprint=statement.fingerprint,
        sql=statement.text,
        duration_ms=round(seconds * 1000, 2),
        caller=statement.caller,
        database=alias,
    )
    for take in noticed:
        take(query)


@contextmanager
def recorded() -> Iterator[Record]:
    """One request or task: its queries in one record, and a line for a statement that came too often."""
    record, token = begin()
    try:
        yield record
    finally:
        leave(token)
        hand_over(record)


def begin() -> tuple[Record, Token[Record | None]]:
    """Start a record where a `with` does not fit: `leave` ends it, `hand_over` lets it count."""
    record: Record = {}
    return record, _record.set(record)


def leave(token: Token[Record | None]) -> None:
    """From now on queries go to the record that was there before."""
    _record.reset(token)


def hand_over(record: Record) -> None:
    """Let a whole record count, and warn of what came too often."""
    if not record:
        return
    pending.append(record)
    if often := [(len(d), s) for s, d in record.items() if len(d) >= limits.repeated and s.repeatable]:
        _warn(record, often)


def _warn(record: Record, often: list[tuple[int, Statement]]) -> None:
    for count, statement in sorted(often, key=lambda found: -found[0])[:WARNED]:
        log.warning(
            "repeated query",
            fingerprint=statement.fingerprint,
            sql=statement.text,
            count=count,
            duration_ms=round(sum(record[statement]) * 1000, 2),
            caller=statement.caller,
        )


def spent(record: Record) -> tuple[int, float]:
    """How many queries a record holds, and the seconds they took."""
    count, seconds = 0, 0.0
    for durations in record.values():
        count += len(durations)
        seconds += sum(durations)
    return count, seconds


def install(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Watch a connection from now on; receiver of `connection_created`, harmless the second time."""
    if watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch)
    outbox.start()


def _read_limits(**_: Any) -> None:
    global limits  # noqa: PLW0603  read once: settings do not change under a running process, but for tests
    limits = thresholds()


def begin_watching() -> None:
    """Called once, when Django starts."""
    _read_limits()
    connection_created.connect(install)
    setting_changed.connect(_read_limits)
