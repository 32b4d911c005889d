"""How a run is to be done: everything a caller may choose, with the defaults."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING

from psycopg import IsolationLevel

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.batch.result import Progress

CHUNK = 1_000
TOGETHER = 40  # a transaction costs as much as copying a thousand rows, on a busy server two thousand
AT_ONCE = CHUNK * TOGETHER  # rows, which are in memory


class Isolation(Enum):
    """Isolation level of each chunk's transaction."""

    READ_COMMITTED = IsolationLevel.READ_COMMITTED
    REPEATABLE_READ = IsolationLevel.REPEATABLE_READ
    SERIALIZABLE = IsolationLevel.SERIALIZABLE


class OnError(Enum):
    """What guilty rows do to the run."""

    ACCUMULATE = auto()  # they are left out and told, the rest of their chunk is written
    STOP = auto()  # the chunk of the first one is rolled back and the run ends


class Wire(StrEnum):
    """How values travel. Where a column's type has no binary form here, text is taken by itself."""

    BINARY = auto()  # Python values of the column's type, checked: an int for int4, an aware datetime for timestamptz
    TEXT = auto()  # whatever the server reads: "2026-01-31" for a date, "7" for a number


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a chunk that failed for a passing reason is tried, and how long is waited in between.

    Before attempt n + 1 a random time between half and the whole of `first` · 2ⁿ⁻¹ passes, at most `longest`.
    """

    attempts: int = 6
    first: timedelta = timedelta(milliseconds=50)
    longest: timedelta = timedelta(seconds=5)

    def seconds(self, attempt: int, chance: float) -> float:
        """Seconds to wait after a failed attempt (1 is the first), with a `chance` drawn from [0, 1).

        >>> [Retry().seconds(n, 0.0) for n in (1, 2, 3)], Retry().seconds(30, 0.0)
        ([0.025, 0.05, 0.1], 2.5)
        """
        whole = min(self.first.total_seconds() * 2.0 ** min(attempt - 1, 60), self.longest.total_seconds())
        return whole * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Breaking:
    """When the circuit breaker opens: after `failures` chunks in a row of which nothing was written.

    It then waits for `cooldown`, tries one chunk, and closes if that one succeeds; after `probes` failed ones in a row the
    run ends.
    """

    failures: int = 5
    cooldown: timedelta = timedelta(seconds=5)
    probes: int = 3


class Cancel:
    """Asks a run to end after the chunks that are being written; may be set from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask for it."""
        self._event.set()

    @property
    def asked(self) -> bool:
        """Whether somebody did."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake up when it is asked for; whether it was."""
        return self._event.wait(seconds)


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep the run as a job in the portal's store: seen at /batches/, cancelled from there, resumed after a crash."""

    name: str
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class How:
    """The choices of one run.

    Attributes:
        chunk: rows that are tried again, halved, given up and passed over by a later run as one.
        together: consecutive chunks of one transaction; by default 40 where rows are copied, or as many as have 40,000 rows,
            and 1 for `process`. After a failure
            each of them has a transaction of its own, and then 2, 4, … while all goes well. 1: each chunk is seen at once.
        parallel: transactions at the same time, each over a connection of its own. With more than one, the order in
            which chunks are committed is not that of the input.
        isolation: level of each transaction.
        on_error: leave guilty rows out, or end at the first.
        wire: how values travel.
        retry: of chunks that failed for a passing reason: serialization, deadlock, lock time-out, lost connection.
        breaking: when to stop trying.
        errors_kept: how many errors the result holds; all are counted.
        total: number of rows, if known, for whoever shows progress.
        progress: called in the caller's thread after each transaction.
        cancel: asks the run to end.
        remember: keep it as a job.
        resume: the token of an earlier run over the same input; chunks done then are passed over.
        dry_run: do everything and roll each transaction back: constraints are not tried across transactions.
    """

    chunk: int = CHUNK
    together: int | None = None
    parallel: int = 1
    isolation: Isolation = Isolation.READ_COMMITTED
    on_error: OnError = OnError.ACCUMULATE
    wire: Wire = Wire.BINARY
    retry: Retry = Retry()
    breaking: Breaking = Breaking()
    errors_kept: int = 100
    total: int | None = None
    progress: "Callable[[Progress], None] | None" = None
    cancel: Cancel = field(default_factory=Cancel)
    remember: Remember | None = None
    resume: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        if min(self.chunk, self.parallel, self.retry.attempts, 1 if self.together is None else self.together) < 1:
            raise ValueError("chunk, together, parallel and the attempts of retry are at least 1.")
        if self.dry_run and (self.remember or self.resume):
            raise ValueError("A dry run leaves nothing behind: it is neither remembered nor resumed.")
