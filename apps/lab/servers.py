"""The servers of one lab directory: which run, starting one, stopping one. All of it is read from the directory."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from apps.lab import binaries, links, pgbouncer, postgres, redis
from apps.lab import layout as layouts
from apps.lab.application import process as application
from apps.lab.binaries import Binaries
from apps.lab.layout import Layout, Node
from apps.lab.processes import Process, Roster, end_strays

Say: TypeAlias = Callable[[str], None]
KIND: dict[str, str] = {
    Node.PRIMARY: "postgres",
    Node.REPLICA_1: "postgres",
    Node.REPLICA_2: "postgres",
    Node.PGBOUNCER: "pgbouncer",
    Node.REDIS: "redis",
    Node.APP: "application",
    Node.STORE: "postgres",
    Node.STORE_REDIS: "redis",
}


def silent(_: str) -> None:
    """Say nothing."""


class Servers:
    """Starting and stopping the single servers of a lab; `say` is told of each step."""

    def __init__(self, directory: Path, say: Say = silent) -> None:
        self.directory, self.say = directory, say

    @property
    def layout(self) -> Layout:
        """The layout as it is remembered now; raises FileNotFoundError before the first `up`."""
        return layouts.load(self.directory)

    @property
    def roster(self) -> Roster:
        """The processes of this lab."""
        return Roster(self.directory.resolve() / "run")

    def find(self, name: str) -> Process | None:
        """The living process of this name."""
        return self.roster.find(name)

    def start(self, name: str, found: Binaries | None = None, environment: Mapping[str, str] | None = None) -> None:
        """Start a server on the data it has, if it does not run; raises NotStarted with the end of its log.

        `environment`: what a PostgreSQL server is given beyond what all inherit.
        """
        if self.roster.find(name):
            return
        layout, roster = self.layout, self.roster
        end_strays(layout.folder(name))
        match KIND.get(name, name):
            case "postgres":
                postgres.start(layout, found or binaries.find(), roster, name, environment)
            case "pgbouncer":
                pgbouncer.start(layout, found or binaries.find(), roster)
            case "redis":
                redis.start(layout, found or binaries.find(), roster, name)
            case "application":
                application.start(layout, roster)
            case links.PROXY:
                links.start(layout, roster)
        self.say(f"{name} is up.")

    def stop(self, name: str) -> None:
        """Stop a server: its sessions are ended, its data flushed; one that stays is killed."""
        fast = KIND.get(name) == "postgres"
        if self.roster.stop(name, signal.SIGINT if fast else signal.SIGTERM, 30 if fast else 10):
            self.say(f"{name} is down.")
