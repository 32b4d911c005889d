"""A stretch of one series packed into few bytes: times and columns of numbers, exact to the last bit.

Layout, little-endian: a head (version, how times are written, number of columns, count, first time, step), then the times where they
are irregular, then the columns. Each column has a head of its own (how it is written, its power of ten, the width of its
integers, the length of what follows), so that a reader unpacks only those it needs.

Numbers that are decimals with few places, as most measured ones are, become integers; of those, or of the floats' bits, what
changes from one to the next is kept, sorted by significance and squeezed (`planes`). "No number" (NaN) is a bit in a mask; its place
repeats the number before. Version 1 differs only in that it is deflated.
"""

import struct
import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from apps.metrics import planes

VERSION = 2
DEFLATED = 1  # the version before
MASK_LEVEL = 6  # of deflating
PLACES = (0, 1, 2, 3, 4, 6, 9)  # powers of ten that are tried
MOST = 1_000_000  # numbers in a column
EXACT = float(2**53)
HEAD = struct.Struct("<BBBIqI")
FIRST = struct.calcsize("<BBBI")  # where the first time is in it
COLUMN = struct.Struct("<BBBI")

Times: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]
NOTHING: Numbers = np.zeros(0)


class UnknownChunk(ValueError):
    """The bytes are no chunk of a version that is known here, or are damaged."""


class _Clock(IntEnum):
    REGULAR = 0
    IRREGULAR = 1


class _Form(IntEnum):
    """How a column is written. The second nibble: a mask of missing numbers precedes it; some of its planes stand as they are."""

    CONSTANT = 0
    DECIMALS = 1
    DECIMAL_STEPS = 2
    BITS = 3
    MASKED = 16
    SPLIT = 32


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
    return head + clock + b"".join(map(_packed, stretch.columns))


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
        alike: dict[_Way, list[_Part]] = defaultdict(list)
        for _times, parts in opened:
            for part in parts:
                alike[part.way].append(part)
        for way, same in alike.items():
            for part, numbers in zip(same, _read(way, [part.body for part in same]), strict=True):
                if part.missing is not None:
                    np.putmask(numbers, part.missing, np.nan)
                part.numbers = numbers
    except (struct.error, ValueError, IndexError, *planes.DAMAGED) as error:
        if len(packed) > 1:
            return [unpack(one, wanted) for one in packed]  # to tell which it is
        raise UnknownChunk(
            f"{len(packed[0])} bytes that begin with {packed[0][:4].hex()} are no chunk: {error}."
        ) from error
    return [Stretch(times, tuple(part.numbers for part in parts)) for times, parts in opened]


class _Way(NamedTuple):
    """All that columns must share to be read together. `bare`: which of its planes stand as they are."""

    form: int
    power: int
    width: int
    bare: int
    length: int
    deflated: bool


@dataclass(slots=True, eq=False)
class _Part:
    """A column of one chunk, and what its numbers become."""

    way: _Way
    missing: NDArray[np.bool_] | None
    body: bytes
    numbers: Numbers


def _opened(packed: bytes, wanted: Collection[int] | None) -> tuple[Times, list[_Part]]:
    version, clock, columns, count, first, step = HEAD.unpack_from(packed)
    if version not in {VERSION, DEFLATED} or count > MOST:
        raise ValueError(f"version {version} with {count} times is not known here")
    deflated, at = version == DEFLATED, HEAD.size
    if clock == _Clock.REGULAR:
        times = first + _apart(count, step)
    else:
        changes = planes.unzigzag(planes.read([packed[at : at + step]], 8, count - 1, deflated=deflated)[0])
        times = np.concatenate(([0], changes.cumsum().cumsum())) + first
        at += step
    parts = []
    for place in range(columns):
        form, power, width, length = COLUMN.unpack_from(packed, at)
        at += COLUMN.size
        if wanted is None or place in wanted:
            parts.append(_part(packed[at : at + length], form, _Way(form & 15, power, width, 0, count, deflated)))
        at += length
    if at > len(packed):
        raise ValueError("it ends too early")
    return times, parts


@lru_cache(maxsize=8)
def _apart(count: int, step: int) -> Times:
    """Times at equal distances: chunks mostly have as many as the one before."""
    return np.arange(count, dtype=np.int64) * step


