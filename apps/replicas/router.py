"""The read router: writes to the primary, reads spread over healthy replicas, and nobody misses what they wrote.

It needs psycopg only and no part of the portal, so that an application can use it with the portal down. Connections
come from the caller's own pools: a `Source` is anything that lends one for the time of a `with` block.

    router = Router(Node("primary", primary_pool.connection), [Node("replica-1", replica_pool.connection)])
    router.write(lambda connection: connection.execute("UPDATE …"), session)
    rows = router.read(lambda connection: connection.execute("SELECT …").fetchall(), session)
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, LiteralString, TypeAlias, TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

T = TypeVar("T")
Connection: TypeAlias = psycopg.Connection[Any]
Source: TypeAlias = Callable[[], AbstractContextManager[Connection]]
_SQL = Path(__file__).parent / "sql" / "router"


def _question(name: str) -> LiteralString:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


WRITTEN, FLUSHED, REPLAYED, BEHIND = (_question(name) for name in ("written", "flushed", "replayed", "behind"))


@dataclass(frozen=True, slots=True)
class Node:
    """One server. `source` lends connections; closed or broken ones are the pool's to replace."""

    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Policy:
    """`failures`: consecutive ones after which a replica is out. `check_every`: how often each is asked, which is also
    how one that recovered comes back. `max_lag`: a replica further behind gets no reads.
    """

    failures: int = 3
    check_every: timedelta = timedelta(seconds=30)
    max_lag: timedelta = timedelta(seconds=5)


class Health(StrEnum):
    """Why a replica gets reads, or does not."""

    HEALTHY = "healthy"
    OUT = "out"  # failed too often in a row
    LAGGING = "lagging"
    NOT_A_REPLICA = "not a replica"  # promoted: it may have left the others' timeline


