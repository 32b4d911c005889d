"""A worker's own connection: Django's of that thread for an alias, a plain one for an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import Error as DjangoError
from django.db import connections, transaction
from psycopg import errors

from apps.batch.how import Isolation
from apps.batch.tables import Refused

APPLICATION = "opsportal-batch"
# Passing by itself: whoever tries again may succeed. Class 08 and a connection without SQLSTATE count too.
PASSING = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.TooManyConnections,
    errors.DiskFull,
    errors.OutOfMemory,
)
HOPELESS = (
    "42",
    "28",
    "25006",
)  # SQLSTATEs that begin so: no such table, column or privilege; a server that takes no writes


@dataclass(slots=True)
class Session:
    """One connection; `alias` is empty where Django does not know it."""

    raw: psycopg.Connection[Any]
    alias: str

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, or a savepoint within one; Django's own where there is an alias, so that its models take part."""
        if self.alias:
            with transaction.atomic(using=self.alias):
                yield
        else:
            with self.raw.transaction():
                yield

    @property
    def lost(self) -> bool:
        """Whether the connection can no longer be used."""
        return self.raw.closed or self.raw.broken

    def close(self) -> None:
        """Hang up; by the thread that opened it."""
        if self.alias:
            connections[self.alias].close()
        else:
            self.raw.close()


def is_address(using: str) -> bool:
    """Whether a word is an address of libpq rather than an alias of the settings."""
    return "://" in using or "=" in using


def connect(using: str) -> psycopg.Connection[Any]:
    """A connection in autocommit that is not Django's, to an alias or an address. Raises psycopg.Error."""
    if is_address(using):
        return psycopg.connect(using, autocommit=True, prepare_threshold=None, application_name=APPLICATION)
    known = connections[using]
    raw: psycopg.Connection[Any] = known.get_new_connection(known.get_connection_params())
    raw.autocommit = True
    return raw


def open_session(using: str, isolation: Isolation, opened: psycopg.Connection[Any] | None = None) -> Session:
    """This thread's session, over what is `opened` already. Raises psycopg.Error or django.db.Error when the server does not answer."""
    if is_address(using):
        raw, alias = opened or connect(using), ""
    else:
        connections[using].ensure_connection()
        raw, alias = connections[using].connection, using
    raw.isolation_level = isolation.value
    return Session(raw, alias)


def refuse_inside_transaction(using: str) -> None:
    """Raise Refused when the caller's thread is in a transaction of this alias: the run would not see it, and may wait for it."""
    if not is_address(using) and connections[using].in_atomic_block:
        raise Refused(
            "A batch commits chunk by chunk over connections of its own and cannot be part of a transaction. "
            "Call it outside of atomic(), or use bulk_create for what must stand or fall with the transaction."
        )


def cause_of(error: Exception) -> Exception:
    """The driver's error behind one that Django wrapped."""
    inner = error.__cause__
    return inner if isinstance(error, DjangoError) and isinstance(inner, psycopg.Error) else error


def is_passing(error: Exception) -> bool:
    """Whether a chunk that failed so may succeed when it is tried again."""
    if isinstance(error, PASSING):
        return True
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return error.sqlstate is None or error.sqlstate.startswith("08")
    return False


def is_hopeless(error: Exception) -> bool:
    """Whether no row will ever succeed: a table, column or privilege is missing, or the server takes no writes."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return isinstance(error, Refused) or (state is not None and state.startswith(HOPELESS))


def kind_of(error: Exception) -> str:
    """The SQLSTATE, or the error's name."""
    return (error.sqlstate if isinstance(error, psycopg.Error) else None) or type(error).__name__
