"""Asking several at once, each as long as it likes but nobody longer than the deadline."""

import threading
from collections.abc import Callable, Hashable, Mapping
from time import monotonic
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def together(jobs: Mapping[K, Callable[[], T]], seconds: float) -> dict[K, T]:
    """What each job returned within so many seconds; who did not is left out, and left behind. A job raises nothing.

    >>> together({"a": lambda: 1, "b": threading.Event().wait}, 0.05)
    {'a': 1}
    """
    found: dict[K, T] = {}

    def run(key: K, job: Callable[[], T]) -> None:
        found[key] = job()

    # Daemons, unlike those of a pool: the process ends without waiting for a name server that does not answer.
    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in jobs.items()]
    for thread in threads:
        thread.start()
    end = monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))
    return dict(found)