def _part(body: bytes, form: int, way: _Way) -> _Part:
    missing = None
    if form & _Form.MASKED:
        (length,) = struct.unpack_from("<I", body)
        bits = np.frombuffer(zlib.decompress(body[4 : 4 + length]), np.uint8)
        missing = np.unpackbits(bits, count=way.length).view(np.bool_)
        body = body[4 + length :]
    if form & _Form.SPLIT:
        way, body = way._replace(bare=body[0]), body[1:]
    return _Part(way, missing, body, NOTHING)


def _read(way: _Way, bodies: Sequence[bytes]) -> NDArray[np.float64]:
    """The numbers of columns that are written alike, a row each."""
    if way.form == _Form.CONSTANT:
        firsts = np.frombuffer(b"".join(bodies), "<f8").reshape(len(bodies), min(way.length, 1))
        return np.repeat(firsts, way.length, axis=1)
    written = planes.read(bodies, way.width, way.length, way.bare, deflated=way.deflated)
    match way.form:
        case _Form.BITS if way.width == 8:
            return np.bitwise_xor.accumulate(written, axis=1).view(np.float64)
        case _Form.DECIMALS | _Form.DECIMAL_STEPS:
            whole = planes.unzigzag(written)
            if way.form == _Form.DECIMAL_STEPS:
                whole = whole.cumsum(axis=1, dtype=np.int64)
            return np.divide(whole, 10.0**way.power, dtype=np.float64)
    raise ValueError(f"a column of form {way.form} and width {way.width} is not known here")


def _packed(column: Numbers) -> bytes:
    missing = np.isnan(column)
    mask = b""
    if missing.any():
        mask = zlib.compress(np.packbits(missing).tobytes(), MASK_LEVEL)
        mask = struct.pack("<I", len(mask)) + mask
        column = _filled(column, missing)
    form, power, width, body = _written(column)
    if mask:
        form |= _Form.MASKED
    return COLUMN.pack(form, power, width, len(mask) + len(body)) + mask + body


def _filled(column: Numbers, missing: NDArray[np.bool_]) -> Numbers:
    """Missing numbers replaced by the one before, at the beginning by the first."""
    there = np.flatnonzero(~missing)
    if not len(there):
        return np.zeros_like(column)
    before = np.maximum.accumulate(np.where(missing, there[0], np.arange(len(column))))
    return column[before]


def _written(column: Numbers) -> tuple[int, int, int, bytes]:
    """Form, power of ten, width and bytes of a column without gaps: the shortest of the ways to write it."""
    bits = column.view(np.int64)
    if not len(column) or (bits == bits[0]).all():
        return _Form.CONSTANT, 0, 8, column[:1].tobytes()
    decimal = _decimals(column)
    if decimal is None:
        changed = bits.copy()
        changed[1:] ^= bits[:-1]
        return _Form.BITS | _Form.SPLIT, 0, 8, planes.split(changed.view(np.uint64), 8)
    power, whole = decimal
    ways = ((_Form.DECIMALS, whole), (_Form.DECIMAL_STEPS, np.diff(whole, prepend=np.int64(0))))
    made = [(form, power, *_narrow(planes.zigzag(numbers))) for form, numbers in ways]
    return min(made, key=lambda one: len(one[3]))


def _decimals(column: Numbers) -> tuple[int, NDArray[np.int64]] | None:
    """The column as integers by a power of ten, where that gives back every number to the last bit; else None."""
    if not np.isfinite(column).all():
        return None
    for power in PLACES:
        if _whole(column[:8], power) is not None and (whole := _whole(column, power)) is not None:
            return power, whole  # the first few tell quickly of most that it cannot be
    return None


def _whole(column: Numbers, power: int) -> NDArray[np.int64] | None:
    factor = 10.0**power
    with np.errstate(over="ignore"):
        scaled = np.rint(column * factor)
    if not (np.abs(scaled) < EXACT).all():
        return None
    whole = scaled.astype(np.int64)
    return whole if ((whole / factor).view(np.int64) == column.view(np.int64)).all() else None


def _narrow(numbers: NDArray[np.uint64]) -> tuple[int, bytes]:
    most = int(numbers.max())
    width = 1 if most < 2**8 else 2 if most < 2**16 else 4 if most < 2**32 else 8
    return width, planes.squeezed(numbers, width)


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
