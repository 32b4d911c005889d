"""Contestants run in turn, round by round; what counts is the median of the rounds and the ratio to another contestant.

CPU times come from the system's clock of each process, in nanoseconds, so that processes that are not ours can be measured
while they run. A process that ends between two readings is not counted.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"
SHARED = f"{os.cpu_count()} cores, shared by client, contestants and servers"


class Part(StrEnum):
    """What a contestant is there for."""

    OURS = "ours"
    PEER = "peer"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something to run. `pids`: its processes, where it works outside of this one; `settle` runs before it, not measured."""

    name: str
    part: Part
    run: Callable[[], object]
    pids: Callable[[], Iterable[int]] = lambda: (os.getpid(),)
    settle: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Round:
    """One run, in seconds: wall time, CPU of the contestant, CPU of the servers it asked."""

    wall: float
    cpu: float
    servers: float


@dataclass(slots=True)
class Times:
    """All rounds of one contestant."""

    rounds: list[Round] = field(default_factory=list)

    def median(self, what: str) -> float:
        """The median over the rounds of `wall`, `cpu` or `servers`, in seconds."""
        return float(median(getattr(one, what) for one in self.rounds))


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that should stay at most (or, `least`, at least) at a bound."""

    what: str
    value: float
    bound: float
    least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it does."""
        return self.value >= self.bound if self.least else self.value <= self.bound

    def sentence(self) -> str:
        """The goal as a line of the report."""
        word = "reached" if self.reached else "MISSED"
        return f"  {word:8} {self.what}: {self.value:.2f} (goal {'≥' if self.least else '≤'} {self.bound:g})"


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that these processes have used so far, all their threads together; 0 for one that is gone."""
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime_ns(
                ~pid << 3 | 2
            )  # CLOCK_PROCESS_CPUTIME_ID of another process (clock_getcpuclockid)
        except OSError:
            continue
    return total / 1e9


def with_children(roots: Iterable[int]) -> list[int]:
    """These processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = list(roots)
    for pid in found:
        found += children.get(pid, [])
    return found


def race(contestants: Sequence[Contestant], rounds: int, servers: Callable[[], Iterable[int]]) -> dict[str, Times]:
    """Run everybody once a round, each round beginning with the next one; the first round warms up and is not counted."""
    found = {one.name: Times() for one in contestants}
    for number in range(rounds + 1):
        turn = number % len(contestants)
        for one in [*contestants[turn:], *contestants[:turn]]:
            one.settle()
            pids, watched = list(one.pids()), list(servers())
            used, asked, began = cpu_seconds(pids), cpu_seconds(watched), time.perf_counter()
            one.run()
            wall = time.perf_counter() - began
            measured = Round(wall, cpu_seconds(pids) - used, cpu_seconds(watched) - asked)
            if number:
                found[one.name].rounds.append(measured)
    return found


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned columns, the first to the left, numbers to the right; valid Markdown."""
    texts = [[f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *texts]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return f"| {first[0]:<{first[1]}} | " + " | ".join(f"{text:>{width}}" for text, width in others) + " |"

    rule = f"|{'-' * (widths[0] + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in widths[1:])
    return "\n".join([f"\n{title}", "", line(head), rule, *map(line, texts), ""])


def machine(**versions: str) -> dict[str, object]:
    """What the figures depend on."""
    load = os.getloadavg()[0]
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load": load,
        **versions,
    }


def report(name: str, tables: Sequence[str], goals: Sequence[Goal], facts: dict[str, object], raw: object) -> None:
    """Print the tables and the goals, and keep everything in `results/<name>.json`."""
    for text in tables:
        print(text)
    print(f"{SHARED}; load at the start {facts['load']:.1f}.")
    print("\n".join(goal.sentence() for goal in goals), flush=True)
    RESULTS.mkdir(exist_ok=True)
    document = {
        "machine": facts,
        "goals": [{**asdict(goal), "reached": goal.reached} for goal in goals],
        "measured": raw,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2, default=str), encoding="utf-8")
