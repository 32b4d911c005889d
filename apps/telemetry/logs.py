"""Log lines: JSON on stderr, or coloured text on a terminal; masked, correlated, one line each whatever they contain.

`configure` is Django's LOGGING_CONFIG. Our own code logs with `structlog.get_logger()`, which writes directly; what
libraries log through `logging` passes the same processors.
"""

import copy
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from apps.telemetry import correlation, lines, tracing
from apps.telemetry.controls import spelled_out, spelled_out_in
from apps.telemetry.masking import end_of_trace, mask, mask_arguments

# What these say at lower levels, our own lines say better.
QUIET = {
    "asyncio": "WARNING",
    "celery.app.trace": "WARNING",
    "celery.worker.strategy": "WARNING",
    "django.request": "ERROR",
    "django.server": "ERROR",
    "httpcore": "WARNING",
    "httpx": "WARNING",
    "opentelemetry.exporter": "CRITICAL",  # at each attempt; `tracing_export` says when it begins and ends
}
TRACES = ("exception", "stack")
LONG = 10_000  # bits; longer numbers Python does not write
AS_WRITTEN = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
BAR = "    │ "
_METHODS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}


def with_bound(_: Any, __: str, event: EventDict) -> EventDict:
    """Structlog processor: the correlation id, and what else is bound to the lines of a request or a task."""
    for name, value in correlation.bound().items():
        event.setdefault(name, value)
    return event


def finished(logger: Any, method: str, event: EventDict) -> EventDict:
    """Structlog processor: the exception as text, no secret, and the time, which is never the same twice and needs no masking."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    for name in TRACES:
        if name in event and isinstance(event[name], str):
            event[name] = end_of_trace(event[name])
    clean: dict[str, Any] = mask(event)
    clean["timestamp"] = datetime.now(UTC)
    return clean


def as_json(_: Any, __: str, event: EventDict) -> str:
    """One line of JSON, for everybody: what some reader takes for the end of a line is escaped too."""
    try:
        line = orjson.dumps(event, default=str, option=AS_WRITTEN).decode()
    except TypeError:  # a lone surrogate, or a number that orjson has no room for
        line = orjson.dumps(_storable(event), default=str, option=AS_WRITTEN).decode()
    return line if line.isascii() and "\x7f" not in line else spelled_out(line)


def kept(_: Any, __: str, line: Any) -> str:
    """Behind `as_json`: the line is kept for the page, too."""
    lines.keep(line)
    return str(line)


def kept_as_json(_: Any, __: str, event: EventDict) -> EventDict:
    """The same before a terminal's rendering."""
    lines.keep(as_json(None, "", event))
    return event


def escaped(_: Any, __: str, event: EventDict) -> EventDict:
    """For terminals: control characters are shown, not obeyed. A traceback keeps its lines, each behind a bar."""
    shown = {
        spelled_out_in(key): _barred(value) if key in TRACES else spelled_out_in(value) for key, value in event.items()
    }
    return shown | {"timestamp": f"{event['timestamp']:%Y-%m-%dT%H:%M:%S.%fZ}"}


def _barred(trace: Any) -> str:
    return "\n".join(f"{BAR}{spelled_out_in(line)}" for line in str(trace).split("\n"))


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case int() if abs(value) >= 2**63:
            return str(value) if value.bit_length() < LONG else f"[a number of {value.bit_length()} bits]"
    return value


def _common() -> list[Processor]:
    # What is added to every line stands here.
    return [
        with_bound,
        structlog.processors.add_log_level,
        *([tracing.with_ids] if tracing.endpoint() else []),
    ]


def _finishing(pretty: bool, keep: bool) -> list[Processor]:
    if pretty:
        terminal = structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        return [finished, *([kept_as_json] if keep else []), escaped, terminal]
    return [finished, as_json, *([kept] if keep else [])]


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats what libraries log through `logging` as our own lines are formatted."""

    def __init__(self, pretty: bool, keep: bool = False) -> None:
        super().__init__(
            foreign_pre_chain=[*_common(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_finishing(pretty, keep)],
            keep_exc_info=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        """A value that the message calls a secret is masked before it is put in: afterwards nothing shows what it was."""
        if record.args:
            record = copy.copy(record)
            record.args = mask_arguments(str(record.msg), record.args)
            try:
                record.getMessage()
            except (TypeError, ValueError, LookupError):
                record.msg, record.args = f"{record.msg} [its arguments do not fit]", ()
        return super().format(record)


class Handler(logging.StreamHandler[TextIO]):
    """Writes what libraries log. What cannot be written is named: Python would print it as it is, its arguments too."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """See Handler."""
        told = {
            "event": "a line could not be written",
            "level": "error",
            "logger": record.name,
            "error": str(sys.exc_info()[0]),
        }
        with suppress(OSError, ValueError):
            self.stream.write(f"{orjson.dumps(told).decode()}\n")


def configure(
    config: Mapping[str, Any] | None = None, *, stream: TextIO | None = None, pretty: bool | None = None
) -> None:
    """
    Set up all logging of this process.

    Args:
        config: Django's LOGGING; read are `level` (name), `loggers` (logger → level name) and `keep` (whether lines are
            kept for the page of lines, no by default), all optional.
        stream: where lines go, stderr by default.
        pretty: coloured text instead of JSON; by default when the stream is a terminal.
    """
    global _lines  # noqa: PLW0603  one setup for a process
    config = config or {}
    level, keep = str(config.get("level", "INFO")), bool(config.get("keep", False))
    out = stream or sys.stderr
    pretty = out.isatty() if pretty is None else pretty
    handler = Handler(out)
    handler.setFormatter(Formatter(pretty, keep))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, threshold in {**QUIET, **config.get("loggers", {})}.items():
        logger = logging.getLogger(name)
        logger.setLevel(threshold)
        logger.handlers.clear()
        logger.propagate = True
    least, writer = logging.getLevelNamesMapping()[level], structlog.WriteLogger(out)
    _lines = Lines(least, [*_common(), *_finishing(pretty, keep)], writer)
    structlog.configure(
        processors=_lines.processors,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )


@dataclass(frozen=True, slots=True)
class Lines:
    """How lines are written: from which level on, through which processors, and where."""

    least: int
    processors: Sequence[Processor]
    out: structlog.WriteLogger


_lines: Lines | None = None


def say(level: int, event: EventDict) -> None:
    """What structlog's `log.log` does, for the one line of every request: its fields are not copied from call to call."""
    lines_now = _lines
    if lines_now is None:  # an application that sets up structlog by itself
        structlog.get_logger().log(level, **event)
        return
    if level < lines_now.least:
        return
    name = _METHODS[level]
    line: Any = event
    for process in lines_now.processors:
        line = process(lines_now.out, name, line)
    lines_now.out.msg(line)
