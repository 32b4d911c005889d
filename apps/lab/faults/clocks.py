"""What is wrong in time: a server's clock, the age of a database's oldest transaction, the day of the last maintenance."""

import sys
import time

import psycopg

from apps.lab import binaries, postgres
from apps.lab.faults import culprits
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.faults.states import run, statements, undo
from apps.lab.faults.upkeep import SQL
from apps.lab.hindrances import AGED
from apps.lab.layout import Node
from apps.lab.servers import Servers

BEHIND_SECONDS = 5
PRELOAD = "DYLD_INSERT_LIBRARIES" if sys.platform == "darwin" else "LD_PRELOAD"
# Only the time of day is another: time-outs go by the monotonic clock, files keep their dates, and processes share nothing. Slow and not
# fast, because before PostgreSQL 16 a WAL receiver that a signal had started keeps the right time: to a fast server it would seem silent.
SHIFT = {
    "FAKETIME": f"-{BEHIND_SECONDS}s",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",
    "FAKETIME_DISABLE_SHM": "1",
}


def _shift(servers: Servers) -> Record:
    library = binaries.find_shifter()
    if library is None:
        raise FaultImpossible(str(binaries.no_shifter()))
    servers.stop(Node.REPLICA_2)
    servers.start(Node.REPLICA_2, environment={PRELOAD: str(library), **SHIFT})
    if abs(_offset(servers) + BEHIND_SECONDS) > 1:
        raise FaultImpossible(f"The second replica shows the right time in spite of {library}.")
    return {}


def _set_right(servers: Servers, _: Record) -> None:
    try:
        wrong = bool(servers.find(Node.REPLICA_2)) and abs(_offset(servers)) > 1
    except psycopg.OperationalError:
        wrong = True
    if wrong:
        servers.stop(Node.REPLICA_2)
    servers.start(Node.REPLICA_2)


def _offset(servers: Servers) -> float:
    with postgres.connect(servers.layout, Node.REPLICA_2) as connection:
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    return row[0] - time.time() if row else 0.0


def _age(servers: Servers) -> Record:
    run(servers, Node.PRIMARY, f"CREATE DATABASE {AGED} TEMPLATE template0".encode())
    culprits.start(servers, "age-database")
    return {}


def _make_young(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "age-database")
    # The last has the server look for its oldest database anew.
    run(servers, Node.PRIMARY, f"DROP DATABASE IF EXISTS {AGED} WITH (FORCE)".encode(), "VACUUM pg_database")


FAULTS = (
    Fault(
        "shift-clock",
        f"The second replica was started anew with a clock that is {BEHIND_SECONDS} seconds slow.",
        Node.REPLICA_2,
        _shift,
        _set_right,
        ("node.clock_offset", "replicas.clock_skew"),
    ),
    Fault(
        "aged-database",
        "A database of the lab's own, empty, says that its oldest transaction is 1,200 million old; autovacuum sees to nothing else.",
        Node.PRIMARY,
        _age,
        _make_young,
        ("queries.wraparound",),
    ),
    Fault(
        "forgotten-maintenance",
        "A table of the lab's own that is partitioned by day had its last partition attached five days ago.",
        Node.PRIMARY,
        statements(Node.PRIMARY, (SQL / "forget_maintenance.sql").read_bytes()),
        undo(
            Node.PRIMARY,
            "DROP TABLE IF EXISTS lab_forgotten",
            "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = 'lab_forgotten'",
        ),
        ("partitions.maintenance",),
    ),
)
