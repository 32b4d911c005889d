"""Fills the database `messaging` with the rows of a platform that has run for 26 months, set-based."""

import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from apps.lab import keys
from apps.lab.layout import Layout, Node

ROWS = 1_000_000
_SQL = Path(__file__).parent / "sql"
_FAST = (
    "SET LOCAL synchronous_commit = off",
    "SET LOCAL maintenance_work_mem = '256MB'",
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL client_min_messages = warning",
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What `fill` did: rows by table, and how long it took (zero where the rows were there already)."""

    rows: dict[str, int]
    seconds: float


def script(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def fill(layout: Layout, rows: int = ROWS) -> Seeded:
    """Fills the database `messaging` of a lab whose primary runs; see `fill_database`."""
    return fill_database(owner_dsn(layout), keys.secret(layout.directory), rows)


def owner_dsn(layout: Layout) -> str:
    """The lab's own superuser on the primary, past the proxy: neither the application nor the portal ever has it."""
    return layout.dsn(Node.PRIMARY, "postgres", direct=True)


def fill_database(dsn: str, secret: bytes, rows: int = ROWS) -> Seeded:
    """Makes schema, rows, indexes and grants in one transaction, and the planner's statistics after it.

    `dsn`: a superuser or the owner of the empty database; the login `app` must exist. `secret`: of the keys. `rows`: of
    conversation_message, at least 1,000; the other tables follow in proportion. A database that is filled already is
    left as it is. Raises psycopg.Error when the server refuses.
    """
    if rows < 1_000:
        raise ValueError(f"rows is {rows}: at least 1,000 are needed to spread over 26 months.")
    started = time.monotonic()
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as connection:
        if is_filled(connection):
            return Seeded(counts(connection), 0.0)
        _make(connection, secret, rows)
        made = counts(connection)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")  # visibility map too: the replicas and index-only scans profit
        connection.execute("CHECKPOINT")
    return Seeded(made, time.monotonic() - started)


def ahead(dsn: str, weeks: int = 4) -> int:
    """Makes the coming weeks of message_queue, and the coming months of the twin where it exists; returns how many."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET client_min_messages = warning")
        made = _one(connection, "SELECT message_queue_ahead(%s)", weeks)
        if _one(connection, "SELECT (to_regclass('conversation_message_partitioned') IS NOT NULL)::integer"):
            made += _one(connection, "SELECT conversation_message_ahead()")
    return made


def is_filled(connection: psycopg.Connection) -> bool:
    """Whether the schema is there. As all is made in one transaction, the rows are then there too."""
    return bool(_one(connection, "SELECT (to_regclass('public.conversation_message') IS NOT NULL)::integer"))


def counts(connection: psycopg.Connection) -> dict[str, int]:
    """Exact number of rows by table."""
    tables = (
        "api_key",
        "account",
        "conversation",
        "conversation_message",
        "message",
        "message_recipient",
        "message_queue",
    )
    return {
        table: _one(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))) for table in tables
    }


def _make(connection: psycopg.Connection, secret: bytes, rows: int) -> None:
    cursor = connection.cursor()
    for setting in _FAST:
        cursor.execute(setting)
    cursor.execute(script("schema"))
    cursor.execute(script("queue"))
    clients = keys.api_keys(secret)
    _people(connection, clients, keys.accounts(secret))
    sizes = {
        "rows": rows,
        "conversations": rows // 20,
        "messages": rows // 5,
        "queued": rows // 50,
        "keys": len(clients),
    }
    cursor.execute(script("seed"), sizes)
    cursor.execute(script("indexes"))
    cursor.execute(script("grants"))


def _people(connection: psycopg.Connection, clients: tuple[keys.ApiKey, ...], people: tuple[keys.Account, ...]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO api_key (key_id, key_hash, client_name, tier, created_at)"
            " VALUES (%s, %s, %s, %s, now() - interval '26 months')",
            [(key.key_id, key.digest, f"Client {key.key_id}", key.tier) for key in clients],
        )
        cursor.executemany(
            "INSERT INTO account (api_key_id, email, password_hash) VALUES (%s, %s, %s)",
            [(1 + n % len(clients), person.email, person.digest) for n, person in enumerate(people)],
        )


def _one(connection: psycopg.Connection, query: str | sql.Composed, *parameters: object) -> int:
    row = connection.execute(query, parameters or None).fetchone()
    if row is None:
        raise LookupError(f"No row from: {query!r}")
    return int(row[0])
