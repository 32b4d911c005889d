"""Statements of ours that every request asks: planned once for each connection, because planning them takes longer than the rest.

A prepared statement belongs to a server's session. Behind PgBouncer in transaction mode a connection is no session, and Django prepares
nothing for that reason. PgBouncer tells its clients a process id of its own making: where the server names the same one as the
connection was told, nobody stands between, and these statements are prepared. Elsewhere they are asked all the same.

Imported by `AccountsConfig.ready`: the receiver connects when this module is loaded.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

EXPLICITLY = 2**31 - 1  # executions after which psycopg prepares by itself: never, only where it is told to

Row = tuple[Any, ...]


class Prepared(psycopg.Cursor[Row]):
    """A cursor whose parameters are bound, and whose statements are prepared, by the server."""

    def execute(self, query: Any, params: Any = None, **_options: Any) -> "Prepared":
        """Execute; prepared where `_told` found that it may be."""
        return super().execute(query, params, prepare=True)


@receiver(connection_created)
def _told(connection: DatabaseWrapper, **_: Any) -> None:
    raw = connection.connection
    found = psycopg.Cursor(raw).execute("SELECT pg_backend_pid()").fetchone()
    if found and found[0] == raw.info.backend_pid:
        raw.prepare_threshold = EXPLICITLY


def ask(statement: str, parameters: Mapping[str, Any]) -> list[Row]:
    """All rows of a statement, asked through Django's wrappers like any other."""
    connection.ensure_connection()
    wrapped = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrapped(Prepared(connection.connection)) as cursor:  # type: ignore[arg-type]  # as Django's postgresql does
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def first(statement: str, parameters: Mapping[str, Any]) -> Row | None:
    """The row of the first statement of a request.

    The kept connection may have died since the request before. Instead of one more round trip that only asks whether it lives, the
    statement itself finds out, and is asked once more over a new connection.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]  # Django's own; the stubs do not know it
    try:
        found = ask(statement, parameters)
    except (InterfaceError, OperationalError):
        if connection.in_atomic_block:
            raise
        connection.close()
        found = ask(statement, parameters)
    return found[0] if found else None
