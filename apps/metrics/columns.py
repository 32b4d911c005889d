"""Columns of numbers in a chunk, exact to the last bit; those of many chunks that are written alike are read together.

Each has a head (how it is written, its power of ten, the width of its integers, the length of what follows), then, where there are
any, the bits that tell which numbers are missing, the bits that tell which are other than the one before, and the numbers as `planes`.

Numbers that are decimals with few places, as most measured ones are, become integers; of those, or of the floats' bits, what changes
from one to the next is kept. Where many floats repeat the one before, those are not written again: what is left is mostly noise, which
stands as it is. "No number" (NaN) is a bit; its place repeats the number before.
"""

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from apps.metrics import planes

MASK_LEVEL = 6  # of deflating
PLACES = (0, 1, 2, 3, 4, 6, 9)  # powers of ten that are tried
EXACT = float(2**53)
WORTH = 0.9  # what must be left of a column that is written sparse, for reading it takes longer
HEAD = struct.Struct("<BBBI")
LENGTH = struct.Struct("<I")

Numbers: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]


class Form(IntEnum):
    """How a column is written, and in the second nibble what else is so."""

    CONSTANT = 0
    DECIMALS = 1
    DECIMAL_STEPS = 2
    BITS = 3
    MASKED = 16
    """Bits tell which numbers are missing; there the one before is repeated."""
    SPLIT = 32
    """Some planes stand as they are."""
    SPARSE = 64
    """Bits tell which numbers are other than the one before; only those are written."""


class Way(NamedTuple):
    """All that columns must share to be read together. `bare`: which of the planes stand as they are."""

    form: int
    power: int
    width: int
    bare: int
    deflated: bool
    sparse: bool


@dataclass(slots=True, eq=False)
class Column:
    """A column of one chunk. `count`: of its numbers, of which `changes` (all, where it is None) are written in `body`."""

    way: Way
    count: int
    missing: Mask | None
    changes: Mask | None
    body: bytes
    numbers: Numbers = field(init=False)

    @property
    def written(self) -> int:
        """How many numbers are written."""
        return self.count if self.changes is None else int(np.count_nonzero(self.changes))


def pack(column: Numbers) -> bytes:
    """The column as bytes, its head first."""
    missing = np.isnan(column)
    mask = b""
    if missing.any():
        mask, column = _mask(missing), _filled(column, missing)
    form, power, width, body = _shortest(column)
    return HEAD.pack(form | (Form.MASKED if mask else 0), power, width, len(mask) + len(body)) + mask + body


def _mask(bits: Mask) -> bytes:
    packed = zlib.compress(np.packbits(bits).tobytes(), MASK_LEVEL)
    return LENGTH.pack(len(packed)) + packed


def _filled(column: Numbers, missing: Mask) -> Numbers:
    """Missing numbers replaced by the one before, at the beginning by the first."""
    there = np.flatnonzero(~missing)
    if not len(there):
        return np.zeros_like(column)
    before = np.maximum.accumulate(np.where(missing, there[0], np.arange(len(column))))
    return column[before]


def _shortest(column: Numbers) -> tuple[int, int, int, bytes]:
    """Form, power of ten, width and bytes of a column without gaps: the shortest of the ways to write it."""
    bits = column.view(np.int64)
    if not len(column) or (bits == bits[0]).all():
        return Form.CONSTANT, 0, 8, column[:1].tobytes()
    decimal = _decimals(column)
    if decimal is None:
        return _bits(bits.view(np.uint64))
    power, whole = decimal
    ways = ((Form.DECIMALS, whole), (Form.DECIMAL_STEPS, np.diff(whole, prepend=np.int64(0))))
    made = [(form, power, *_narrow(planes.zigzag(numbers))) for form, numbers in ways]
    return min(made, key=lambda one: len(one[3]))


