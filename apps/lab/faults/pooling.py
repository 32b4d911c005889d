"""PgBouncer with another configuration than it was given, or kept from logging in to the primary."""

import signal
from datetime import timedelta

from apps.lab.faults import culprits
from apps.lab.faults.kinds import Fault, Record
from apps.lab.faults.states import pool
from apps.lab.layout import Node
from apps.lab.misbehaviour import HELD_SERVERS
from apps.lab.pgbouncer import LOGIN_SECONDS, MOST_SERVERS, POOL_SIZE
from apps.lab.servers import Servers

SERVERS = 60
PATIENT_SECONDS = 60
IDLE_SECONDS = 600  # PgBouncer's default


def _enlarge(servers: Servers) -> Record:
    pool(b"SET default_pool_size = %d" % SERVERS, servers)
    pool(b"SET max_db_connections = %d" % SERVERS, servers)
    culprits.start(servers, "enlarge-pool")
    return {}


def _shrink(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "enlarge-pool")
    pool(b"SET default_pool_size = %d" % POOL_SIZE, servers)
    pool(b"SET max_db_connections = %d" % MOST_SERVERS, servers)


def _let_nobody_in(servers: Servers) -> Record:
    pool(b"SET server_connect_timeout = %d" % PATIENT_SECONDS, servers)
    if process := servers.find(Node.PRIMARY):
        process.send(signal.SIGSTOP)  # it alone accepts sessions; those that are there have processes of their own
    culprits.start(servers, "stuck-logins")
    return {}


def _let_in(servers: Servers, _: Record) -> None:
    if process := servers.find(Node.PRIMARY):
        process.thaw()
    culprits.stop(servers, "stuck-logins")
    pool(b"SET server_connect_timeout = %d" % LOGIN_SECONDS, servers)


def _change(servers: Servers) -> Record:
    pool(b"SET server_idle_timeout = %d" % (IDLE_SECONDS + 1), servers)
    return {}


def _change_back(servers: Servers, _: Record) -> None:
    pool(b"SET server_idle_timeout = %d" % IDLE_SECONDS, servers)


FAULTS = (
    Fault(
        "enlarge-pool",
        f"Pool and database of PgBouncer may have {SERVERS} servers, and clients hold {HELD_SERVERS} of them.",
        Node.PGBOUNCER,
        _enlarge,
        _shrink,
        (
            "pools.database_connections",
            "pools.server_connections",
        ),
    ),
    Fault(
        "stuck-logins",
        "The primary accepts no new session, and those it has go on: PgBouncer hangs in its log-in while clients wait.",
        Node.PGBOUNCER,
        _let_nobody_in,
        _let_in,
        ("pools.login_stuck",),
        timedelta(seconds=20),
    ),
    Fault(
        "change-pool",
        "Somebody has changed a setting of PgBouncer in its console.",
        Node.PGBOUNCER,
        _change,
        _change_back,
        ("pools.config_changed",),
        timedelta(hours=1),  # so long a change is shown, the healing too
    ),
)
