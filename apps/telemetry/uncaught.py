"""Errors that nobody caught, and warnings, as lines like all others: with their id, masked, and kept for the page.

Python writes them to stderr as they are, over many lines. A person at a prompt (`manage.py shell`) still sees them like that.
"""

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import structlog

log = structlog.get_logger("uncaught")
if TYPE_CHECKING:
    from sys import UnraisableHookArgs

Failed = TypeVar("Failed")


def begin() -> None:
    """Called when Django starts. Whoever listened before to errors of threads and of clearing up still hears of them."""
    if sys.excepthook is of_program:
        return
    sys.excepthook = of_program
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = of_thread
    else:
        threading.excepthook = _after(of_thread, threading.excepthook)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = of_clearing_up
    else:
        sys.unraisablehook = _after(of_clearing_up, sys.unraisablehook)
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


def of_clearing_up(failed: "UnraisableHookArgs") -> None:
    """`sys.unraisablehook`: what `__del__`, a callback of a weak reference or a generator that is let go raised; it ends nothing."""
    if getattr(sys, "ps1", None) is not None:  # at the end of every process Python sets it to None
        sys.__unraisablehook__(failed)
        return
    # Its name only: what an object says of itself may be anything, and may fail again.
    told: dict[str, object] = {"object": getattr(failed.object, "__qualname__", type(failed.object).__qualname__)}
    if sys.is_finalizing():  # what masks a message may not be there any more
        told["error"] = failed.exc_type.__qualname__
    else:
        told["exc_info"] = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    try:
        log.error("uncaught error in clearing up", **told)
    except ValueError:  # stderr is closed already, where lines go; Python knows the one the process began with
        sys.__unraisablehook__(failed)


def _after(first: Callable[[Failed], object], then: Callable[[Failed], object]) -> Callable[[Failed], object]:
    def both(failed: Failed) -> None:
        first(failed)
        then(failed)

    return both
