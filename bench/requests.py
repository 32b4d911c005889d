"""What a request pays for being observed: a Django view with three queries, bare, and with what logs and measures it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from statistics import median

from apps.lab.tier import Lab
from bench.ground import ROOT
from bench.harness import Goal, machine, report, table

QUERIES = 3
PATH = "/5/"  # of bench.bare: session and person are asked for by nobody, three rows by primary key
# Requests of each variant in a round, after which it pays what it has to send: at 100 requests/s that is every 5 s, as when serving.
SLICE = 500
TURN = 25  # requests of one variant before it is the next one's turn
BARE = "bare"


def main(_lab: Lab, quick: bool) -> None:
    """Measure and print."""
    rounds = 2 if quick else 16
    said = subprocess.run(
        [sys.executable, "-m", "bench.request_race", str(rounds)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "bench.request_settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where its lines go: a file would be the disk's benchmark
        check=True,
    ).stdout
    _report(json.loads(said), rounds)


def _ratio(mine: Sequence[int], bare: Sequence[int]) -> float:
    """The median over the rounds of the ratio to the bare view in the same round: what both suffered from falls out."""
    return float(median(one / floor for one, floor in zip(mine, bare, strict=True)))


def _report(found: Mapping[str, Sequence[int]], rounds: int) -> None:
    from bench.request_variants import VARIANTS  # noqa: PLC0415  needs settings

    bare = float(median(found[BARE])) / SLICE / 1000
    ratios = {name: _ratio(slices, found[BARE]) for name, slices in found.items()}
    rows = [
        (VARIANTS[name].title, f"{ratio * bare:.0f}", f"{(ratio - 1) * bare:+.1f}", f"{(ratio - 1) * 100:+.1f} %")
        for name, ratio in ratios.items()
    ]
    title = f"A view with {QUERIES} queries; medians of {rounds} rounds of {SLICE} requests"
    goals = [
        Goal("logs, query monitor and record: CPU to the bare view's", ratios["portal"], 1.03),
        Goal("query monitor: µs for each query", (ratios["monitor"] - 1) * bare / QUERIES, 7),
        Goal("the portal's CPU to django-structlog's", ratios["portal"] / ratios["structlog"], 1),
        Goal(
            "what tracing at 10 % adds to the portal's telemetry, to what OpenTelemetry adds to the bare view",
            (ratios["portal 10 %"] - ratios["portal"]) / (ratios["opentelemetry 10 %"] - 1),
            1,
        ),
    ]
    report(
        "requests", [table(title, ("one request", "CPU µs", "to bare µs", "to bare"), rows)], goals, machine(), found
    )