@dataclass(slots=True)
class Session:
    """What one client wrote last, as a position in the WAL: its reads go only where that was replayed.

    Keep one for as long as the client must see its own writes: a request, a login session, an API key.
    """

    written: int = 0


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica as the router sees it. `lag` is None when nobody measured it since the last failure."""

    name: str
    health: Health
    failures: int
    lag: timedelta | None


@dataclass(slots=True)
class _Replica:
    node: Node
    health: Health = Health.HEALTHY
    failures: int = 0
    lag: timedelta | None = None
    replayed: int = 0  # furthest position known to be replayed
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Routing:
    """Where operations went since the router was made: by node. `own_writes`: reads that went to the primary because
    no replica had replayed the client's writes. `retried`: reads repeated elsewhere after a replica failed.
    """

    reads: dict[str, int]
    writes: dict[str, int]
    own_writes: int
    retried: int


@dataclass(slots=True)
class _Counts:
    writes: int = 0
    primary_reads: int = 0
    own_writes: int = 0
    retried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Router:
    """Routes the operations of one application process. Threads share one. Works with no replica at all."""

    def __init__(self, primary: Node, replicas: Sequence[Node] = (), policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self._primary = primary
        self._replicas = tuple(_Replica(node) for node in replicas)
        self._turns = count()
        self._counts = _Counts()
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    def write(self, work: Callable[[Connection], T], session: Session | None = None) -> T:
        """Run `work` on the primary in one transaction; afterwards `session` knows how far its reads must have come.

        Raises what `work` or the commit raises. A write is never repeated: whether it happened may be unknown.
        """
        with self._counts.lock:
            self._counts.writes += 1
        with self._primary.source() as connection:
            with connection.transaction():
                result = work(connection)
            if session is not None:
                session.written = max(session.written, _position(connection, WRITTEN) or 0)
        return result

    def read(self, work: Callable[[Connection], T], session: Session | None = None) -> T:
        """Run `work`, which must only read, on a healthy replica that has replayed the session's writes.

        A replica that is gone, or that cancels for a conflict with recovery, is left for the next and in the end for
        the primary, so `work` may run more than once. Raises what the last attempt raises.
        """
        replicas = [replica for replica in self._replicas if replica.health is Health.HEALTHY]
        turn = next(self._turns)
        behind = False
        for offset in range(len(replicas)):
            replica = replicas[(turn + offset) % len(replicas)]
            try:
                with replica.node.source() as connection:
                    if session is not None and not self._caught_up(replica, connection, session.written):
                        behind = True
                        continue
                    result = work(connection)
            except psycopg.Error as error:
                if not _replicas_fault(error):
                    raise
                self._failed(replica)
                with self._counts.lock:
                    self._counts.retried += 1
                continue
            self._succeeded(replica)
            return result
        with self._counts.lock:
            self._counts.primary_reads += 1
            self._counts.own_writes += 1 if behind else 0
        with self._primary.source() as connection:
            return work(connection)

    def check(self) -> tuple[ReplicaState, ...]:
        """Ask every replica now: how far it is, whether it is still one. Returns what was found."""
        written = self._written()
        for replica in self._replicas:
            try:
                with replica.node.source() as connection:
                    self._observe(replica, connection, written)
            except psycopg.Error:
                self._failed(replica)
        return self.replicas()

    def watch(self) -> None:
        """Check in the background, every `check_every`, until `stop`."""
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="read-router", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """End the background checks."""
        self._stopped.set()
        if self._watcher:
            self._watcher.join(timeout=5)

    def replicas(self) -> tuple[ReplicaState, ...]:
        """Every replica as it was last seen."""
        return tuple(ReplicaState(r.node.name, r.health, r.failures, r.lag) for r in self._replicas)

    def routing(self) -> Routing:
        """Where operations went so far."""
        with self._counts.lock:
            reads = {self._primary.name: self._counts.primary_reads} | {r.node.name: r.reads for r in self._replicas}
            writes = {self._primary.name: self._counts.writes}
            return Routing(reads, writes, self._counts.own_writes, self._counts.retried)

    def _caught_up(self, replica: _Replica, connection: Connection, written: int) -> bool:
        if written > replica.replayed:
            with connection.transaction():  # its own, so that no snapshot of `work` is older than this answer
                replica.replayed = max(replica.replayed, _position(connection, REPLAYED) or 0)
        return replica.replayed >= written

    def _written(self) -> int | None:
        if not self._replicas:
            return None
        try:
            with self._primary.source() as connection, connection.transaction():
                return _position(connection, FLUSHED)
        except psycopg.Error:
            return None  # the replicas can still be asked; lag is then by time alone

    def _observe(self, replica: _Replica, connection: Connection, written: int | None) -> None:
        with connection.transaction():
            cursor = connection.cursor(row_factory=tuple_row)  # whatever rows the caller's connections make
            row = cursor.execute(BEHIND, {"written": written}).fetchone()
        in_recovery, lag_seconds, replayed = row or (False, None, None)
        replica.failures = 0
        replica.replayed = max(replica.replayed, int(replayed or 0))
        replica.lag = None if lag_seconds is None else timedelta(seconds=float(lag_seconds))
        if not in_recovery:
            replica.health = Health.NOT_A_REPLICA
        elif replica.lag is not None and replica.lag > self.policy.max_lag:
            replica.health = Health.LAGGING
        else:
            replica.health = Health.HEALTHY

    def _failed(self, replica: _Replica) -> None:
        with self._counts.lock:
            replica.failures += 1
            replica.lag = None
            replica.replayed = 0  # what comes back may be another server
            if replica.failures >= self.policy.failures:
                replica.health = Health.OUT

    def _succeeded(self, replica: _Replica) -> None:
        with self._counts.lock:
            replica.failures = 0
            replica.reads += 1

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.check()
            self._stopped.wait(self.policy.check_every.total_seconds())


def _position(connection: Connection, question: LiteralString) -> int | None:
    row = connection.cursor(row_factory=tuple_row).execute(question).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _replicas_fault(error: psycopg.Error) -> bool:
    """Whether another node may do better: the connection is gone, or recovery cancelled the query."""
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.DatabaseDropped):
        return True
    return isinstance(error, psycopg.OperationalError) and not isinstance(error, errors.QueryCanceled)
