"""The correlation id from whoever orders a task to the worker that does it, and one log line for each task.

Imported by `TelemetryConfig.ready`: the receivers connect when this module is loaded.
"""

from time import perf_counter
from typing import Any

import structlog
from celery import Task
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun
from structlog.contextvars import bind_contextvars, clear_contextvars

from apps.telemetry import correlation

CARRIER = "opsportal_correlation_id"
log = structlog.get_logger("task")
_started: dict[str, float] = {}


@setup_logging.connect
def keep_logging_as_it_is(**_: Any) -> None:
    """Celery sets logging up by itself unless somebody says that it is done; `logs.configure` did it."""


@before_task_publish.connect
def send(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Put the present correlation id, or a fresh one, on the message."""
    if headers is not None:
        headers.setdefault(CARRIER, correlation.current() or correlation.new())


@task_prerun.connect
def take(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    """Bind the id that came with the message for all lines of the task."""
    clear_contextvars()
    carried = task.request.get(CARRIER)
    bind_contextvars(**{correlation.KEY: correlation.accepted(carried), "task": task.name, "task_id": task_id})
    _started[task_id] = perf_counter()


@task_postrun.connect
def finish(task_id: str, state: str | None = None, **_: Any) -> None:
    """Say how the task ended and how long it took."""
    started = _started.pop(task_id, None)
    taken = None if started is None else round((perf_counter() - started) * 1000, 2)
    write = log.error if state == "FAILURE" else log.info
    write("task", state=state, duration_ms=taken)
    clear_contextvars()
