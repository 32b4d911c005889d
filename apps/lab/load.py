"""The workload's controls: start and stop steady traffic, ask how it goes, turn the rollout's switches."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from apps.lab import switches, twin
from apps.lab.layout import Layout, Node
from apps.lab.processes import Process, Roster, bare_environment
from apps.lab.seed import owner_dsn
from apps.lab.switches import Switches

NAME = "load"  # of the generator's process in the roster
RATE = 15.0  # requests per second in all; about a tenth of one core for the whole lab
CLIENTS = 4  # connections that share them
_PROJECT = Path(__file__).resolve().parents[2]
_STALE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """How the traffic goes. `rate` and the latencies are of the last ten seconds; requests, errors and limited are
    since its start.

    `errors` counts answers 5xx and requests without an answer; `limited` answers 429. Everything is zero where
    `running` is false.
    """

    running: bool = False
    rate: float = 0.0  # requests per second
    requests: int = 0
    errors: int = 0
    limited: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    started_at: float = 0.0  # Unix time

    def sentence(self) -> str:
        """The status as a line for a terminal."""
        if not self.running:
            return "No load is running."
        latency = (
            "no answer in the last 10 s"
            if self.p95_ms is None
            else f"p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms"
        )
        counts = f"{self.requests} sent, {self.errors} errors, {self.limited} limited"
        return f"{self.rate:.1f} requests/s, {latency}; {counts}."


def start(layout: Layout, rate: float = RATE, clients: int = CLIENTS) -> Process:
    """Start the traffic; what runs already is stopped first, so that the new rate holds.

    `rate`: requests per second, above 0 and up to 500. `clients`: kept connections, 1 to 64. Raises ValueError
    outside of these, and NotStarted with the end of its log.
    """
    if not 0 < rate <= 500 or not 1 <= clients <= 64:
        raise ValueError(
            f"{rate} requests/s over {clients} clients cannot be made: 0 < rate <= 500 and 1 <= clients <= 64."
        )
    stop(layout)
    status_file(layout).unlink(missing_ok=True)
    argv = [sys.executable, "-m", "apps.lab.generator", str(layout.directory), f"--rate={rate}", f"--clients={clients}"]
    environment = bare_environment({"PYTHONPATH": str(_PROJECT)})
    roster = Roster(layout.run)
    process = roster.start(NAME, argv, log=layout.logs / "load.log", cwd=_PROJECT, env=environment)
    roster.await_ready(process, status_file(layout).exists)
    return process


def stop(layout: Layout) -> bool:
    """Stop the traffic; False when none was running."""
    return Roster(layout.run).stop(NAME)


def status(layout: Layout) -> LoadStatus:
    """What the generator wrote last; a report older than ten seconds counts as no rate, not as the last one."""
    if not Roster(layout.run).find(NAME):
        return LoadStatus()
    try:
        path = status_file(layout)
        fresh = time.time() - path.stat().st_mtime < _STALE_SECONDS
        written = LoadStatus(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return LoadStatus(running=True)
    return (
        written
        if fresh
        else LoadStatus(running=True, requests=written.requests, errors=written.errors, limited=written.limited)
    )


def status_file(layout: Layout) -> Path:
    """Where the generator reports; in the application's folder, which the servers' user may write."""
    return layout.folder(Node.APP) / "load.json"


def write_status(path: Path, report: LoadStatus) -> None:
    """Put a report in place at once."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(asdict(report)), encoding="utf-8")
    draft.replace(path)


def switches_file(layout: Layout) -> Path:
    """Where the application looks for its switches: in its own folder, for the lab directory may be in a closed home."""
    return layout.folder(Node.APP) / switches.FILE


def current_switches(layout: Layout) -> Switches:
    """How the switches stand."""
    return switches.read(switches_file(layout))


def set_switch(layout: Layout, name: str, position: str, say: Callable[[str], None] = lambda _: None) -> Switches:
    """Turn one switch (`replica_reads`, `on`); the application follows with its next request.

    Turning `partitioned_tables` makes the partitioned twin when it is missing and carries over what was written to
    the other table; `say` is told of these longer steps. Raises UnknownSwitch, and psycopg.Error when the primary is
    needed and does not answer.
    """
    before = current_switches(layout)
    after = before.turned(name, position)
    return turn(layout, after, say)


def turn(layout: Layout, after: Switches, say: Callable[[str], None] = lambda _: None) -> Switches:
    """Turn all switches at once, for instance to ROLLED_OUT."""
    path = switches_file(layout)
    before = switches.read(path)
    if after.partitioned_tables == before.partitioned_tables:
        switches.write(path, after)
        return after
    with twin.change(owner_dsn(layout), to_partitioned=after.partitioned_tables, say=say):
        switches.write(path, after)
    return after
