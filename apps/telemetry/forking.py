"""Background threads beside a fork: a copied process has none of them, and would keep for ever what one was holding.

That is not only a lock of ours. A thread that connects for the first time imports what it needs, and a module whose import was under way
while gunicorn forked a worker can never be imported there: each request that needs it hangs.
"""

import os
from threading import Lock
from types import TracebackType

PATIENCE_SECONDS = 10.0


class Work:
    """`with work:` around each piece of what a background thread does, one piece at a time; a fork waits until the present one is done.

    It waits for PATIENCE_SECONDS at most. To be made once in a process, as a process never forgets whom to call at a fork.
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
        self._lock, self._paused = Lock(), False

    def _pause(self) -> None:
        self._paused = self._lock.acquire(timeout=PATIENCE_SECONDS)

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            self._lock.release()
