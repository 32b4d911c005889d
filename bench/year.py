"""One series over a year, beside Prometheus and VictoriaMetrics that keep all its samples, and beside hourly averages in Prometheus.

The portal keeps a year as hourly values (min, max, sum, count, last), rolled up from the very samples that its peers get. They have no such
levels of their own; who wants long ranges quick in Prometheus records averages by a rule, so that is asked as well.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from apps.lab.tier import Lab
from apps.metrics import chunks
from apps.metrics.histories.postgres import PostgresHistory
from apps.metrics.levels import HOUR, ONE_HOUR, floored
from apps.metrics.models import Node as Watched
from apps.metrics.models import Series, Tier
from apps.metrics.ranges import Range
from apps.metrics.rolls import rolled
from bench import stores
from bench.ground import store_pids
from bench.harness import Contestant, Part, Times, race
from bench.recording import Recorded

SAMPLES_AN_HOUR = 360
POINTS = 1000
# Of blocks of 2 h Prometheus writes thousands after a year sent at once, for many minutes; either are merged to a month.
BLOCK = "24h"
COMPANY = 4  # series that the stores keep
RECORDED = "Prometheus, averages recorded every hour"
OURS = "portal, the level it takes"


def year(
    lab: Lab, owner: psycopg.Connection, tier: Tier, recorded: Sequence[Recorded], within: Range, rounds: int
) -> dict[str, Times]:
    """Fill all stores with the same days at 10 s and ask each for one series in a thousand points. Partitions must be there."""
    rng = np.random.default_rng(3)
    lively = [one for one in recorded if one.lively and np.isfinite(one.values).all()]
    start, end = within.start, within.end
    series = [one.longer((end - start) // HOUR * SAMPLES_AN_HOUR, rng) for one in lively[:COMPANY]]
    metrics = _fill(owner, tier, series, start)
    with tempfile.TemporaryDirectory(dir=lab.layout.directory) as folder, ExitStack() as stack:
        peers = [
            stack.enter_context(stores.prometheus(Path(folder), BLOCK)),
            stack.enter_context(stores.victoria_metrics(Path(folder))),
        ]
        start_ms = round(start.timestamp() * 1000)
        for peer in peers:
            peer.fill(series, start_ms, 10_000)
            peer.settled_bytes()  # written and merged, as a year would be
        hourly = stack.enter_context(stores.prometheus(Path(folder) / "hourly", BLOCK))
        hourly.fill([values.reshape(-1, SAMPLES_AN_HOUR).mean(axis=1) for values in series], start_ms, 3_600_000)
        hourly.settled_bytes()
        contestants = [
            _ours(tier, metrics[0], start, end),
            *(_theirs(peer.name, peer, start, end) for peer in peers),
            _theirs(RECORDED, hourly, start, end),
        ]
        return race(contestants, rounds, lambda: store_pids(lab))


def _fill(owner: psycopg.Connection, tier: Tier, series: Sequence[NDArray[np.float64]], start: datetime) -> list[str]:
    """The hourly level of these samples as the worker keeps it; the names of their metrics."""
    node, _made = Watched.every.get_or_create(
        tier=tier, name="n", defaults={"kind": "postgres", "address": "postgresql://h/d"}
    )
    owner.execute("TRUNCATE metrics_sealed")  # what is sealed is final
    metrics = [f"bench.year.s{number}" for number in range(len(series))]
    for metric, values in zip(metrics, series, strict=True):
        kept = Series.objects.create(tier=tier, node=node, metric=metric).pk
        columns = rolled(values, np.arange(0, len(values), SAMPLES_AN_HOUR))
        times = np.arange(len(columns[0]), dtype=np.int64) * 3_600_000 + round(start.timestamp() * 1000)
        first = floored(start, ONE_HOUR.span)
        while first < start + len(times) * HOUR:
            span = slice(
                *np.searchsorted(times, [round((first + n * ONE_HOUR.span).timestamp() * 1000) for n in (0, 1)])
            )
            packed = chunks.pack(chunks.Stretch(times[span], tuple(column[span] for column in columns)))
            owner.execute("SELECT metrics_keep_chunks('metrics_chunk_1h', %s, %s, %s)", [first, [kept], [packed]])
            first += ONE_HOUR.span
    owner.execute(
        "INSERT INTO metrics_sealed (hour, polls) VALUES (%s, 0)",
        [start + (len(series[0]) // SAMPLES_AN_HOUR - 1) * HOUR],
    )
    owner.execute("ANALYZE metrics_chunk_1h")
    return metrics


def _ours(tier: Tier, metric: str, start: datetime, end: datetime) -> Contestant:
    history = PostgresHistory()

    def ask() -> None:
        (line,) = history.lines(tier, [metric], start, end, POINTS, "avg")
        if sum(value is not None for value in line.values) < POINTS * 0.95:
            raise RuntimeError(f"{metric} has {len(line.values)} points over the year, {POINTS} are wanted")

    return Contestant(OURS, Part.OURS, ask)


def _theirs(name: str, store: stores.Store, start: datetime, end: datetime) -> Contestant:
    begin, finish = start.timestamp(), end.timestamp()
    if len(store.range(0, begin, finish, POINTS)) < POINTS * 10:
        raise RuntimeError(f"{name} has no year of its series")
    return Contestant(name, Part.PEER, lambda: store.range(0, begin, finish, POINTS), lambda: [store.pid])
