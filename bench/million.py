"""A ledger of as many entries as are asked for, in a database of its own, with the exact bytes that each entry's hash is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from django.core.management import call_command
from django.db import connections

from apps.lab import postgres
from apps.lab.layout import Node
from apps.lab.tier import Lab
from apps.ledger.leaf import GENESIS, Leaf, canonical

NAME = "bench_ledger"
ENTRIES = b"COPY ledger_entry (seq, at, actor, kind, subject, tier, body, prev_hash, hash) FROM STDIN (FORMAT BINARY)"
EXACT = b"COPY bench_exact (seq, exact) FROM STDIN (FORMAT BINARY)"
HEAD = b"UPDATE ledger_head SET (seq, hash) = (SELECT seq, hash FROM ledger_entry ORDER BY seq DESC LIMIT 1)"
TILES = b"SELECT ledger_complete(seq) FROM ledger_entry WHERE seq % 256 = 0 ORDER BY seq"
TRIGGERS = (b"ALTER TABLE ledger_entry %b TRIGGER ALL", b"ALTER TABLE ledger_head %b TRIGGER ALL")


@dataclass(frozen=True, slots=True)
class Filled:
    """The ledger: its name among Django's databases, a superuser's connection to it, the addresses of its owner, how many entries."""

    superuser: psycopg.Connection
    address: str
    entries: int


@contextmanager
def ledger(lab: Lab, entries: int) -> Iterator[Filled]:
    """
    A filled ledger, known to Django as NAME while it lasts; a database of its own, because a ledger is not undone.

    Entries are copied in at once and linked, hashed and put under the tree as if they had been appended one by one.
    """
    password = lab.layout.password("store", "opsportal_owner")
    own = {"NAME": NAME, "USER": "opsportal_owner", "PASSWORD": password}
    with postgres.connect(lab.layout, Node.STORE) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)".encode())
        server.execute(f"CREATE DATABASE {NAME} OWNER opsportal_owner".encode())
        try:
            connections.databases[NAME] = connections["default"].settings_dict | own
            with postgres.connect(lab.layout, Node.STORE, NAME) as superuser:
                superuser.execute("ALTER SCHEMA public OWNER TO opsportal_owner")
                call_command("migrate", "ledger", database=NAME, verbosity=0)
                _fill(superuser, entries)
                yield Filled(superuser, lab.layout.dsn(Node.STORE, "opsportal_owner", NAME), entries)
        finally:
            connections[NAME].close()
            server.execute(f"DROP DATABASE {NAME} WITH (FORCE)".encode())


def leaves(entries: int) -> Iterator[Leaf]:
    """Ticks of checklists, each linked to the one before."""
    start, last = datetime(2026, 1, 1, tzinfo=UTC), GENESIS
    why = "the replicas' page says so"
    for seq in range(1, entries + 1):
        at = start + seq * timedelta(seconds=7, microseconds=seq % 1000)
        body = canonical({"item": f"replicas-in-step-{seq % 40}", "state": "done", "value": seq / 8, "why": why})
        subject = f"rollout/{seq // 4000}/week-1-2/replicas-in-step-{seq % 40}"
        leaf = Leaf(seq, at, f"person-{seq % 50}", "rollout.tick", subject, "production", last, body)
        last = leaf.hash
        yield leaf


def _fill(superuser: psycopg.Connection, entries: int) -> None:
    superuser.execute(b"CREATE TABLE bench_exact (seq bigint PRIMARY KEY, exact bytea NOT NULL)")
    superuser.execute(b"GRANT SELECT ON bench_exact TO opsportal_owner")
    _triggers(superuser, b"DISABLE")
    with superuser.transaction(), superuser.cursor() as cursor:
        with cursor.copy(ENTRIES) as stream:
            stream.set_types(("int8", "timestamptz", "text", "text", "text", "text", "bytea", "bytea", "bytea"))
            for one in leaves(entries):
                texts = (one.actor, one.kind, one.subject, one.tier)
                stream.write_row((one.seq, one.at, *texts, one.body, one.prev_hash, one.hash))
        cursor.execute(HEAD)
        cursor.execute(TILES)
        with cursor.copy(EXACT) as stream:
            stream.set_types(("int8", "bytea"))
            for one in leaves(entries):
                stream.write_row((one.seq, one.exact))
    _triggers(superuser, b"ENABLE")
    superuser.execute(b"VACUUM ANALYZE ledger_entry, bench_exact")


def _triggers(superuser: psycopg.Connection, what: bytes) -> None:
    for statement in TRIGGERS:
        superuser.execute(statement % what)
