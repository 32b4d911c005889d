"""The circuit breaker: after chunks that failed in a row, a pause, then one chunk to see whether it works again."""

from dataclasses import dataclass

from apps.batch.how import Breaking
from apps.batch.result import Circuit


@dataclass(slots=True)
class Breaker:
    """Told of every chunk in the order in which they are settled.

    >>> breaker = Breaker(Breaking(failures=2, probes=1))
    >>> breaker.tell(False); breaker.tell(False); breaker.state
    <Circuit.OPEN: 'open'>
    >>> breaker.probe(); breaker.tell(False); breaker.tripped
    True
    """

    limits: Breaking
    state: Circuit = Circuit.CLOSED
    failures: int = 0
    probes: int = 0
    opened: int = 0

    def tell(self, succeeded: bool) -> None:
        """A chunk was settled; it failed when nothing of it was written."""
        if succeeded:
            self.state, self.failures, self.probes = Circuit.CLOSED, 0, 0
            return
        self.failures += 1
        if self.state is Circuit.HALF_OPEN:
            self.probes += 1
            self.state = Circuit.OPEN
        elif self.state is Circuit.CLOSED and self.failures >= self.limits.failures:
            self.state = Circuit.OPEN
            self.opened += 1

    def probe(self) -> None:
        """The pause is over: the next chunk decides."""
        self.state = Circuit.HALF_OPEN

    @property
    def waits(self) -> bool:
        """Whether no chunk should be handed out before a pause."""
        return self.state is Circuit.OPEN and not self.tripped

    @property
    def tripped(self) -> bool:
        """Whether as many probes failed as were allowed."""
        return self.state is Circuit.OPEN and self.probes >= self.limits.probes
