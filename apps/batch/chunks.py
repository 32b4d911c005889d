"""Cutting an input into chunks, lazily, and a failed chunk into halves down to its guilty rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """Consecutive rows: the chunk's number and its first row's, both counted from 0 over the whole input."""

    number: int
    first: int
    rows: Sequence[T]

    @property
    def last(self) -> int:
        """Its last row's number."""
        return self.first + len(self.rows) - 1


def chunks(rows: Iterable[T], size: int) -> Iterator[Chunk[T]]:
    """Chunks of `size` rows, the last one shorter; a chunk is read when it is asked for, nothing ahead of it.

    >>> [(c.number, c.first, list(c.rows)) for c in chunks("abcde", 2)]
    [(0, 0, ['a', 'b']), (1, 2, ['c', 'd']), (2, 4, ['e'])]
    """
    source, number = iter(rows), 0
    while part := list(islice(source, size)):
        yield Chunk(number, number * size, part)
        number += 1


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a chunk ready to be sent, each with its number in the input."""

    rows: Sequence[Any]
    numbers: Sequence[int]

    def halves(self) -> "tuple[Part, Part]":
        """The first half and the second."""
        middle = len(self.rows) // 2
        return (
            Part(self.rows[:middle], self.numbers[:middle]),
            Part(self.rows[middle:], self.numbers[middle:]),
        )


def guilty(part: Part, attempt: Callable[[Part], Exception | None]) -> Iterator[tuple[int, Exception]]:
    """
    Send what can be sent of a part that failed as a whole, in order, and yield each row that cannot, with its error.

    Args:
        attempt: sends a part; returns what was wrong with it, and must then have sent nothing of it.
    """
    waiting = [part] if len(part.rows) == 1 else list(reversed(part.halves()))
    while waiting:
        here = waiting.pop()
        error = attempt(here)
        if error is None:
            continue
        if len(here.rows) == 1:
            yield here.numbers[0], error
        else:
            waiting += reversed(here.halves())
