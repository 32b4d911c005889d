"""Reads and writes of the application, by the switches: which node, through the pooler or direct, which table."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import psycopg

from apps.lab.application.configuration import Configuration
from apps.lab.application.connections import BoundedConnection, Pool
from apps.lab.application.queries import QueryMonitor
from apps.lab.switches import SwitchBoard
from apps.replicas.router import Node, Policy, ReplicaState, Router, Session

T = TypeVar("T")
Rows = list[dict[str, Any]]
# A lab is watched closely: replicas that stopped or came back are noticed within seconds.
POLICY = Policy(failures=3, check_every=timedelta(seconds=2), max_lag=timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class Statements:
    """One connection lent for a piece of work: `run` executes a statement by the name of its file."""

    connection: BoundedConnection
    monitor: QueryMonitor
    partitioned: bool

    def run(self, name: str, **values: Any) -> Rows:
        """The rows of `sql/<name>.sql`; its duration is measured."""
        return self.monitor.run(self.connection, name, values, partitioned=self.partitioned)

    def first(self, name: str, **values: Any) -> dict[str, Any] | None:
        """The first row, None where there is none."""
        return next(iter(self.run(name, **values)), None)


class Database:
    """The tier's PostgreSQL as the application uses it. Threads share one."""

    def __init__(self, configuration: Configuration, board: SwitchBoard, monitor: QueryMonitor) -> None:
        self._board, self._monitor = board, monitor
        self._direct = Pool("lab-primary", configuration.primary)
        self._pooled = Pool("lab-primary", configuration.pooler, through_pooler=True)
        primary = Node("lab-primary", self._primary)
        pools = [Pool(name, dsn) for name, dsn in configuration.replicas.items()]
        self._alone = Router(primary)
        self._spread = Router(primary, [Node(pool.node, pool.connection) for pool in pools], POLICY)
        self._sessions: dict[int, Session] = {}

    def start(self) -> None:
        """Begin to watch the replicas."""
        self._spread.watch()

    def read(self, work: Callable[[Statements], T], client: int = 0) -> T:
        """Run work that only reads, at a replica where replica reads are on. `client`: whose own writes it must see.

        Raises psycopg.OperationalError when no node can serve it.
        """
        router = self._spread if self._board.now().replica_reads else self._alone
        return router.read(self._with(work), self._session(client))

    def write(self, work: Callable[[Statements], T], client: int = 0) -> T:
        """Run work in one transaction on the primary; raises psycopg.Error when that fails."""
        return self._alone.write(self._with(work), self._session(client))

    def replicas(self) -> tuple[ReplicaState, ...]:
        """The replicas as the router sees them."""
        return self._spread.replicas()

    def routing(self) -> dict[str, Any]:
        """Where operations went since the start, by node."""
        found = (self._alone.routing(), self._spread.routing())
        reads, writes = Counter[str](), Counter[str]()
        for routing in found:
            reads.update(routing.reads)
            writes.update(routing.writes)
        return {
            "reads": dict(reads),
            "writes": dict(writes),
            "own_writes": sum(routing.own_writes for routing in found),
            "retried": sum(routing.retried for routing in found),
            "replicas": {state.name: str(state.health) for state in self.replicas()},
        }

    def _primary(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        return (self._pooled if self._board.now().pooler else self._direct).connection()

    def _session(self, client: int) -> Session | None:
        return self._sessions.setdefault(client, Session()) if client else None

    def _with(self, work: Callable[[Statements], T]) -> Callable[[psycopg.Connection[Any]], T]:
        partitioned = self._board.now().partitioned_tables
        return lambda connection: work(Statements(cast(BoundedConnection, connection), self._monitor, partitioned))
