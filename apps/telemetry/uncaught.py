"""Errors that nobody caught, and warnings, as lines like all others: with their id, masked, and kept for the page.

Python writes them to stderr as they are, over many lines. A person at a prompt (`manage.py shell`) still sees them like that.
"""

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

import structlog

log = structlog.get_logger("uncaught")
ThreadHook = Callable[[threading.ExceptHookArgs], object]


def begin() -> None:
    """Called when Django starts. Whoever listened before to errors of threads still hears of them."""
    if sys.excepthook is of_program:
        return
    sys.excepthook = of_program
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = of_thread
    else:
        threading.excepthook = _after(of_thread, threading.excepthook)
    logging.captureWarnings(True)


def of_program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`: what ends the program."""
    if hasattr(sys, "ps1") or not isinstance(error, Exception):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("uncaught error", exc_info=(kind, error, trace))


def of_thread(failed: threading.ExceptHookArgs) -> None:
    """`threading.excepthook`: what ends a thread, and nothing else."""
    if failed.exc_value is None or issubclass(failed.exc_type, SystemExit):
        return
    name = failed.thread.name if failed.thread else ""
    log.critical(
        "uncaught error in a thread", thread=name, exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback)
    )


def _after(first: ThreadHook, then: ThreadHook) -> ThreadHook:
    def both(failed: threading.ExceptHookArgs) -> None:
        first(failed)
        then(failed)

    return both
