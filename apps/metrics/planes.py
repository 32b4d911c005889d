"""Whole numbers as planes: the low bytes of all of them, then all next ones, and so on, squeezed together by Zstandard.

Frames of Zstandard may follow one another, so that one call reads the planes of many chunks: called for each, it would be busy with
setting up for half of the time. Planes that are mere noise stand as they are, for squeezing saves nothing. Before Zstandard
planes were deflated; those are still read.
"""

import zlib
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import cramjam
import numpy as np
from numpy.typing import NDArray

LEVEL = 9  # of Zstandard: the first that makes single samples as small as deflating did
WIDTHS = (1, 2, 4, 8)
INCOMPRESSIBLE = 0.97  # what is left of a plane that stands as it is
DAMAGED = (zlib.error, cramjam.DecompressionError)
"""What reading raises, besides ValueError, for bytes that are no planes."""

Bytes: TypeAlias = NDArray[np.uint8]
Unsigned: TypeAlias = NDArray[np.unsignedinteger[Any]]
Signed: TypeAlias = NDArray[np.signedinteger[Any]]


def zigzag(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Small numbers of either sign as small ones without.

    >>> zigzag(np.array([0, -1, 1, -2])).tolist()
    [0, 1, 2, 3]
    """
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def unzigzag(numbers: Unsigned) -> Signed:
    """The numbers again, as wide as they are given.

    >>> unzigzag(np.array([0, 1, 2, 3], np.uint8)).tolist()
    [0, -1, 1, -2]
    """
    signed = np.dtype(f"i{numbers.itemsize}")
    found: Signed = (numbers >> 1).view(signed) ^ -(numbers & 1).view(signed)
    return found


def squeezed(numbers: NDArray[np.uint64], width: int) -> bytes:
    """The planes of the lowest `width` bytes of each number."""
    return _frame(_planes(numbers, width))


def split(numbers: NDArray[np.uint64], width: int) -> bytes:
    """The same, but planes of noise stand as they are: a byte whose bits tell which, then they, then the others squeezed."""
    planes = _planes(numbers, width)
    bare = np.array([_incompressible(plane) for plane in planes])
    which = np.packbits(bare, bitorder="little")
    return b"".join([which.tobytes(), planes[bare].tobytes(), _frame(planes[~bare])])


def read(
    bodies: Sequence[bytes], width: int, counts: Sequence[int], bare: int = 0, *, deflated: bool = False
) -> Unsigned:
    """The numbers of all bodies, one after another; so many of each. `bare`: the bits that tell which planes stand as they are.

    Raises ValueError or what is in DAMAGED.
    """
    if width not in WIDTHS or bare >> width:
        raise ValueError(f"planes {bare:b} of {width} bytes are not known here")
    standing = bare.bit_count()
    ends = [standing * count for count in counts]
    rests = [body[end:] for body, end in zip(bodies, ends, strict=True)]
    plain = b"".join([body[:end] for body, end in zip(bodies, ends, strict=True)])
    others = (_inflated if deflated else _unframed)(rests, (width - standing) * sum(counts))
    as_they_are = iter(_side_by_side(np.frombuffer(plain, np.uint8), standing, counts))
    squeezed_ones = iter(_side_by_side(others, width - standing, counts))
    numbers = np.empty((sum(counts), width), np.uint8)
    for place in range(width):
        numbers[:, place] = next(as_they_are if bare >> place & 1 else squeezed_ones)
    return numbers.view(f"<u{width}")[:, 0]


def inflated(body: bytes, most: int, wbits: int = zlib.MAX_WBITS) -> bytes:
    """What was deflated. Raises ValueError where it ends too early or becomes more than so many bytes, zlib.error as zlib does."""
    inflating = zlib.decompressobj(wbits)
    found = inflating.decompress(body, most + 1)  # 0 would be without limit
    if not inflating.eof or len(found) > most:
        raise ValueError(f"what was deflated ends too early, or has more than {most} bytes")
    return found


def _side_by_side(plain: Bytes, height: int, counts: Sequence[int]) -> Bytes:
    """Planes of several bodies, as high as each other, as if they were those of one."""
    ends = accumulate((height * count for count in counts), initial=0)
    return np.concatenate(
        [plain[a:b].reshape(height, count) for (a, b), count in zip(pairwise(ends), counts, strict=True)], axis=1
    )


def _planes(numbers: NDArray[np.uint64], width: int) -> Bytes:
    return np.ascontiguousarray(numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T)


def _incompressible(plane: Bytes) -> bool:
    """Noise: most bytes there are occur in it, and deflating does not help."""
    if len(plane) < 512 or np.count_nonzero(np.bincount(plane, minlength=256)) < 224:
        return False
    return len(zlib.compress(plane.tobytes(), 1, wbits=-15)) > INCOMPRESSIBLE * len(plane)


def _frame(planes: Bytes) -> bytes:
    return bytes(cramjam.zstd.compress(planes.tobytes(), level=LEVEL)) if planes.size else b""


def _unframed(bodies: Sequence[bytes], size: int) -> Bytes:
    plain = np.empty(size, np.uint8)
    if size and (found := cramjam.zstd.decompress_into(b"".join(bodies), plain.data)) != size:
        raise ValueError(f"there are {found} bytes of planes, {size} are wanted")
    return plain


def _inflated(bodies: Sequence[bytes], size: int) -> Bytes:
    return np.frombuffer(b"".join([inflated(body, size, -15) for body in bodies]), np.uint8)
