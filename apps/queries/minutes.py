"""Of how many minutes each step of a line is: statements are read once a minute, and kept for a part of a long step or all of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from apps.metrics.lines import Line
from apps.queries.history import HISTORY

COUNTED = f"{HISTORY}.calls"
"""The metric whose samples are counted: there is one whenever a statement was read."""


def by_step(line: Line | None) -> dict[int, float]:
    """The values of a line by the second at which their step begins, gaps left out."""
    pairs = zip(line.times, line.values, strict=True) if line else ()
    return {round(at): value for at, value in pairs if value is not None}


class Minutes:
    """Minutes of each step in which a statement was measured on a server, from lines of COUNTED thinned by "count"."""

    def __init__(self, counts: Iterable[Line]) -> None:
        self._of = {(line.node, line.object): by_step(line) for line in counts}
        self._any: dict[str, dict[int, float]] = defaultdict(dict)
        for (node, _of), found in self._of.items():
            known = self._any[node]
            for at, count in found.items():
                known[at] = max(count, known.get(at, 0.0))

    def any(self, node: str) -> float:
        """Minutes in which anything at all was measured on this server."""
        return sum(self._any[node].values()) if node in self._any else 0.0

    def of(self, node: str, statement: str) -> float:
        """Minutes in which this one was."""
        return sum(self._of.get((node, statement), {}).values())

    def summed(self, node: str, statement: str, averages: Mapping[int, float]) -> float:
        """Averages of steps, each times its minutes, together."""
        counts = self._of.get((node, statement), {})
        return sum(value * counts.get(at, 0.0) for at, value in averages.items())
