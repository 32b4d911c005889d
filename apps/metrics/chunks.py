"""A stretch of one series packed into few bytes: times and columns of numbers, exact to the last bit.

Layout, little-endian: a head (version, how times are written, number of columns, count, first time, step), then the times where they
are irregular, then the columns. Each column has a head of its own (how it is written, its power of ten, the width of its
integers, the length of what follows), so that a reader unpacks only those it needs.

Numbers that are decimals with few places, as most measured ones are, become integers; of those, or of the floats' bits, what
changes from one to the next is kept, sorted by significance (all low bytes, then all next ones, and so on) and deflated; of floats'
bits the bytes that are mere noise stand as they are, for inflating them takes time and saves nothing. "No number" (NaN) is a bit in a
mask; its place repeats the number before.
"""

import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

VERSION = 1
DEFLATE_LEVEL = 6
PLACES = (0, 1, 2, 3, 4, 6, 9)  # powers of ten that are tried
INCOMPRESSIBLE = 0.97  # what is left of a plane that stands as it is
MOST = 1_000_000  # numbers in a column
EXACT = float(2**53)
HEAD = struct.Struct("<BBBIqI")
COLUMN = struct.Struct("<BBBI")

Times: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]


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
    clock = b"" if regular else _deflated(_zigzag(np.diff(steps, prepend=np.int64(0))), 8)
    head = HEAD.pack(
        VERSION,
        _Clock.REGULAR if regular else _Clock.IRREGULAR,
        len(stretch.columns),
        count,
        first,
        step if regular else len(clock),
    )
    return head + clock + b"".join(map(_packed, stretch.columns))


def unpack(packed: bytes, wanted: Collection[int] | None = None) -> Stretch:
    """The stretch that was packed; of the columns only those whose places are `wanted` (all by default), in their order.

    Raises UnknownChunk.
    """
    try:
        return _unpacked(packed, wanted)
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        raise UnknownChunk(f"{len(packed)} bytes that begin with {packed[:4].hex()} are no chunk: {error}.") from error


def _unpacked(packed: bytes, wanted: Collection[int] | None) -> Stretch:
    version, clock, columns, count, first, step = HEAD.unpack_from(packed)
    if version != VERSION or count > MOST:
        raise ValueError(f"version {version} with {count} times is not known here")
    at = HEAD.size
    if clock == _Clock.REGULAR:
        times = first + np.arange(count, dtype=np.int64) * step
    else:
        changes = _unzigzag(_inflated(packed[at : at + step], 8, count - 1))
        times = np.concatenate(([0], changes.cumsum().cumsum())) + first
        at += step
    found = []
    for place in range(columns):
        form, power, width, length = COLUMN.unpack_from(packed, at)
        at += COLUMN.size
        if wanted is None or place in wanted:
            found.append(_column(packed[at : at + length], form, power, width, count))
        at += length
    return Stretch(times, tuple(found))


def _packed(column: Numbers) -> bytes:
    missing = np.isnan(column)
    mask = b""
    if missing.any():
        mask = zlib.compress(np.packbits(missing).tobytes(), DEFLATE_LEVEL)
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
        return _Form.BITS | _Form.SPLIT, 0, 8, _split(changed.view(np.uint64), 8)
    power, whole = decimal
    ways = ((_Form.DECIMALS, whole), (_Form.DECIMAL_STEPS, np.diff(whole, prepend=np.int64(0))))
    made = [(form, power, *_narrow(_zigzag(numbers))) for form, numbers in ways]
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
    return width, _deflated(numbers, width)


def _column(body: bytes, form: int, power: int, width: int, count: int) -> Numbers:
    missing = None
    if form & _Form.MASKED:
        (length,) = struct.unpack_from("<I", body)
        bits = np.frombuffer(zlib.decompress(body[4 : 4 + length]), np.uint8)
        missing = np.unpackbits(bits, count=count).view(np.bool_)
        body = body[4 + length :]
    read = _joined if form & _Form.SPLIT else _inflated
    match form & 15:
        case _Form.CONSTANT:
            column = np.repeat(np.frombuffer(body, "<f8"), count)
        case _Form.BITS:
            column = np.bitwise_xor.accumulate(read(body, 8, count)).view(np.float64)
        case _Form.DECIMALS | _Form.DECIMAL_STEPS as way:
            whole = _unzigzag(read(body, width, count))
            column = (whole.cumsum() if way == _Form.DECIMAL_STEPS else whole) / 10.0**power
        case other:
            raise ValueError(f"a column of form {other} is not known here")
    if missing is not None:
        column[missing] = np.nan
    return column


def _zigzag(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unzigzag(numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (numbers >> np.uint64(1)).view(np.int64) ^ -(numbers & np.uint64(1)).view(np.int64)


def _deflated(numbers: NDArray[np.uint64], width: int) -> bytes:
    """The lowest `width` bytes of each number, the bytes of one significance together."""
    planes = numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), DEFLATE_LEVEL, wbits=-15)


def _inflated(body: bytes, width: int, count: int) -> NDArray[np.uint64]:
    return _whole_of(np.frombuffer(zlib.decompress(body, wbits=-15), np.uint8).reshape(width, count))


def _split(numbers: NDArray[np.uint64], width: int) -> bytes:
    """The same, but planes of noise stand as they are: bits that tell which, then they, then the others deflated."""
    planes = np.ascontiguousarray(numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T)
    bare = np.array([_incompressible(plane) for plane in planes])
    rest = zlib.compress(planes[~bare].tobytes(), DEFLATE_LEVEL, wbits=-15)
    return b"".join([np.packbits(bare, bitorder="little").tobytes(), planes[bare].tobytes(), rest])


def _incompressible(plane: NDArray[np.uint8]) -> bool:
    """Noise: most bytes there are occur in it, and deflating does not help."""
    if len(plane) < 512 or np.count_nonzero(np.bincount(plane, minlength=256)) < 224:
        return False
    return len(zlib.compress(plane.tobytes(), 1, wbits=-15)) > INCOMPRESSIBLE * len(plane)


def _joined(body: bytes, width: int, count: int) -> NDArray[np.uint64]:
    bare = np.unpackbits(np.frombuffer(body, np.uint8, 1), count=width, bitorder="little").view(np.bool_)
    end = 1 + int(bare.sum()) * count
    planes = np.empty((width, count), np.uint8)
    planes[bare] = np.frombuffer(body, np.uint8, end - 1, 1).reshape(-1, count)
    planes[~bare] = np.frombuffer(zlib.decompress(body[end:], wbits=-15), np.uint8).reshape(-1, count)
    return _whole_of(planes)


def _whole_of(planes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    width, count = planes.shape
    whole = np.zeros((count, 8), np.uint8)
    whole[:, :width] = planes.T
    return whole.view("<u8").reshape(count).astype(np.uint64, copy=False)


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
