"""The correlation id from whoever orders a task to the worker that does it, and one log line for each task.

Imported by `TelemetryConfig.ready`: the receivers connect when this module is loaded.
"""

from contextvars import Token
from dataclasses import dataclass
from time import perf_counter, time
from typing import Any

import structlog
from celery import Task
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

from apps.telemetry import correlation, monitor

CARRIER = "opsportal_correlation_id"
SENT = "opsportal_sent"  # seconds since 1970: how long a message waits is told by the message
log = structlog.get_logger("task")


@dataclass(frozen=True, slots=True)
class _Run:
    """A task that runs: since when (`perf_counter`), and its record of queries."""

    began: float
    record: monitor.Record
    token: Token[monitor.Record | None]


_running: dict[str, _Run] = {}


@setup_logging.connect
def keep_logging_as_it_is(**_: Any) -> None:
    """Celery sets logging up by itself unless somebody says that it is done; `logs.configure` did it."""


@before_task_publish.connect
def send(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Put the present correlation id, or a fresh one, and the time on the message."""
    if headers is not None:
        headers.setdefault(CARRIER, correlation.current() or correlation.new())
        headers[SENT] = time()


@task_prerun.connect
def take(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    """Bind the id that came with the message for all lines of the task, and begin a record of its queries."""
    if task.request.is_eager:  # part of whoever calls it
        return
    correlation.unbind()
    word = correlation.accepted(task.request.get(CARRIER))
    correlation.bind(word, task=task.name, task_id=task_id)
    record, token = monitor.begin()
    _running[task_id] = _Run(perf_counter(), record, token)


@task_postrun.connect
def finish(task_id: str, state: str | None = None, **_: Any) -> None:
    """Say how the task ended, how long it took and what it asked of the database."""
    run = _running.pop(task_id, None)
    if run is None:
        return
    monitor.leave(run.token)
    monitor.hand_over(run.record)
    queries, seconds = monitor.spent(run.record)
    write = log.error if state == "FAILURE" else log.info
    write(
        "task",
        state=state,
        duration_ms=round((perf_counter() - run.began) * 1000, 2),
        queries=queries,
        query_ms=round(seconds * 1000, 2),
    )
    correlation.unbind()
