"""Durations as mergeable sketches (DDSketch), in windows of time, for many statements.

The library's mapping chooses a duration's bin and the library's sketch reads quantiles; between processes only the bins
travel, which add up in any order.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

ACCURACY = 0.01  # a quantile is at most 1 % off
_MAPPING = LogarithmicMapping(ACCURACY)
SHORTEST = 1e-7  # seconds: below it a clock says nothing


@dataclass(slots=True)
class Durations:
    """Many durations in seconds: how many, their sum, the longest, how many were slow, and how they are spread."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    slow: int = 0
    very_slow: int = 0
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: Iterable[float], slow: float, very_slow: float) -> None:
        """Take durations in; `slow` and `very_slow` are thresholds in seconds."""
        bins, key_of = self.bins, _MAPPING.key
        for one in seconds:
            key = key_of(max(SHORTEST, one))
            bins[key] = bins.get(key, 0) + 1
            self.count += 1
            self.total += one
            self.longest = max(self.longest, one)
            if one > slow:
                self.slow += 1
                self.very_slow += one > very_slow

    def merge(self, other: "Durations") -> None:
        """Add another's durations; the order of merging does not matter."""
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)
        self.slow += other.slow
        self.very_slow += other.very_slow
        for key, number in other.bins.items():
            self.bins[key] = self.bins.get(key, 0) + number

    def quantiles(self, *shares: float) -> list[float | None]:
        """The durations, in seconds, that these shares of all did not exceed (nearest rank); None of nothing."""
        store = DenseStore()
        for key, number in self.bins.items():
            store.add(key, number)
        sketch = BaseDDSketch(_MAPPING, store, DenseStore(), 0.0)
        found = [sketch.get_quantile_value(self._nearest(share)) for share in shares]
        # A bin's middle may lie above the longest that was seen.
        return [None if value is None else min(float(value), self.longest) for value in found]

    def _nearest(self, share: float) -> float:
        """The library takes the rank below, which of two values is never the longer; the nearest rank, in its terms."""
        rank = max(math.ceil(share * self.count) - 1, 0)
        return min((rank + 1e-9) / (self.count - 1), 1.0) if self.count > 1 else 0.0

    @property
    def average(self) -> float | None:
        """The mean in seconds; None of nothing."""
        return self.total / self.count if self.count else None

    @property
    def slow_share(self) -> float | None:
        """The share that was slow, 0 to 1; None of nothing."""
        return self.slow / self.count if self.count else None

    def packed(self) -> list[Any]:
        """As JSON; `unpacked` is the way back."""
        keys = list(self.bins)
        figures = [self.count, self.total, self.longest, self.slow, self.very_slow]
        return [*figures, keys, [self.bins[key] for key in keys]]

    @classmethod
    def unpacked(cls, said: list[Any]) -> "Durations":
        """Raises ValueError for what `packed` did not write."""
        count, total, longest, slow, very_slow, keys, numbers = said
        return cls(count, total, longest, slow, very_slow, dict(zip(keys, numbers, strict=True)))


@dataclass(slots=True)
class Window:
    """What one process saw from `start` (seconds since 1970) for `length` seconds, by fingerprint, at most `MOST` of them."""

    start: int
    length: int
    by_fingerprint: dict[str, Durations] = field(default_factory=dict)

    def durations(self, fingerprint: str) -> Durations:
        """Where a statement's durations go: its own, or those of OTHERS when there are too many."""
        found = self.by_fingerprint.get(fingerprint)
        if found is None:
            name = fingerprint if len(self.by_fingerprint) < MOST else OTHERS
            found = self.by_fingerprint.setdefault(name, Durations())
        return found


MOST = 500
OTHERS = "others"


def merged(windows: Iterable[Mapping[str, Durations]]) -> dict[str, Durations]:
    """Many windows of many processes as one."""
    whole: dict[str, Durations] = {}
    for window in windows:
        for fingerprint, durations in window.items():
            whole.setdefault(fingerprint, Durations()).merge(durations)
    return whole
