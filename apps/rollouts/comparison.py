"""Whether a metric changed, by how much at least and at most: pure functions of two samples, with numpy's sorting and scipy's tests.

The shift is Hodges–Lehmann's. Its interval is Student's over a few long blocks of neighbours, each left out in turn (Künsch's block
jackknife): few blocks are wide enough for what the samples remember, and Student's t for so few says how little they know. What still
crosses the edges of a block widens it; where not even LEAST_BLOCKS fit, nothing is said. Windows matched by the clock are compared in
pairs, which takes away what the hour of the day does to both. How often it errs on simulated series is measured in decision 22.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

ALPHA = 0.05
BINS = 120  # longer series are averaged to this many values: neighbours say little that is new
BLOCKS, LEAST_BLOCKS = 8, 5
BLOCK_FACTOR = 3  # a block is longer than what its edges share by at least this factor

Values = NDArray[np.float64]


def least_samples(alpha: float = ALPHA) -> int:
    """The fewest values a side with which a two-sided Mann–Whitney test can ever say p < alpha.

    >>> least_samples(0.05), least_samples(0.01), least_samples(0.001)
    (4, 5, 7)
    """
    return next(n for n in count(1) if 2 / special.comb(2 * n, n) < alpha)


LEAST = max(least_samples(), LEAST_BLOCKS)


@dataclass(frozen=True, slots=True)
class TooFew:
    """Nothing can be said: `have` values a side (each worth what it adds), of `need`."""

    have: int
    need: int


@dataclass(frozen=True, slots=True)
class Shift:
    """What moved between two samples, in their unit.

    `low`, `high`: the 95 % interval of `shift`; `level`: the median before; `p`: Mann–Whitney's (Wilcoxon's of pairs) over blocks;
    `effect`: Cliff's delta, from -1 (all of after is below) to 1; `block`: values that count as one.
    """

    before: int
    after: int
    level: float
    level_after: float
    shift: float
    low: float
    high: float
    p: float
    effect: float
    block: int
    paired: bool

    @property
    def changed(self) -> bool:
        """Whether the interval leaves out no change at all."""
        return self.low > 0 or self.high < 0

    @property
    def margin(self) -> float:
        """Half the interval: the smallest change that this comparison could have seen."""
        return (self.high - self.low) / 2


def compare(before: Sequence[float], after: Sequence[float], *, paired: bool = False) -> Shift | TooFew:
    """
    The shift from one sample to the other. `paired`: the n-th value of both belongs to the same moment of the clock.

    >>> compare([1, 2, 3], [2, 3, 4])
    TooFew(have=3, need=5)
    """
    b, a = np.asarray(before, float), np.asarray(after, float)
    if paired:
        b, a = b[: len(a)], a[: len(b)]
    size = min(len(b), len(a))
    if size < LEAST:
        return TooFew(size, LEAST)
    thin_b, thin_a = thinned(b), thinned(a)
    # Half of each difference on either side: the shift of these two is Hodges and Lehmann's of the pairs.
    b1, a1 = ((thin_b - thin_a) / 2, (thin_a - thin_b) / 2) if paired else (thin_b, thin_a)
    edges = shared([a1] if paired else [b1, a1])
    thin = min(len(b1), len(a1))
    blocks = min(BLOCKS, int(thin / (1 + BLOCK_FACTOR * edges)))
    if blocks < LEAST_BLOCKS:
        return TooFew(size, needed(edges, size / thin))
    found = float(_hodges_lehmann(b1, a1))
    half = _half_interval(b1, a1, blocks, edges / (thin / blocks), paired=paired)
    u, p = _test(b1, a1, blocks, paired=paired)
    return Shift(
        len(b),
        len(a),
        float(np.median(b)),
        float(np.median(a)),
        found,
        found - half,
        found + half,
        p,
        u,
        thin // blocks,
        paired,
    )


def needed(edges: float, each: float = 1.0) -> int:
    """How many samples a side hold LEAST_BLOCKS blocks. `edges`: what `shared` says of values that are means of `each` samples.

    >>> needed(0.0), needed(2.0), needed(2.0, each=3)
    (5, 35, 105)
    """
    return max(LEAST, int(np.ceil(LEAST_BLOCKS * (1 + BLOCK_FACTOR * edges) * each)))


def needed_of(values: Sequence[float]) -> int:
    """How many samples a side a comparison will need of a metric, by what those at hand remember; LEAST where they are too few to tell."""
    if len(values) < LEAST:
        return LEAST
    thin = thinned(np.asarray(values, float))
    return needed(shared([thin]), len(values) / len(thin))


def thinned(values: Values, most: int = BINS) -> Values:
    """Means of as many neighbours as needed to leave at most `most` values.

    >>> thinned(np.arange(6.0), 3).tolist()
    [0.5, 2.5, 4.5]
    """
    each = -(-len(values) // most)
    whole = len(values) // each
    found: Values = values[: whole * each].reshape(whole, each).mean(axis=1)
    return found


def shared(sides: Sequence[Values]) -> float:
    """
    How many values' worth the edges of a block share with its neighbours: 0 for independent values, 2 phi / (1 - phi²) for an AR(1).

    From the autocorrelation of all sides together: what a first-order series of this first lag remembers, or, if it is more, the sum
    over all lags up to where noise begins (Sokal's window). The first lag is freed of its bias in short series (Kendall's).
    """
    size = min(map(len, sides))
    centred = [side - side.mean() for side in sides]

    def covariance(lag: int) -> float:
        return sum(float(c[: size - lag] @ c[lag:size]) for c in centred)

    power = covariance(0)
    if not power:
        return 0.0
    first = covariance(1) / power
    first = min(max(first + (1 + 3 * first) / size, 0.0), 0.99)
    time = 1.0  # the integrated autocorrelation time: after how many values one is as good as new
    for lag in range(1, size // 3):
        time += 2 * covariance(lag) / power
        if lag >= 3 * time:
            break
    time = max(time, (1 + first) / (1 - first))
    return (time - 1 / time) / 2


def _hodges_lehmann(before: Values, after: Values) -> float:
    return float(np.median(after[:, None] - before[None, :]))


def _half_interval(before: Values, after: Values, blocks: int, crossing: float, *, paired: bool) -> float:
    """Student's t times the jackknife's standard error. `crossing`: the share of a block's variance that its edges take from it."""
    parts = [np.array_split(np.arange(len(side)), blocks) for side in (before, after)]
    if paired:
        left = [[_hodges_lehmann(np.delete(before, i), np.delete(after, i)) for i in parts[1]]]
    else:
        left = [
            [_hodges_lehmann(np.delete(before, i), after) for i in parts[0]],
            [_hodges_lehmann(before, np.delete(after, i)) for i in parts[1]],
        ]
    variances = np.array([np.var(one) * (blocks - 1) for one in left])
    if not variances.any():
        return 0.0
    freedom = (blocks - 1) * variances.sum() ** 2 / (variances**2).sum()  # Welch's
    error = np.sqrt(variances.sum() / (1 - crossing))
    return float(stats.t.ppf(1 - ALPHA / 2, freedom) * error)


