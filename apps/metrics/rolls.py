"""Rolling up: from numbers in groups to their min, max, sum, count and last, and from those to fewer of the same.

Pure functions of arrays. NaN is "asked, and there was no number": it counts for nothing, and a group of nothing else is NaN.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from apps.metrics.levels import ROLLED

Numbers: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

GAP = 2.5  # times as far apart as usual
TELLING = 3  # distances between values

NEEDS = {"avg": ("sum", "count"), "max": ("max",), "min": ("min",), "last": ("last",), "count": ("count",)}
"""Which columns of a rolled up level each way of thinning out needs."""


def starts_of(groups: NDArray[np.int64]) -> Places:
    """Where each run of equal numbers begins.

    >>> starts_of(np.array([7, 7, 8, 9, 9])).tolist()
    [0, 2, 3]
    """
    if not len(groups):
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))


def rolled(values: Numbers, starts: Places) -> tuple[Numbers, ...]:
    """The ROLLED columns of each group of single samples; `starts`: where each group begins.

    >>> [column.tolist() for column in rolled(np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 3]))]
    [[1.0, 5.0], [3.0, 5.0], [4.0, 5.0], [2.0, 1.0], [3.0, 5.0]]
    """
    columns = {"sum": values, "count": (~np.isnan(values)).astype(np.float64)}
    return tuple(_ROLL[name](columns.get(name, values), starts) for name in ROLLED)


def steps_of(times: NDArray[np.int64], origin: float, step: float) -> tuple[NDArray[np.int64], Places]:
    """The numbers of the steps in which rising times lie, and where each of these begins: by its edges, which are far fewer than times.

    >>> [found.tolist() for found in steps_of(np.array([5, 12, 19, 41]), 0, 10)]
    [[0, 1, 4], [0, 1, 3]]
    """
    if not len(times):
        return np.zeros(0, np.int64), np.zeros(0, np.intp)
    first, last = (int((time - origin) // step) for time in (int(times[0]), int(times[-1])))
    numbers = np.arange(first, last + 1)
    starts = np.searchsorted(times, np.ceil(origin + numbers * step).astype(np.int64))
    there = np.diff(starts, append=len(times)) > 0
    return numbers[there], starts[there]


def interruption(apart: NDArray[Any]) -> float:
    """How far apart, in steps, two values of a line must be for a gap: two and a half times as far as they are as a rule.

    What is asked every minute is a minute apart on a grid of ten seconds too. Of few values one cannot tell, so that each step counts.

    >>> interruption(np.array([1, 1, 40, 1])), interruption(np.array([6, 6, 6, 7])), interruption(np.array([6, 6]))
    (2.5, 15.0, 2.5)
    """
    usual = float(np.median(apart)) if len(apart) >= TELLING else 1.0
    return GAP * max(usual, 1.0)


def merged(reduce: str, columns: tuple[Numbers, ...], starts: Places) -> tuple[Numbers, ...]:
    """The columns that NEEDS names for this way, of each group: what can be merged again with others of the same group."""
    return tuple(_ROLL[name](column, starts) for name, column in zip(NEEDS[reduce], columns, strict=True))


def thinned(reduce: str, columns: tuple[Numbers, ...], starts: Places) -> Numbers:
    """One value for each group, from the columns that NEEDS names for this way.

    The average is of all samples, whatever they were rolled up to before.

    >>> thinned("avg", (np.array([10.0, 2.0]), np.array([10.0, 1.0])), np.array([0])).round(3).tolist()
    [1.091]
    """
    found = merged(reduce, columns, starts)
    if reduce != "avg":
        return found[0]
    total, count = found
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def singled(reduce: str, columns: tuple[Numbers, ...], starts: Places) -> tuple[Numbers, ...]:
    """The same of single samples, of which there is one column.

    >>> [found.tolist() for found in singled("avg", (np.array([1.0, 3.0, np.nan, 5.0]),), np.array([0, 1]))]
    [[1.0, 8.0], [1.0, 2.0]]
    """
    (values,) = columns
    if reduce == "count":
        return (np.add.reduceat(~np.isnan(values), starts, dtype=np.float64),)
    if reduce != "avg":
        return merged(reduce, columns, starts)
    missing = np.isnan(values)
    if not missing.any():
        return np.add.reduceat(values, starts), np.diff(starts, append=len(values)).astype(np.float64)
    count = np.add.reduceat(~missing, starts, dtype=np.float64)
    return np.where(count, np.add.reduceat(np.where(missing, 0.0, values), starts), np.nan), count


def _sum(values: Numbers, starts: Places) -> Numbers:
    missing = np.isnan(values)
    total = np.add.reduceat(np.where(missing, 0.0, values), starts)
    return np.where(np.logical_and.reduceat(missing, starts), np.nan, total)


def _last(values: Numbers, starts: Places) -> Numbers:
    place = np.maximum.reduceat(np.where(np.isnan(values), -1, np.arange(len(values))), starts)
    return np.where(place < starts, np.nan, values[place])


_ROLL: dict[str, Callable[[Numbers, Places], Numbers]] = {
    "min": np.fmin.reduceat,
    "max": np.fmax.reduceat,
    "sum": _sum,
    "count": lambda values, starts: np.add.reduceat(np.where(np.isnan(values), 0.0, values), starts),
    "last": _last,
}
