"""Log lines: JSON on stderr, or coloured text on a terminal; masked, correlated, one line each whatever they contain.

`configure` is Django's LOGGING_CONFIG. Our own code logs with `structlog.get_logger()`, which writes directly; what
libraries log through `logging` passes the same processors.
"""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from apps.telemetry.masking import mask

# What these say at lower levels, our own lines say better.
QUIET = {
    "asyncio": "WARNING",
    "celery.app.trace": "WARNING",
    "celery.worker.strategy": "WARNING",
    "django.request": "ERROR",
    "django.server": "ERROR",
    "httpcore": "WARNING",
    "httpx": "WARNING",
}
# C0 and C1 controls, bidirectional overrides, line and paragraph separators: what could forge a line on a terminal.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def masked(_: Any, __: str, event: EventDict) -> EventDict:
    """Structlog processor: no secret leaves."""
    clean: dict[str, Any] = mask(event)
    return clean


def as_json(_: Any, __: str, event: EventDict) -> str:
    """One line of JSON, for everybody: what some reader takes for the end of a line is escaped too."""
    try:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, or a number that orjson has no room for
        line = orjson.dumps(_storable(event), default=str).decode()
    return line if line.isascii() else _CONTROL.sub(_escape_one, line)


def escaped(_: Any, __: str, event: EventDict) -> EventDict:
    """For terminals: control characters are shown, not obeyed."""
    return {key: _escape(value) for key, value in event.items()}


def _escape_one(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _escape(value: Any) -> Any:
    match value:
        case str():
            return _CONTROL.sub(_escape_one, value).replace("\n", "\\n")
        case dict():
            return {_escape(key): _escape(item) for key, item in value.items()}
        case list():
            return [_escape(item) for item in value]
    return value


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case int() if abs(value) >= 2**63:
            return str(value)
    return value


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
    ]


def _finishing(pretty: bool) -> list[Processor]:
    # The time is added after masking: it is never the same twice and needs none.
    clean: list[Processor] = [
        structlog.processors.format_exc_info,
        masked,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if pretty:
        return [*clean, escaped, structlog.dev.ConsoleRenderer(colors=True)]
    return [*clean, as_json]


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats what libraries log through `logging` as our own lines are formatted."""

    def __init__(self, pretty: bool) -> None:
        super().__init__(
            foreign_pre_chain=[*_common(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_finishing(pretty)],
            keep_exc_info=False,
        )


def configure(
    config: Mapping[str, Any] | None = None, *, stream: TextIO | None = None, pretty: bool | None = None
) -> None:
    """
    Set up all logging of this process.

    Args:
        config: Django's LOGGING; `level` (name) and `loggers` (logger → level name) are read, both optional.
        stream: where lines go, stderr by default.
        pretty: coloured text instead of JSON; by default when the stream is a terminal.
    """
    config = config or {}
    level = str(config.get("level", "INFO"))
    out = stream or sys.stderr
    pretty = out.isatty() if pretty is None else pretty
    handler = logging.StreamHandler(out)
    handler.setFormatter(Formatter(pretty))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, threshold in {**QUIET, **config.get("loggers", {})}.items():
        logger = logging.getLogger(name)
        logger.setLevel(threshold)
        logger.handlers.clear()
        logger.propagate = True
    structlog.configure(
        processors=[*_common(), *_finishing(pretty)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
