"""What real polls of the tier under load measured, and longer series that look like it.

A longer series is put together of stretches of the recording, six to ninety samples each, taken at random: values of a gauge, steps of
one that only rises or falls. Numbers that hardly ever repeat get half a per cent of noise, to as many places as they had, so that no
store can win by finding a stretch again. The same seed gives the same series.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from apps.lab import load
from apps.lab.layout import Layout
from apps.metrics.models import Tier
from apps.metrics.poll import forget, poll, slot_of

PACE = 0.3  # seconds between two polls of the recording
PLACES = 6


@dataclass(frozen=True, slots=True)
class Recorded:
    """One series of the recording: whose, and its values in turn; NaN: none."""

    node: str
    metric: str
    object: str
    values: NDArray[np.float64]

    @property
    def lively(self) -> bool:
        """Whether its numbers hardly ever repeat."""
        return self.distinct > int(np.isfinite(self.values).sum()) / 2

    @property
    def distinct(self) -> int:
        """How many different numbers it has."""
        return len(np.unique(self.values[np.isfinite(self.values)]))

    def longer(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """`count` samples that look like it."""
        values = self.values
        steps = np.diff(values)
        known = steps[np.isfinite(steps)]
        moving = len(known) and (known != 0).mean() > 0.3
        monotone = bool(moving and ((known >= 0).all() or (known <= 0).all()))
        source = steps if monotone else values
        length = max(count // 6 + 1, 1)
        sizes = rng.integers(6, 90, length)
        sizes = sizes[: int(np.searchsorted(sizes.cumsum(), count)) + 1]
        starts = rng.integers(0, max(len(source) - 90, 1), len(sizes))
        found: NDArray[np.float64] = np.concatenate([source[a : a + n] for a, n in zip(starts, sizes, strict=True)])
        found = found[:count] if len(found) >= count else np.tile(found, count // len(found) + 1)[:count]
        if monotone:
            rising: NDArray[np.float64] = np.round(np.nan_to_num(found).cumsum() + np.nan_to_num(values[0]), PLACES)
            return rising
        distinct = values[np.isfinite(values)]
        if self.lively:
            found = found * (1 + 0.005 * rng.standard_normal(count))
            if (np.round(distinct, PLACES) == distinct).all():
                found = np.round(found, next(p for p in range(PLACES + 1) if (np.round(distinct, p) == distinct).all()))
        return found


def mixed(recorded: list[Recorded], many: int) -> list[Recorded]:
    """So many of them, of those that never change and of those that always do as large a share as there is among all."""
    ordered = sorted(recorded, key=lambda one: one.distinct)
    return [ordered[int((n + 0.5) * len(ordered) / many)] for n in range(min(many, len(ordered)))]


def record(layout: Layout, tier: Tier, polls: int) -> list[Recorded]:
    """Poll the tier under load so many times and give back what was measured, series by series."""
    begin = slot_of(datetime.now(UTC)) + timedelta(days=2)
    load.start(layout)
    found: dict[tuple[str, str, str], list[float]] = {}
    for number in range(polls):
        measured = poll(tier, begin + number * timedelta(seconds=settings.POLL_SECONDS))
        for owner, samples in measured.samples.items() if measured else ():
            for sample in samples:
                line = found.setdefault((owner, sample.metric, sample.object), [np.nan] * polls)
                line[number] = np.nan if sample.value is None else float(sample.value)
        time.sleep(PACE)
    load.stop(layout)
    forget(tier)
    return [Recorded(*key, np.array(values)) for key, values in sorted(found.items()) if np.isfinite(values).sum() > 10]
