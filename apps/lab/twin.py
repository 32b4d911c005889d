"""The two tables of conversation messages, plain and partitioned: kept alike when the application changes over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from apps.lab.seed import script

PLAIN, PARTITIONED = "conversation_message", "conversation_message_partitioned"
KEYS = {PLAIN: ("id",), PARTITIONED: ("id", "created_at")}
_FOLLOW_SECONDS = 2.0  # by then every request that still saw the old switches is over
_MARGIN = timedelta(minutes=1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def exists(connection: psycopg.Connection) -> bool:
    """Whether the partitioned table was made."""
    row = connection.execute("SELECT to_regclass('public.conversation_message_partitioned') IS NOT NULL").fetchone()
    return bool(row and row[0])


def make(connection: psycopg.Connection) -> None:
    """Make the partitioned table from the plain one's rows, set-based, in this connection's transaction."""
    connection.execute("SET LOCAL synchronous_commit = off")
    connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute(script("twin"))


def carry_over(connection: psycopg.Connection, source: str, target: str, since: datetime) -> int:
    """Copy what was written or changed in `source` since a moment; the newer row wins. Returns how many changed."""
    columns = [
        row[0]
        for row in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            (source,),
        )
    ]
    assignments = (
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns if name not in KEYS[target]
    )
    query = sql.SQL(script("catch_up")).format(
        source=sql.Identifier(source),
        target=sql.Identifier(target),
        key=sql.SQL(", ").join(map(sql.Identifier, KEYS[target])),
        assignments=sql.SQL(", ").join(assignments),
    )
    return connection.execute(query, {"since": since}).rowcount


def last_change(connection: psycopg.Connection, table: str) -> datetime:
    """The newest change in a table, with a margin for transactions that were open then."""
    row = connection.execute(sql.SQL("SELECT max(updated_at) FROM {}").format(sql.Identifier(table))).fetchone()
    return row[0] - _MARGIN if row and row[0] else _LONG_AGO


@contextmanager
def change(dsn: str, *, to_partitioned: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Around the turning of the switch: bring the other table up to date, afterwards carry over the stragglers."""
    source, target = (PLAIN, PARTITIONED) if to_partitioned else (PARTITIONED, PLAIN)
    started = datetime.now(UTC) - _MARGIN
    with psycopg.connect(dsn) as connection:
        if not exists(connection):
            say("Making the partitioned table from the rows of the plain one.")
            make(connection)
        else:
            say(f"Carrying over to {target} what was written since it was last used.")
            carry_over(connection, source, target, last_change(connection, target))
    yield
    time.sleep(_FOLLOW_SECONDS)
    with psycopg.connect(dsn) as connection:
        carry_over(connection, source, target, started)
