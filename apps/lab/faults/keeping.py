"""What the portal keeps for good, and is kept from: its ledger as it was signed, its hours in chunks, the partitions of its history.

Each is put into the store of the portal that runs on the lab, past the login that serves, and healed from the name of its database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import LiteralString

import psycopg
from psycopg import sql

from apps.lab import environment
from apps.lab.faults import culprits, portal
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.layout import Node
from apps.lab.servers import Servers

SOMEBODY = "somebody else"
# Tomorrow's stays, so that no midnight keeps polls from being kept.
TO_COME = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'metrics_poll'::regclass
AND c.relname > 'metrics_poll_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD') ORDER BY 1
"""
MAKE: LiteralString = "SELECT metrics_make_partitions('metrics_poll', to_date(%s, 'YYYYMMDD'), 1)"
MAKING: LiteralString = "FUNCTION metrics_make_partitions(text, date, int)"
SIGNED_AGAIN = timedelta(minutes=6)  # every five minutes, and the portal looks at itself once a minute
TRIED_LONG = timedelta(minutes=42)  # half an hour after a try that comes every ten minutes
HOUR_OVERDUE = timedelta(minutes=102)  # an hour that has just begun, ten minutes of grace, half an hour late


def _remember(servers: Servers) -> Record:
    return {"database": portal.of(servers).database}


@contextmanager
def _store(servers: Servers, database: str) -> Iterator[psycopg.Connection]:
    """A superuser's session there that does not wait for long: whoever waits for a table keeps others waiting behind."""
    with portal.connect(servers, database) as connection:
        connection.execute("SET lock_timeout = '5s'")
        yield connection


@contextmanager
def _healed(servers: Servers, record: Record) -> Iterator[psycopg.Connection | None]:
    """The same of the database that a fault was put into; None where it never was, or where that database is gone."""
    database = record.get("database")
    with _store(servers, "postgres") as any_:
        there = any_.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
    if database is None or there is None:
        yield None
        return
    with _store(servers, database) as connection:
        yield connection


def _put(statement: LiteralString, servers: Servers) -> Record:
    with _store(servers, portal.of(servers).database) as store:
        store.execute(statement)
    return {}


def _take_back(statement: LiteralString, servers: Servers, record: Record) -> None:
    with _healed(servers, record) as store:
        if store is not None:
            store.execute(statement)


def _remember_entry(servers: Servers) -> Record:
    own = portal.of(servers)
    with own.store() as store:
        first = store.execute("SELECT actor, encode(hash, 'hex') FROM ledger_entry WHERE seq = 1").fetchone()
    if first is None:
        raise FaultImpossible("The ledger has no entry yet to be altered. Log in, or let a tier be added: that is one.")
    return {"database": own.database, "actor": first[0], "hash": first[1]}


def _alter(servers: Servers) -> Record:
    known = _remember_entry(servers)
    with _store(servers, known["database"]) as store:
        _rewrite(store, known["hash"], known["actor"], SOMEBODY)
    return {}


def _restore(servers: Servers, record: Record) -> None:
    with _healed(servers, record) as store:
        if store is not None:
            _rewrite(store, record["hash"], SOMEBODY, record["actor"])


def _rewrite(store: psycopg.Connection, hash_: str, actor: str, now: str) -> None:
    """Past the trigger that refuses, which nobody else finds switched off. The hash tells that it is the entry that is meant."""
    with store.transaction():
        store.execute("ALTER TABLE ledger_entry DISABLE TRIGGER ledger_no_change")
        store.execute(
            "UPDATE ledger_entry SET actor = %s WHERE seq = 1 AND actor = %s AND hash = decode(%s, 'hex')",
            [now, actor, hash_],
        )
        store.execute("ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER ledger_no_change")


def _remember_partitions(servers: Servers) -> Record:
    own = portal.of(servers)
    with own.store() as store:
        return {"database": own.database, "partitions": _amid(store)}


def _amid(store: psycopg.Connection) -> list[str]:
    """The partitions to come after tomorrow's, but the last one: what is missing of them is a gap."""
    *amid, _last = [name for (name,) in store.execute(TO_COME)] or [""]
    if not amid:
        raise FaultImpossible("metrics_poll has no partitions ahead to lose. The portal's worker makes a week of them.")
    for name in amid:
        if store.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(name))).rowcount:
            raise FaultImpossible(f"{name} has rows of a day to come: a clock was ahead. They are not thrown away.")
    return amid


def _lose(servers: Servers) -> Record:
    with _store(servers, portal.of(servers).database) as store, store.transaction():
        store.execute("REVOKE EXECUTE ON " + MAKING + " FROM opsportal_app")
        lost = _amid(store)
        for name in lost:
            store.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return {"partitions": lost}


def _make_again(servers: Servers, record: Record) -> None:
    with _healed(servers, record) as store:
        if store is not None:
            store.execute("GRANT EXECUTE ON " + MAKING + " TO opsportal_app")
            for name in record["partitions"]:
                store.execute(MAKE, [name[-8:]])


def _hold_sealing(servers: Servers) -> Record:
    if environment.kept(servers.layout.run).get("OPSPORTAL_HISTORY") == "prometheus":
        raise FaultImpossible("This portal sends its history to a store of its own: stop that one, and samples wait.")
    culprits.start(servers, "hold-sealing")
    return {}


def _let_go(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "hold-sealing")


def _dump(servers: Servers) -> Record:
    """A partition past any retention, which is empty, and a session that holds it."""
    _put("SELECT metrics_make_partitions('metrics_poll', '2001-01-01', 1)", servers)
    culprits.start(servers, "endless-dump")
    return {}


def _end_dump(servers: Servers, record: Record) -> None:
    culprits.stop(servers, "endless-dump")
    _take_back("DROP TABLE IF EXISTS metrics_poll_20010101", servers, record)


FAULTS = (
    Fault(
        "alter-ledger",
        "A superuser of the portal's store has given the ledger's first entry another actor.",
        Node.STORE,
        _alter,
        _restore,
        ("portal.ledger_sound",),
        SIGNED_AGAIN,
        _remember_entry,
    ),
    Fault(
        "refuse-checkpoints",
        "The portal's login may not write signed checkpoints, as after a restore without privileges: no examination ends in one.",
        Node.STORE,
        partial(_put, "REVOKE INSERT, UPDATE ON ledger_checkpoint FROM opsportal_app"),
        partial(_take_back, "GRANT INSERT, UPDATE (at, note) ON ledger_checkpoint TO opsportal_app"),
        ("portal.ledger_checked",),
        timedelta(minutes=16),
        _remember,
    ),
    Fault(
        "hold-sealing",
        "A session that hangs holds the lock of whoever packs the portal's history: no hour of samples is packed.",
        Node.STORE,
        _hold_sealing,
        _let_go,
        ("portal.history_behind",),
        HOUR_OVERDUE,
        _remember,
    ),
    Fault(
        "lose-partitions",
        "Partitions of the portal's polls to come are gone, and its login may not make any.",
        Node.STORE,
        _lose,
        _make_again,
        ("portal.partitions_ahead", "portal.partitions_gaps"),
        timedelta(minutes=1),
        _remember_partitions,
    ),
    Fault(
        "endless-dump",
        "A dump of the portal's store never ends: a partition of its polls that is past retention cannot be dropped.",
        Node.STORE,
        _dump,
        _end_dump,
        ("portal.partitions_overdue", "portal.partitions_upkeep"),
        TRIED_LONG,
        _remember,
    ),
)