def _bits(bits: NDArray[np.uint64]) -> tuple[int, int, int, bytes]:
    changed = bits.copy()
    changed[1:] ^= bits[:-1]
    changes = changed != 0
    changes[0] = True
    whole = planes.split(changed, 8)
    if not changes.all():
        sparse = _mask(changes) + planes.split(changed[changes], 8)
        if len(sparse) < WORTH * len(whole):
            return Form.BITS | Form.SPLIT | Form.SPARSE, 0, 8, sparse
    return Form.BITS | Form.SPLIT, 0, 8, whole


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


def opened(packed: bytes, at: int, count: int, *, deflated: bool) -> tuple[Column, int]:
    """The column of so many numbers whose head is there, not yet read, and where the next one is. Raises as `read` does."""
    form, power, width, length = HEAD.unpack_from(packed, at)
    at += HEAD.size
    end = at + length
    if end > len(packed):
        raise ValueError("it ends too early")
    missing = changes = None
    bare = 0
    if form & Form.MASKED:
        missing, at = _bits_at(packed, at, count)
    if form & Form.SPARSE:
        changes, at = _bits_at(packed, at, count)
        if not changes[0]:
            raise ValueError("the first number is missing")
    if form & Form.SPLIT:
        bare, at = packed[at], at + 1
    way = Way(form & 15, power, width, bare, deflated, sparse=changes is not None)
    return Column(way, count, missing, changes, packed[at:end]), end


def passed(packed: bytes, at: int) -> int:
    """Where the column after the one is whose head is there."""
    length: int = HEAD.unpack_from(packed, at)[-1]
    return at + HEAD.size + length


def _bits_at(packed: bytes, at: int, count: int) -> tuple[Mask, int]:
    (length,) = LENGTH.unpack_from(packed, at)
    at += LENGTH.size
    bits = np.frombuffer(planes.inflated(packed[at : at + length], (count + 7) // 8), np.uint8)
    return np.unpackbits(bits, count=count).view(np.bool_), at + length


def read(columns: Iterable[Column]) -> None:
    """Give all of them their numbers. Raises struct.error, ValueError, IndexError or what is in `planes.DAMAGED`."""
    alike: dict[Way, list[Column]] = defaultdict(list)
    for column in columns:
        alike[column.way].append(column)
    for way, same in alike.items():
        numbers = _numbers(way, same)
        if way.sparse:
            changes = np.concatenate([column.changes for column in same if column.changes is not None])
            numbers = np.repeat(numbers, np.diff(np.flatnonzero(changes), append=len(changes)))
        for column, (begin, end) in zip(same, _spans([column.count for column in same]), strict=True):
            column.numbers = numbers[begin:end]
            if column.missing is not None:
                np.putmask(column.numbers, column.missing, np.nan)


def _spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """From where to where each is, if they follow one another."""
    return list(pairwise(accumulate(lengths, initial=0)))


def _numbers(way: Way, same: Sequence[Column]) -> Numbers:
    """The numbers that are written in these columns, one after another."""
    bodies, counts = [column.body for column in same], [column.written for column in same]
    if way.form == Form.CONSTANT:
        return np.repeat(np.frombuffer(b"".join(bodies), "<f8"), np.array([n for n in counts if n], np.intp))
    written = planes.read(bodies, way.width, counts, way.bare, deflated=way.deflated)
    match way.form:
        case Form.BITS if way.width == 8:
            return _each_from_its_first(np.bitwise_xor.accumulate(written), np.bitwise_xor, counts).view(np.float64)
        case Form.DECIMALS:
            return np.divide(planes.unzigzag(written), 10.0**way.power, dtype=np.float64)
        case Form.DECIMAL_STEPS:
            sums = planes.unzigzag(written).cumsum(dtype=np.int64)
            return np.divide(_each_from_its_first(sums, np.subtract, counts), 10.0**way.power, dtype=np.float64)
    raise ValueError(f"a column of form {way.form} and width {way.width} is not known here")


def _each_from_its_first(run_on: NDArray[np.int64], without: np.ufunc, counts: Sequence[int]) -> NDArray[np.int64]:
    """What was accumulated over all columns, as if each had been by itself."""
    for begin, end in reversed(_spans(counts)):
        if begin:
            without(run_on[begin:end], run_on[begin - 1], out=run_on[begin:end])
    return run_on
