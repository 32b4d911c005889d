"""What a request pays for being observed: a Django view with three queries, served bare, and with what logs and measures it.

Each variant is a process of its own that calls the WSGI application in a loop when it is told to; all do the same work turn
by turn. CPU counts all threads of the process: what is folded and sent in the background is paid, too.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from statistics import median

from apps.lab.tier import Lab
from bench.ground import ROOT
from bench.harness import Contestant, Goal, Part, Times, machine, race, report, table

QUERIES = 3
REQUESTS = 50


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of serving: the name of its settings in `bench/request_settings.py`, and how it is called in the table.

    `environment` is added to that of its process: tracing at a ratio is one more line of VARIANTS.
    """

    name: str
    title: str
    part: Part
    environment: Mapping[str, str]


VARIANTS = (
    Variant("bare", "bare view, no log", Part.FLOOR, {}),
    Variant("plain", "plain logging, one line", Part.PEER, {}),
    Variant("structlog", "django-structlog, JSON", Part.PEER, {}),
    Variant("monitor", "portal: query monitor alone", Part.OURS, {}),
    Variant("portal", "portal: line kept, queries, record", Part.OURS, {}),
)


@dataclass(slots=True)
class Child:
    """A process that serves one variant; `serve` answers when it has served REQUESTS requests."""

    process: subprocess.Popen[str]

    def serve(self) -> None:
        """Have it serve; raises RuntimeError when it died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{REQUESTS}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "served\n":
            raise RuntimeError("A variant of the benchmark died; run it alone: python -m bench.request_loop.")


@contextmanager
def _child(variant: Variant) -> Iterator[Child]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "bench.request_settings", "BENCH_VARIANT": variant.name}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.request_loop"],
        cwd=ROOT,
        env=environment | dict(variant.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where its lines go: a file would be the disk's benchmark
        text=True,
    )
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=20)


def main(_lab: Lab, quick: bool) -> None:
    """Measure and print."""
    rounds = 3 if quick else 20
    with ExitStack() as stack:
        contestants = []
        for variant in VARIANTS:
            child = stack.enter_context(_child(variant))
            child.serve()  # connects, compiles, fills what is cached
            pid = child.process.pid
            contestants.append(Contestant(variant.title, variant.part, child.serve, pids=lambda pid=pid: (pid,)))  # type: ignore[misc]
        found = race(contestants, rounds, lambda: ())
    _report(found, rounds)


def _ratio(found: Mapping[str, Times], title: str) -> float:
    """The median over the rounds of the ratio to the bare view in the same round: what both suffered from falls out."""
    bare = found[VARIANTS[0].title].rounds
    return float(median(mine.cpu / floor.cpu for mine, floor in zip(found[title].rounds, bare, strict=True)))


def _report(found: Mapping[str, Times], rounds: int) -> None:
    bare = found[VARIANTS[0].title].median("cpu") / REQUESTS * 1e6
    rows, ratios = [], {}
    for variant in VARIANTS:
        ratios[variant.name] = ratio = _ratio(found, variant.title)
        spent = found[variant.title].median("cpu") / REQUESTS * 1e6
        rows.append((variant.title, f"{spent:.0f}", f"{(ratio - 1) * bare:+.1f}", f"{(ratio - 1) * 100:+.1f} %"))
    head = ("one request", "CPU µs", "to bare µs", "to bare")
    title = f"A view with {QUERIES} queries; medians of {rounds} rounds of {REQUESTS} requests"
    per_query = (ratios["monitor"] - 1) * bare / QUERIES
    goals = [
        Goal("logs, query monitor and record: CPU to the bare view's", ratios["portal"], 1.03),
        Goal("query monitor: µs for each query", per_query, 7),
        Goal("the portal's CPU to django-structlog's", ratios["portal"] / ratios["structlog"], 1),
    ]
    raw = {name: [asdict(one) for one in times.rounds] for name, times in found.items()}
    report("requests", [table(title, head, rows)], goals, machine(), raw)
