"""The peers of history: Prometheus and VictoriaMetrics as Debian packages them, filled by remote write, asked over HTTP."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cramjam
import httpx
import numpy as np
from numpy.typing import NDArray

from apps.lab.layout import HOST, free_ports
from apps.lab.processes import bare_environment
from apps.metrics.histories.remote_write import HEADERS
from bench.ground import await_answer
from bench.programs import running

VARINT = 6  # bytes of a time in ms, from 2004 to 2109
SAMPLE = np.dtype([("head", "u1", 3), ("value", "<f8"), ("at", "u1"), ("varint", "u1", VARINT)])
AT_ONCE = 2160  # samples of a series in one request


@dataclass(slots=True)
class Store:
    """A running store: its pid, where it keeps its data, a client."""

    name: str
    pid: int
    data: Path
    client: httpx.Client

    def fill(self, series: Sequence[NDArray[np.float64]], start_ms: int, step_ms: int) -> None:
        """Samples of several series, named `bench` and numbered, in the order of time."""
        for begin in range(0, len(series[0]), AT_ONCE):
            body = b"".join(
                _field(0x0A, _labels(number) + _samples(values[begin : begin + AT_ONCE], start_ms + begin * step_ms, step_ms))
                for number, values in enumerate(series)
            )  # fmt: skip
            answer = self.client.post(
                "/api/v1/write", content=bytes(cramjam.snappy.compress_raw(body)), headers=HEADERS
            )
            answer.raise_for_status()

    def range(self, number: int, start: float, end: float, points: int) -> bytes:
        """The averages of one series at so many points, as it answers them."""
        step = int((end - start) / points)
        query = f'avg_over_time(bench{{number="{number}"}}[{step}s])'
        data = {"query": query, "start": str(start), "end": str(end), "step": str(step), "nocache": "1"}
        answer = self.client.post("/api/v1/query_range", data=data)
        answer.raise_for_status()
        return answer.content

    def settled_bytes(self) -> int:
        """What the samples take on disk once everything is written and merged."""
        if self.name == "Prometheus":
            told = self.client.post("/api/v1/admin/tsdb/snapshot").raise_for_status().json()
            return _bytes(self.data / "snapshots" / told["data"]["name"])
        time.sleep(6)  # what is in memory only is written every five seconds
        before, now = -1, 0
        while before != now or not now:  # it writes and merges in the background
            self.client.get("/internal/force_flush").raise_for_status()
            self.client.get("/internal/force_merge").raise_for_status()
            time.sleep(2)
            before, now = now, _bytes(self.data / "data")
        return now


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # merged away meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


@contextmanager
def prometheus(folder: Path, first_block: str = "2h") -> Iterator[Store]:
    """Prometheus that takes remote write and scrapes nothing; `first_block`: how long are the blocks it writes first and merges later."""
    (port,) = free_ports(1)
    config = folder / "prometheus.yml"
    folder.mkdir(exist_ok=True)
    config.write_text("global: {}\n", encoding="utf-8")
    argv: list[str | Path] = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{port}", "--web.enable-remote-write-receiver", "--web.enable-admin-api",
            "--storage.tsdb.retention.time=3y", f"--storage.tsdb.min-block-duration={first_block}",
            "--storage.tsdb.max-block-duration=31d", "--log.level=warn"]  # fmt: skip
    with _store("Prometheus", argv, port, folder / "prometheus", "/-/ready") as store:
        yield store


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[Store]:
    """VictoriaMetrics, with its cache of results off: every round asks the same."""
    (port,) = free_ports(1)
    argv: list[str | Path] = ["victoria-metrics", f"-storageDataPath={folder / 'victoria'}", f"-httpListenAddr={HOST}:{port}",
            "-retentionPeriod=3y", "-search.latencyOffset=0s", "-search.disableCache", "-loggerLevel=WARN",
            "-search.maxPointsPerTimeseries=100000"]  # fmt: skip
    with _store("VictoriaMetrics", argv, port, folder / "victoria", "/health") as store:
        yield store


@contextmanager
def _store(name: str, argv: list[str | Path], port: int, data: Path, ready: str) -> Iterator[Store]:
    url = f"http://{HOST}:{port}"
    with (
        running(argv, data.with_suffix(".log"), bare_environment({})) as pid,
        httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
    ):
        await_answer(f"{url}{ready}")
        yield Store(name, pid, data, client)


def _labels(number: int) -> bytes:
    return b"".join(
        _field(0x0A, _field(0x0A, name) + _field(0x12, value))
        for name, value in ((b"__name__", b"bench"), (b"number", str(number).encode()))
    )


def _samples(values: NDArray[np.float64], start_ms: int, step_ms: int) -> bytes:
    """Samples of one series as the fields of its message; NaN: there was none."""
    there = np.isfinite(values)
    times = (np.arange(len(values)) * step_ms + start_ms)[there]
    rows = np.zeros(len(times), SAMPLE)
    rows["head"], rows["value"], rows["at"] = (0x12, SAMPLE.itemsize - 2, 0x09), values[there], 0x10
    rows["varint"] = times[:, None] >> (7 * np.arange(VARINT)) & 0x7F
    rows["varint"][:, :-1] |= 0x80
    return rows.tobytes()


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
