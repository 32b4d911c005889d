"""Ctrl-C, SIGTERM and the closed terminal, as one question asked between steps instead of an exception in the middle of one."""

import os
import select
import signal
from contextlib import suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Somebody asked the demo to stop."""


class StopSignal:
    """Remembers that a stop was asked for. Waiting ends at once then; nothing is torn out of the middle of a step."""

    def __init__(self) -> None:
        self.asked = False
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a child that ends wakes us

    def _ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        """Wait, or less when a signal comes; raises Stopped when that was a stop."""
        self.check()
        if select.select([self._read], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                os.read(self._read, 4096)
        self.check()

    def check(self) -> None:
        """Raise Stopped if a stop was asked for."""
        if self.asked:
            raise Stopped


def ignore_signals() -> None:
    """From now on asking to stop changes nothing: it is being done."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
