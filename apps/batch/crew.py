"""Threads that settle bundles of chunks, each over a connection of its own; no more is handed out than they can take at once."""

import contextvars
import queue
import threading
from collections.abc import Callable
from types import TracebackType

from apps.batch.attempt import Settling, Worker
from apps.batch.bundles import Bundle


class Crew:
    """`give` hands out a bundle, `take` waits for the next settled one; `busy` counts those in between."""

    def __init__(self, size: int, worker: Callable[[], Worker]) -> None:
        self.busy = 0
        self.limit = size
        self._orders: queue.SimpleQueue[Bundle | None] = queue.SimpleQueue()
        self._settled: queue.SimpleQueue[Settling | BaseException] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(
                target=contextvars.copy_context().run, args=(self._work, worker()), name=f"batch-{n}", daemon=True
            )
            for n in range(size)
        ]

    def __enter__(self) -> "Crew":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def full(self) -> bool:
        """Whether nothing can be handed out until something is settled."""
        return self.busy >= self.limit

    def give(self, bundle: Bundle) -> None:
        """Hand out a bundle. None waits behind another: what fails as a whole comes back before what follows it is begun."""
        self.busy += 1
        self._orders.put(bundle)

    def take(self) -> Settling:
        """The next settled bundle. Raises what the caller's own function raised and did not expect."""
        found = self._settled.get()
        self.busy -= 1
        if isinstance(found, BaseException):
            raise found
        return found

    def _work(self, worker: Worker) -> None:
        try:
            while (order := self._orders.get()) is not None:
                try:
                    settled: Settling | BaseException = worker.settle(order)
                except BaseException as error:  # noqa: BLE001  carried to the caller's thread, where `take` raises it
                    settled = error
                self._settled.put(settled)
        finally:
            worker.close()
