"""Samples of several nodes and objects as one series, the mean of those with a value at a moment; and the same moments of two windows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from apps.metrics.lines import Line

Pairs: TypeAlias = list[list[float]]


def moments(lines: Sequence[Line]) -> Pairs:
    """[Unix seconds, mean] of lines as the store answers them."""
    return _means(
        (at, value) for line in lines for at, value in zip(line.times, line.values, strict=True) if value is not None
    )


def raw_moments(raw: Sequence[dict[str, Any]]) -> Pairs:
    """The same of a baseline's frozen samples.

    >>> raw_moments([{"points": [[10.0, 1.0], [20.0, 3.0]]}, {"points": [[10.0, 2.0]]}])
    [[10.0, 1.5], [20.0, 3.0]]
    """
    return _means((at, value) for line in raw for at, value in line["points"])


def _means(points: Iterable[tuple[float, float]]) -> Pairs:
    found: dict[float, list[float]] = {}
    for at, value in points:
        found.setdefault(float(at), []).append(float(value))
    return [[at, sum(values) / len(values)] for at, values in sorted(found.items())]


def matched(
    before: Pairs, later: Pairs, start: datetime, later_start: datetime, step_seconds: float
) -> tuple[list[float], list[float]]:
    """Values of both windows at the same distance from their start, to a step; a moment that only one of them has is left out.

    >>> from datetime import UTC
    >>> a, b = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    >>> points = lambda day, *seconds: [[day.timestamp() + s, float(s)] for s in seconds]
    >>> matched(points(a, 0, 10, 20), points(b, 1, 21, 30), a, b, 10)
    ([0.0, 20.0], [1.0, 21.0])
    """

    def places(pairs: Pairs, origin: float) -> dict[int, float]:
        return {round((at - origin) / step_seconds): value for at, value in pairs}

    first, second = places(before, start.timestamp()), places(later, later_start.timestamp())
    common = sorted(first.keys() & second.keys())
    return [first[n] for n in common], [second[n] for n in common]
