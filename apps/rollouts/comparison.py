"""Whether a metric changed, by how much at least and at most: pure functions of two samples; scipy has the tests, the resampling of
blocks is here.

The shift is Hodges–Lehmann's. Its interval comes from a circular block bootstrap whose blocks are three times as long as the samples
remember (their integrated autocorrelation time), and from Student's t over the number of blocks. Windows matched by the clock are
compared in pairs, which takes away what the hour of the day does to both. How often it errs on simulated series is measured in decision 21.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

ALPHA = 0.05
BINS = 120  # longer series are averaged to this many values: neighbours say little that is new
RESAMPLES = 200
BLOCK_FACTOR = 3
LEAST_BLOCKS = 6  # with fewer, simulated false alarms exceed ALPHA
SEED = 24

Values = NDArray[np.float64]


def least_samples(alpha: float = ALPHA) -> int:
    """The fewest values a side with which a two-sided Mann–Whitney test can ever say p < alpha.

    >>> least_samples(0.05), least_samples(0.01), least_samples(0.001)
    (4, 5, 7)
    """
    return next(n for n in count(1) if 2 / special.comb(2 * n, n) < alpha)


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
    TooFew(have=3, need=4)
    """
    b, a = np.asarray(before, float), np.asarray(after, float)
    least = least_samples()
    if min(len(b), len(a)) < least:
        return TooFew(min(len(b), len(a)), least)
    if paired:
        b, a = b[: len(a)], a[: len(b)]
    thin_b, thin_a = thinned(b), thinned(a)
    # Half of each difference on either side: the shift of these two is Hodges and Lehmann's of the pairs.
    b1, a1 = ((thin_b - thin_a) / 2, (thin_a - thin_b) / 2) if paired else (thin_b, thin_a)
    block = _block([a1] if paired else [b1, a1])
    size = min(len(b1), len(a1))
    if block > 1 and size // block < LEAST_BLOCKS:
        return TooFew(len(b), len(b) * block * LEAST_BLOCKS // size + 1)
    found = float(_hodges_lehmann(b1, a1))
    half = _half_interval(b1, a1, block, paired=paired)
    u, p = _test(b1, a1, block, paired=paired)
    return Shift(
        len(b), len(a), float(np.median(b)), float(np.median(a)), found, found - half, found + half, p, u, block, paired
    )


def thinned(values: Values, most: int = BINS) -> Values:
    """Means of as many neighbours as needed to leave at most `most` values.

    >>> thinned(np.arange(6.0), 3).tolist()
    [0.5, 2.5, 4.5]
    """
    each = -(-len(values) // most)
    whole = len(values) // each
    found: Values = values[: whole * each].reshape(whole, each).mean(axis=1)
    return found


def remembered(values: Values) -> float:
    """The integrated autocorrelation time: after how many values one is as good as new; 1 for independent ones."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if not power:
        return 1.0
    total = 1.0
    for lag in range(1, len(values) // 3):
        total += 2 * float(centred[:-lag] @ centred[lag:]) / power
        if lag >= 3 * total:  # Sokal's window: what lies beyond is noise
            break
    return max(total, 1.0)


def _block(sides: Sequence[Values]) -> int:
    """How many values count as one: one where no neighbour knows of the other."""

    def tied(v: Values) -> bool:
        centred = v - v.mean()
        power = float(centred @ centred)
        return bool(power) and float(centred[:-1] @ centred[1:]) / power > 1.64 / np.sqrt(len(v))

    if not any(tied(side) for side in sides):
        return 1
    return int(np.ceil(BLOCK_FACTOR * max(remembered(side) for side in sides)))


def _hodges_lehmann(before: Values, after: Values) -> Values:
    differences = after[..., :, None] - before[..., None, :]
    found: Values = np.median(differences.reshape(*differences.shape[:-2], -1), axis=-1)
    return found


def _half_interval(before: Values, after: Values, block: int, *, paired: bool) -> float:
    """Student's t over the blocks, times the bootstrap's standard error."""
    rng = np.random.default_rng(SEED)
    picked = _picked(rng, len(before), block)
    others = picked if paired else _picked(rng, len(after), block)
    shifts = np.concatenate(
        [_hodges_lehmann(before[i], after[j]) for i, j in zip(np.split(picked, 8), np.split(others, 8), strict=True)]
    )
    freedom = len(before) // block - 1 if paired else len(before) // block + len(after) // block - 2
    return float(stats.t.ppf(1 - ALPHA / 2, freedom) * shifts.std(ddof=1))


def _picked(rng: np.random.Generator, length: int, block: int) -> NDArray[np.int64]:
    """RESAMPLES draws of whole blocks, as places."""
    starts = rng.integers(0, length, (RESAMPLES, -(-length // block)))
    places: NDArray[np.int64] = ((starts[..., None] + np.arange(block)) % length).reshape(RESAMPLES, -1)[:, :length]
    return places


def _test(before: Values, after: Values, block: int, *, paired: bool) -> tuple[float, float]:
    """Cliff's delta of the values, and the p value over the means of blocks, which are as good as independent."""
    u = float(stats.mannwhitneyu(after, before).statistic)
    delta = 2 * u / (len(before) * len(after)) - 1
    means = [thinned(side, max(len(side) // block, 1)) for side in (before, after)]
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
