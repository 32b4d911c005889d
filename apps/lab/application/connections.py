"""Connections that never hang: small pools, a deadline for every exchange, failing fast while a server is gone."""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

EXCHANGE_SECONDS = 6.0  # a second more than the login's statement_timeout; a frozen server ignores that one
CONNECT_SECONDS = 2
LEND_SECONDS = 2.0
REST_SECONDS = 0.5  # after a failed connection attempt nobody tries again for so long


class Unavailable(psycopg.OperationalError):
    """No connection to a server can be had now."""


class BoundedConnection(psycopg.Connection[DictRow]):
    """A connection whose every exchange ends within EXCHANGE_SECONDS, whatever became of the server."""

    node = ""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As the base class, but never without an end; raises OperationalError when it comes."""
        return super().wait(gen, interval, EXCHANGE_SECONDS if timeout is None else timeout)


class Pool:
    """Up to `size` autocommit connections to one server, made when they are needed. Threads share one.

    `through_pooler`: no prepared statements, because transactions of one session meet different servers behind it.
    """

    def __init__(self, node: str, dsn: str, *, size: int = 8, through_pooler: bool = False) -> None:
        self.node = node
        self._dsn, self._through_pooler = dsn, through_pooler
        self._idle: list[BoundedConnection] = []
        self._slots = threading.BoundedSemaphore(size)
        self._failed_at = float("-inf")

    @contextmanager
    def connection(self) -> Iterator[BoundedConnection]:
        """Lend a connection; raises Unavailable, or OperationalError when the server cannot be reached."""
        if not self._slots.acquire(timeout=LEND_SECONDS):
            raise Unavailable(f"All connections to {self.node} were in use for {LEND_SECONDS:.0f} s.")
        try:
            connection = self._take()
            try:
                yield connection
            except psycopg.OperationalError:
                connection.close()  # whatever it was, the next one is new
                raise
            finally:
                self._put(connection)
        finally:
            self._slots.release()

    def close(self) -> None:
        """End the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> BoundedConnection:
        while self._idle:
            connection = self._idle.pop()
            if _alive(connection):
                return connection
            connection.close()
        if time.monotonic() - self._failed_at < REST_SECONDS:
            raise Unavailable(f"{self.node} did not accept a connection a moment ago.")
        try:
            return self._connect()
        except psycopg.OperationalError:
            self._failed_at = time.monotonic()
            raise

    def _connect(self) -> BoundedConnection:
        connection = BoundedConnection.connect(
            self._dsn,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=CONNECT_SECONDS,
            application_name="messaging",
            prepare_threshold=None if self._through_pooler else 5,
        )
        connection.node = self.node
        return connection

    def _put(self, connection: BoundedConnection) -> None:
        if not connection.closed and connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
            connection.close()
        if not connection.closed:
            self._idle.append(connection)


def _alive(connection: BoundedConnection) -> bool:
    """Whether an idle connection is still good: one with something to read was ended by the server."""
    if connection.closed:
        return False
    readable, _, _ = select.select([connection.pgconn.socket], [], [], 0)
    return not readable
