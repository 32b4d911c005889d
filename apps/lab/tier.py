"""The lab as a whole: up, down, status, reset. Each may be asked for twice; what an earlier run left is adopted or cleaned up."""

import fcntl
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from apps.lab import binaries, faults, links, postgres, seed
from apps.lab import layout as layouts
from apps.lab.binaries import Binaries
from apps.lab.layout import OWN, REPLICAS, Layout, LayoutBroken, Node
from apps.lab.processes import end_strays
from apps.lab.servers import KIND, Say, Servers, silent


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A server of the lab as it is now: `state` is up, down or frozen; `face` is where the proxy listens for it."""

    name: str
    kind: str
    state: str
    pid: int | None
    port: int | None
    face: int | None


class Lab:
    """The tier of one lab directory, as this process sees it; `say` is told of each step."""

    def __init__(self, directory: Path, say: Say = silent) -> None:
        self.directory, self.say = directory, say
        self.servers = Servers(directory, say)

    @property
    def layout(self) -> Layout:
        """The layout as it is remembered now; raises FileNotFoundError before the first `up`."""
        return self.servers.layout

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def up(self, *, rows: int = seed.ROWS) -> float:
        """Start everything that does not run and heal every fault; a new lab gets `rows` messages, none for 0.

        Returns the seconds it took. Raises BinariesMissing, LayoutBroken or NotStarted; what was started then stays for the next attempt.
        """
        begun = time.monotonic()
        with self._alone():
            found = binaries.find()
            self._prepare([*Node, links.PROXY])
            faults.calm(self.servers)
            self._together(
                [
                    partial(self._store, found),
                    partial(self.servers.start, Node.REDIS, found),
                    partial(self._tier, found, rows),
                ]
            )
            faults.heal_all(self.servers)
            postgres.await_streaming(self.layout)
        return time.monotonic() - begun

    def up_store(self) -> float:
        """Start the portal's own PostgreSQL and Redis only. Returns the seconds it took; raises as `up` does."""
        begun = time.monotonic()
        with self._alone():
            found = binaries.find()
            self._prepare(OWN)
            self._store(found)
        return time.monotonic() - begun

    def down(self, *, keep: Collection[str] = ()) -> list[str]:
        """Stop every process of this lab, clients before servers, but those of `keep`. Returns the names of the stopped."""
        with self._alone():
            return self._down(keep)

    def reset(self) -> None:
        """Stop everything and forget all data, wherever it is kept."""
        with self._alone():
            self._down()
            if data := self._data_elsewhere():
                shutil.rmtree(data)
            for name in ("servers", "run", "logs", "faults"):
                shutil.rmtree(self.directory / name, ignore_errors=True)
            for path in [*self.directory.glob("*.json"), *self.directory.glob("*.secret")]:
                path.unlink()

    def status(self) -> list[NodeStatus]:
        """Every server with its state; all down where there is no lab yet."""
        try:
            layout = self.layout
        except FileNotFoundError:
            return [NodeStatus(node, KIND[node], "down", None, None, None) for node in Node]
        living, rows = self.servers.roster.living(), []
        for node in Node:
            process = living.get(node)
            state = "down" if process is None else "frozen" if process.frozen else "up"
            pid = process.pid if process else None
            rows.append(NodeStatus(node, KIND[node], state, pid, layout.ports[node], layout.faces.get(node)))
        return rows

    def _prepare(self, wanted: Sequence[str]) -> None:
        """Folders, and new ports for servers that are down and whose port somebody else took meanwhile."""
        layout, living = layouts.create(self.directory), self.servers.roster.living()
        for name in wanted:
            if name not in living and end_strays(layout.folder(name)):
                self.say(f"{name}: what an earlier run left behind is ended.")
        taken = [name for name in wanted if name not in living and not layouts.port_free(layout.ports.get(name, 0))]
        if links.PROXY in wanted and links.PROXY not in living:
            taken += [f"face:{name}" for name, port in layout.faces.items() if not layouts.port_free(port)]
        if taken:
            for name in (links.PROXY, Node.PGBOUNCER, *REPLICAS):  # they know the ports of others
                self.servers.stop(name)
            layout = layout.with_new_ports(taken)
            layout.save()
            self.say(f"Ports were taken by other programs; new ones are chosen for {', '.join(taken)}.")
        for name in wanted:
            layouts.make_folder(layout.folder(name), layout.user)

    def _together(self, steps: Sequence[Callable[[], None]]) -> None:
        with ThreadPoolExecutor(len(steps)) as pool:
            for step in [pool.submit(step) for step in steps]:
                step.result()

    def _store(self, found: Binaries) -> None:
        own = partial(self._postgres, found, Node.STORE, postgres.furnish_store)
        self._together([own, partial(self.servers.start, Node.STORE_REDIS, found)])

    def _postgres(self, found: Binaries, node: str, furnish: Callable[[Layout], None]) -> None:
        layout, fresh = self.layout, not postgres.exists(self.layout, found, node)
        if fresh:
            self.servers.stop(node)
            self.say(f"{node}: making a new cluster.")
            postgres.initialise(layout, found, node)
        self.servers.start(node, found)
        if fresh:
            furnish(layout)
            postgres.mark_ready(layout, node)

    def _tier(self, found: Binaries, rows: int) -> None:
        self.servers.start(links.PROXY)
        self._postgres(found, Node.PRIMARY, partial(self._furnish_primary, rows))
        postgres.furnish_planner(self.layout)
        with psycopg.connect(seed.owner_dsn(self.layout)) as connection:
            filled = seed.is_filled(connection)
        if filled:
            seed.ahead(seed.owner_dsn(self.layout))
        replicas = [partial(self._replica, found, node) for node in REPLICAS]
        self._together([*replicas, partial(self.servers.start, Node.PGBOUNCER, found)])
        self.servers.start(Node.APP)

    def _furnish_primary(self, rows: int, layout: Layout) -> None:
        for node in REPLICAS:
            self.servers.stop(node)
            postgres.forget(layout, node)  # a copy of another primary
        postgres.furnish_primary(layout)
        if rows:
            self.say(f"{Node.PRIMARY}: writing {rows:,} messages.")
            seed.fill(layout, rows)

    def _replica(self, found: Binaries, node: str) -> None:
        if not postgres.exists(self.layout, found, node):
            self.servers.stop(node)
            self.say(f"{node}: copying the primary.")
            postgres.back_up(self.layout, found, node)
        self.servers.start(node, found)

    def _down(self, keep: Collection[str] = ()) -> list[str]:
        living = [name for name in self.servers.roster.living() if name not in keep]
        servers = [Node.PRIMARY, links.PROXY, Node.REDIS, *OWN]
        clients = [name for name in living if name not in servers and name not in REPLICAS]
        for names in (clients, REPLICAS, servers):
            present = [name for name in names if name in living]
            if present:
                self._together([partial(self.servers.stop, name) for name in present])
        return sorted(living)

    def _data_elsewhere(self) -> Path | None:
        try:
            data = self.layout.data
        except (FileNotFoundError, LayoutBroken):
            return None
        return data if data.exists() and not data.is_relative_to(self.directory.resolve()) else None
