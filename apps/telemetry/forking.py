"""Background threads beside a fork: a copied process has none of them, and would keep for ever what one was holding.

That is not only a lock of ours. A thread that connects for the first time imports what it needs, and a module whose import was under way
while gunicorn forked a worker can never be imported there: each request that needs it hangs.
"""

import os
from threading import Lock, get_ident
from types import TracebackType

import structlog

PATIENCE_SECONDS = 10.0
log = structlog.get_logger("forking")


class Work:
    """`with work:` around each piece of what a background thread does, one at a time; a fork waits until the present one is done.

    It waits for PATIENCE_SECONDS at most, and says so then. To be made once in a process, which never forgets whom to call at a fork.
    """

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(before=self._pause, after_in_parent=self._go_on, after_in_child=self._begin)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _begin(self) -> None:
        self._lock, self._paused = Lock(), set[int]()

    def _pause(self) -> None:
        if self._lock.acquire(timeout=PATIENCE_SECONDS):
            self._paused.add(get_ident())
        else:
            log.warning("forked while a thread works", waited_seconds=PATIENCE_SECONDS)

    def _go_on(self) -> None:
        if get_ident() in self._paused:
            self._paused.remove(get_ident())
            self._lock.release()