def _test(before: Values, after: Values, blocks: int, *, paired: bool) -> tuple[float, float]:
    """Cliff's delta of the values, and the p value over the means of blocks, which are as good as independent."""
    u = float(stats.mannwhitneyu(after, before).statistic)
    delta = 2 * u / (len(before) * len(after)) - 1
    means = [[part.mean() for part in np.array_split(side, blocks)] for side in (before, after)]
    if paired:
        p = float(stats.wilcoxon(means[1]).pvalue) if np.any(means[1]) else 1.0
    else:
        p = float(stats.mannwhitneyu(means[1], means[0]).pvalue)
    return delta, p


def unchanging(values: Sequence[float]) -> bool:
    """Whether a series never moves off one value other than zero: what a source that hangs says, not what a measurement says.

    >>> unchanging([0.25] * 8), unchanging([0.0] * 8), unchanging([0.25, 0.26] * 4), unchanging([0.25] * 3)
    (True, False, False, False)
    """
    return len(values) >= 2 * least_samples() and values[0] != 0 and all(v == values[0] for v in values)


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The same comparison of what was before with itself: of `pairs` of windows so many found a change; `visible`: the median margin."""

    pairs: int
    alarms: int
    visible: float

    @property
    def trusted(self) -> bool:
        """Whether it finds no change where there is none, as far as this few pairs can tell."""
        return self.alarms <= max(1, round(2 * ALPHA * self.pairs)) if self.pairs > 1 else not self.alarms


def self_check(history: Sequence[float], length: int) -> SelfCheck | None:
    """Compare neighbouring windows of `length` values, latest first; None where not even two halves can be compared."""
    if len(history) < 2 * length:
        length = len(history) // 2
    windows = [history[end - length : end] for end in range(len(history), length - 1, -length)] if length else []
    found = [compare(x, y) for y, x in pairwise(windows)]
    shifts = [one for one in found if isinstance(one, Shift)]
    if not shifts:
        return None
    return SelfCheck(len(shifts), sum(s.changed for s in shifts), float(np.median([s.margin for s in shifts])))
