"""RFC 6962's Merkle tree over the ledger's entries, from hashes of whole subtrees that somebody else keeps; no Django.

Entry n is leaf n - 1. A tree of any size up to the ledger's own is there at any time: its root, the path from an entry to it
(inclusion) and the path from an older tree to a newer one (consistency). `offline/verify.py` checks what is made here.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from apps.ledger.offline.verify import node_hash

EMPTY = hashlib.sha256(b"").digest()  # the root of a tree without leaves
# (level, index) → hash of the subtree over the leaves from index · 2^level on, 2^level of them, all of which exist.
Subtree = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an inclusion path: the sibling's hash, the entries it stands for (first and last), and its side."""

    hash: bytes
    first: int
    last: int
    left: bool


@dataclass(slots=True)
class Frontier:
    """The tree as it grows, in one hash a level: leaves are added in order and forgotten.

    `roots`: the sizes at which the root is to be remembered, filled in as they are reached.
    """

    size: int = 0
    peaks: list[tuple[int, bytes]] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)

    def add(self, leaf: bytes, level: int = 0) -> None:
        """One more leaf hash, or the root of a subtree of this level where a whole one begins. Raises ValueError elsewhere."""
        if self.size % (width := 1 << level):
            raise ValueError(f"no subtree of {width} leaves begins after {self.size} leaves")
        reached = leaf
        self.size += width
        while self.peaks and self.peaks[-1][0] == level:
            reached = node_hash(self.peaks.pop()[1], reached)
            level += 1
        self.peaks.append((level, reached))
        if self.size in self.roots:
            self.roots[self.size] = self.root

    @property
    def root(self) -> bytes:
        """Of all leaves added so far."""
        if not self.peaks:
            return EMPTY
        *others, (_level, reached) = self.peaks
        for _level, peak in reversed(others):
            reached = node_hash(peak, reached)
        return reached


def fold(hashes: Iterable[bytes]) -> bytes:
    """
    The root over leaf hashes (or over the roots of neighbouring subtrees of one height, a power of two of them).

    >>> fold([]).hex()[:8]
    'e3b0c442'
    """
    level = list(hashes)
    if not level:
        return EMPTY
    while len(level) > 1:
        # An odd one out goes up as it is: RFC 6962 splits at the largest power of two.
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs] + level[len(level) & ~1 :]
    return level[0]


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree of the first `size` entries."""

    size: int
    subtree: Subtree

    @property
    def root(self) -> bytes:
        """32 bytes."""
        return self._over(0, self.size) if self.size else EMPTY

    def inclusion(self, entry: int) -> list[Step]:
        """The path of entry 1 … size, from its sibling up to the root. Raises IndexError for another number."""
        if not 1 <= entry <= self.size:
            raise IndexError(f"entry {entry} is not among the {self.size} of this tree")
        start, end, steps = 0, self.size, []
        while end - start > 1:
            middle = start + _largest_power_below(end - start)
            if entry <= middle:
                steps.append(Step(self._over(middle, end), middle + 1, end, left=False))
                end = middle
            else:
                steps.append(Step(self._over(start, middle), start + 1, middle, left=True))
                start = middle
        return steps[::-1]

    def consistency(self, old: int) -> list[bytes]:
        """What shows that the tree of the first `old` entries is the beginning of this one. Raises IndexError beyond its size."""
        if not 0 <= old <= self.size:
            raise IndexError(f"a tree of {old} entries is no beginning of one of {self.size}")
        if old in {0, self.size}:
            return []
        start, end, whole, steps = 0, self.size, True, []
        while old - start != end - start:
            middle = start + _largest_power_below(end - start)
            if old <= middle:
                steps.append(self._over(middle, end))
                end = middle
            else:
                steps.append(self._over(start, middle))
                start, whole = middle, False
        return ([] if whole else [self._over(start, end)]) + steps[::-1]

    def _over(self, start: int, end: int) -> bytes:
        """The root over the leaves [start, end), which RFC 6962's splitting always begins at a multiple of its power of two."""
        width = end - start
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self.subtree(level, start >> level)
        middle = start + _largest_power_below(width)
        return node_hash(self._over(start, middle), self._over(middle, end))


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1
