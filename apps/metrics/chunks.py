"""A stretch of one series packed into few bytes: times and columns of numbers, exact to the last bit.

Layout, little-endian: a head (version, how times are written, number of columns, count, first time, step), then the times where they
are irregular, then the columns (`columns`), each with a head of its own, so that a reader unpacks only those it needs, then the CRC-32
of all that, for bytes that changed on a disk may still read as numbers. Numbers are squeezed by Zstandard (`planes`); those of
version 1 were deflated, without a sum.
"""

import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from apps.metrics import columns, planes

VERSION = 2
DEFLATED = 1  # the version before
MOST = 1_000_000  # numbers in a chunk
HEAD = struct.Struct("<BBBIqI")
FIRST = struct.calcsize("<BBBI")  # where the first time is in it
SUM = struct.Struct("<I")

Times: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]


class UnknownChunk(ValueError):
    """The bytes are no chunk of a version that is known here, or are damaged."""


class _Clock(IntEnum):
    REGULAR = 0
    IRREGULAR = 1


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Part of a series. `times`: milliseconds since 1970, rising; `columns`: equally long, NaN where there was no number."""

    times: Times
    columns: tuple[Numbers, ...]

    def within(self, start: int, end: int) -> "Stretch | None":
        """What of it lies in [start, end) (milliseconds); None where nothing does."""
        low, high = np.searchsorted(self.times, (start, end))
        return Stretch(self.times[low:high], tuple(c[low:high] for c in self.columns)) if low < high else None


def pack(stretch: Stretch) -> bytes:
    """The stretch as bytes, the same for the same stretch. Raises ValueError for times that do not rise, or columns of other lengths."""
    times, count = stretch.times, len(stretch.times)
    if any(len(column) != count for column in stretch.columns):
        raise ValueError("Columns must be as long as the times.")
    steps = np.diff(times)
    if count and (steps <= 0).any():
        raise ValueError("Times must rise.")
    first, step = (int(times[0]) if count else 0), (int(steps[0]) if count > 1 else 0)
    regular = bool((steps == step).all()) and step < 2**32
    clock = b"" if regular else planes.squeezed(planes.zigzag(np.diff(steps, prepend=np.int64(0))), 8)
    head = HEAD.pack(
        VERSION,
        _Clock.REGULAR if regular else _Clock.IRREGULAR,
        len(stretch.columns),
        count,
        first,
        step if regular else len(clock),
    )
    return summed(head + clock + b"".join(map(columns.pack, stretch.columns)))


def summed(body: bytes) -> bytes:
    """With its sum behind it."""
    return body + SUM.pack(zlib.crc32(body))


def begin_of(packed: bytes) -> int:
    """The first time in a chunk, in milliseconds since 1970, by which chunks of one series can be put in order."""
    return int.from_bytes(packed[FIRST : FIRST + 8], "little", signed=True)


def unpack(packed: bytes, wanted: Collection[int] | None = None) -> Stretch:
    """The stretch that was packed; of the columns only those whose places are `wanted` (all by default), in their order.

    Raises UnknownChunk.
    """
    (stretch,) = unpack_all([packed], wanted)
    return stretch


def unpack_all(packed: Sequence[bytes], wanted: Collection[int] | None = None) -> list[Stretch]:
    """The stretches of many chunks, in their order. Columns that are written alike are read together, which is much quicker.

    Raises UnknownChunk.
    """
    try:
        opened = [_opened(one, wanted) for one in packed]
        columns.read(column for _times, of in opened for column in of)
    except (struct.error, ValueError, IndexError, *planes.DAMAGED) as error:
        if len(packed) > 1:
            return [unpack(one, wanted) for one in packed]  # to tell which it is
        raise UnknownChunk(
            f"{len(packed[0])} bytes that begin with {packed[0][:4].hex()} are no chunk: {error}."
        ) from error
    return [Stretch(times, tuple(column.numbers for column in of)) for times, of in opened]


def _opened(packed: bytes, wanted: Collection[int] | None) -> tuple[Times, list[columns.Column]]:
    version, clock, number, count, first, step = HEAD.unpack_from(packed)
    if version not in {VERSION, DEFLATED} or count * max(number, 1) > MOST:
        raise ValueError(f"version {version} with {number} columns of {count} numbers is not known here")
    deflated, at = version == DEFLATED, HEAD.size
    if not deflated:
        packed, (known,) = packed[: -SUM.size], SUM.unpack_from(packed, len(packed) - SUM.size)
        if zlib.crc32(packed) != known:
            raise ValueError("its bytes are not those that were written")
    if clock == _Clock.REGULAR:
        times = first + _apart(count, step)
    else:
        changes = planes.unzigzag(planes.read([packed[at : at + step]], 8, [count - 1], deflated=deflated))
        times = np.concatenate(([0], changes.cumsum().cumsum())) + first
        at += step
    found = []
    for place in range(number):
        if wanted is None or place in wanted:
            column, at = columns.opened(packed, at, count, deflated=deflated)
            found.append(column)
        else:
            at = columns.passed(packed, at)
    return times, found


@lru_cache(maxsize=8)
def _apart(count: int, step: int) -> Times:
    """Times at equal distances: chunks mostly have as many as the one before."""
    return np.arange(count, dtype=np.int64) * step


def joined(before: Stretch, after: Sequence[Stretch], start: int, end: int) -> Stretch:
    """`before` with all in [start, end) (milliseconds) replaced by the stretches `after`, which lie within."""
    keep_low, keep_high = np.searchsorted(before.times, (start, end))
    parts = [Stretch(before.times[:keep_low], tuple(c[:keep_low] for c in before.columns)), *after]
    parts.append(Stretch(before.times[keep_high:], tuple(c[keep_high:] for c in before.columns)))
    width = len(before.columns)
    return Stretch(
        np.concatenate([part.times for part in parts]),
        tuple(np.concatenate([part.columns[place] for part in parts]) for place in range(width)),
    )


def chained(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches of one line, in any order, as few as they can be: one where none overlaps another, else as they are.

    >>> one, other = (Stretch(np.array(times), (np.array(times) / 2,)) for times in ([7, 8], [1, 2]))
    >>> [(found.times.tolist(), found.columns[0].tolist()) for found in chained([one, other])]
    [([1, 2, 7, 8], [0.5, 1.0, 3.5, 4.0])]
    """
    ordered = sorted(stretches, key=lambda one: int(one.times[0]))
    if len(ordered) < 2 or any(one.times[-1] >= other.times[0] for one, other in pairwise(ordered)):
        return ordered
    columns = zip(*(one.columns for one in ordered), strict=True)
    return [Stretch(np.concatenate([one.times for one in ordered]), tuple(map(np.concatenate, columns)))]
