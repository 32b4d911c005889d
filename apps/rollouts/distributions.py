"""Two samples drawn on one axis: where their middle half lies, and nine tenths of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH = 240.0  # of the drawing, in its own units
PAD = 4.0
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Box:
    """One side: the values below which 5, 25, 50, 75 and 95 % lie, and their places on the axis."""

    values: tuple[float, ...]
    places: tuple[float, ...]

    @property
    def half(self) -> float:
        """Width of the middle half; never too thin to be seen."""
        return max(self.places[3] - self.places[1], 1.0)


def boxes(before: Sequence[float], later: Sequence[float]) -> tuple[Box, Box] | None:
    """Both sides on their common axis; None when one of them is empty.

    >>> found = boxes([0.0, 10.0], [10.0, 20.0])
    >>> [round(box.values[2], 6) for box in found], found[0].places[0] < found[1].places[0]
    ([5.0, 15.0], True)
    """
    if not len(before) or not len(later):
        return None
    first, second = (tuple(float(q) for q in np.quantile(side, SHARES)) for side in (before, later))
    low, high = min(first[0], second[0]), max(first[-1], second[-1])
    scale = (WIDTH - 2 * PAD) / (high - low) if high > low else 0.0

    def box(values: tuple[float, ...]) -> Box:
        return Box(values, tuple(round(PAD + (v - low) * scale, 1) for v in values))

    return box(first), box(second)
