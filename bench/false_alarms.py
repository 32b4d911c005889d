"""`python -m bench.false_alarms [pairs]`: how often the comparison of windows finds a change where there is none, on simulated series.

For each kind of series 1,000 pairs (or so many): the share in which a change was found, of all and of those that were concluded; the
share that said too little was measured; and the smallest change it could see, in standard deviations of the series, beside what a z test
that knew the series' memory would see. Needs no server; a minute or two.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from apps.rollouts.comparison import Shift, compare

Series = NDArray[np.float64]
PAIRS, SEED = 1000, 2026
Z = 1.96


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of series: `length` values that remember `phi` of the one before; a daily `rhythm` is compared in pairs."""

    title: str
    length: int
    phi: float = 0.0
    rhythm: float = 0.0
    shape: Callable[[Series], Series] = lambda values: values

    def draw(self, rng: np.random.Generator) -> Series:
        """One series, started long before its first value."""
        found: Series = lfilter([1], [1, -self.phi], rng.standard_normal(self.length + 500))[500:]
        return self.shape(found) + self.rhythm * np.sin(np.linspace(0, 2 * np.pi, self.length))

    @property
    def best(self) -> float:
        """Half the interval of a z test that knows phi, in standard deviations."""
        return float(Z * np.sqrt(2 / self.length * (1 + self.phi) / (1 - self.phi)))


KINDS = (
    Kind("5 independent values", 5),
    Kind("8 independent values", 8),
    Kind("30 independent values", 30),
    Kind("360 independent values", 360),
    Kind("30 skewed values", 30, shape=np.exp),
    *(Kind(f"{length:,} values, AR(1) with {phi}", length, phi) for phi in (0.3, 0.6, 0.9) for length in (90, 360, 1440)),
    Kind("360 values, AR(1) with 0.8, skewed", 360, 0.8, shape=lambda values: np.exp(values / 2)),
    Kind("1,440 values, AR(1) with 0.95", 1440, 0.95),
    *(Kind(f"8,640 values with a daily rhythm, AR(1) with {phi}, in pairs", 8640, phi, 8.0) for phi in (0.3, 0.6, 0.9)),
)  # fmt: skip


def measured(kind: Kind, pairs: int) -> tuple[float, float, float, float]:
    """False alarms of all pairs and of the concluded ones, too few, and the median of what was visible, in standard deviations."""
    rng = np.random.default_rng(SEED)
    sigma = float(np.std([kind.shape(np.sqrt(1 / (1 - kind.phi**2)) * rng.standard_normal(100_000))]))
    found = [
        compare(kind.draw(rng).tolist(), kind.draw(rng).tolist(), paired=bool(kind.rhythm)) for _pair in range(pairs)
    ]
    shifts = [one for one in found if isinstance(one, Shift)]
    alarms = sum(one.changed for one in shifts)
    visible = float(np.median([one.margin for one in shifts])) / sigma if shifts else float("nan")
    return alarms / pairs, alarms / max(len(shifts), 1), 1 - len(shifts) / pairs, visible


def table(pairs: int) -> Iterator[str]:
    """The table as Markdown, line by line."""
    yield "| series | false alarms | of the concluded | too few | visible | at best |"
    yield "|---|---:|---:|---:|---:|---:|"
    for kind in KINDS:
        alarms, concluded, few, visible = measured(kind, pairs)
        yield f"| {kind.title} | {alarms:.3f} | {concluded:.3f} | {few:.3f} | {visible:.2f} | {kind.best:.2f} |"


if __name__ == "__main__":
    for line in table(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS):
        print(line, flush=True)
