"""Which chunks share a transaction: consecutive ones while all goes well, each one alone after a failure."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from apps.batch.chunks import Chunk, Part
from apps.batch.resume import Settled

LONGEST_READING = 1.0  # seconds: what a slow input gave until then is written


@dataclass(frozen=True, slots=True)
class Bundle:
    """Consecutive chunks. `doubt`: the transaction that may have committed its only one already; 0 when there is none."""

    chunks: tuple[Chunk[Any], ...]
    doubt: int = 0

    @property
    def first(self) -> int:
        """Number of its first row."""
        return self.chunks[0].first

    @property
    def last(self) -> int:
        """Number of its last row."""
        return self.chunks[-1].last

    @property
    def size(self) -> int:
        """How many rows it has."""
        return self.last - self.first + 1

    def part(self) -> Part:
        """Its rows, each with its number."""
        alone = len(self.chunks) == 1
        rows = self.chunks[0].rows if alone else list(chain.from_iterable(chunk.rows for chunk in self.chunks))
        return Part(rows, range(self.first, self.last + 1))


@dataclass(slots=True)
class Supply:
    """
    What is to be handed out next, in the order of the input: what was read ahead, and before it what came back.

    `over`: the input has no more; `failure`: it raised this. `passed`: rows that an earlier run had done.
    """

    source: Iterator[Chunk[Any]]
    settled: Settled
    ahead: int  # chunks that are read at a time
    waiting: deque[Chunk[Any]] = field(default_factory=deque)
    alone: dict[int, int] = field(init=False)  # chunks that share no transaction, each with its doubt
    passed: int = 0
    over: bool = False
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.alone = dict(self.settled.missing)

    def read(self) -> None:
        """Read `ahead` chunks that are to be done, or fewer from an input that is slow, ends or fails."""
        until = time.monotonic() + LONGEST_READING
        while len(self.waiting) < self.ahead and time.monotonic() < until:
            try:
                chunk = next(self.source, None)
            except Exception as error:  # noqa: BLE001  whatever the caller's input raises is told with what was done
                self.over, self.failure = True, error
                return
            if chunk is None:
                self.over = True
                return
            if self.settled.wanted(chunk.number):
                self.waiting.append(chunk)
            else:
                self.passed += len(chunk.rows)

    def take(self, most: int) -> Bundle:
        """The next chunks, at most so many. Something must be waiting."""
        made = [self.waiting.popleft()]
        if made[0].number in self.alone:
            return Bundle((made[0],), self.alone.pop(made[0].number))
        while self.waiting and len(made) < most and self._goes_with(made[-1]):
            made.append(self.waiting.popleft())
        return Bundle(tuple(made))

    def put_back(self, bundle: Bundle, doubt: int) -> None:
        """Nothing of a bundle was written, or nobody knows (`doubt`): its chunks are next, one by one."""
        self.waiting.extendleft(reversed(bundle.chunks))
        self.alone.update({chunk.number: doubt for chunk in bundle.chunks})

    def doubtful(self) -> dict[int, int]:
        """Chunks that wait although they may be committed, each with its transaction."""
        return {chunk.number: doubt for chunk in self.waiting if (doubt := self.alone.get(chunk.number, 0))}

    def _goes_with(self, before: Chunk[Any]) -> bool:
        number = self.waiting[0].number
        return number == before.number + 1 and number not in self.alone
