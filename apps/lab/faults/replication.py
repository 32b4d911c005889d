"""A tier that falls apart: a slot outgrows its limit, a replica is promoted. A replica that cannot come back is made anew."""

from functools import partial

from apps.lab import binaries, postgres
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.faults.states import run
from apps.lab.layout import REPLICAS, SLOTS, Node
from apps.lab.processes import NotStarted, until
from apps.lab.servers import Servers

LIMIT_MEGABYTES = 64
SEGMENTS = 6  # of 16 MB: more than the limit
NEAR_BYTES = LIMIT_MEGABYTES * 1024 * 1024 // 2


def _outgrow(servers: Servers) -> Record:
    with postgres.connect(servers.layout, Node.PRIMARY) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('lab_outgrown', true)")
        for _ in range(SEGMENTS):
            connection.execute("SELECT pg_logical_emit_message(true, 'lab', 'x')")
            connection.execute("SELECT pg_switch_wal()")
        near = """SELECT count(*) FROM pg_replication_slots
                  WHERE slot_name = ANY(%s) AND active AND pg_current_wal_lsn() - restart_lsn < %s"""
        wanted = [list(SLOTS.values()), NEAR_BYTES]
        if not until(lambda: connection.execute(near, wanted).fetchone() == (len(SLOTS),), 10):
            raise FaultImpossible("A replica is too far behind: with less WAL kept for it, it could not come back.")
    for node in (Node.PRIMARY, *REPLICAS):  # alike, so that no setting drifts
        run(
            servers,
            node,
            b"ALTER SYSTEM SET max_slot_wal_keep_size = '%dMB'" % LIMIT_MEGABYTES,
            "SELECT pg_reload_conf()",
        )
    return {}


def _shrink(servers: Servers, _: Record) -> None:
    for node in (Node.PRIMARY, *REPLICAS):
        if servers.find(node):
            run(servers, node, "ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
    run(
        servers,
        Node.PRIMARY,
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'lab_outgrown'",
    )
    for node in REPLICAS:
        if _slot(servers, node) in {"", "lost"} or not postgres.exists(servers.layout, binaries.find(), node):
            _renew(servers, node)


def _promote(node: Node, servers: Servers) -> Record:
    run(servers, node, "SELECT pg_promote()")
    return {}


def _demote(node: Node, servers: Servers, _: Record) -> None:
    """Copy the primary anew where the replica is none any more, or its copy was not finished."""
    if postgres.exists(servers.layout, binaries.find(), node):
        servers.start(node)
        with postgres.connect(servers.layout, node) as connection:
            if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                return
    _renew(servers, node)


def _renew(servers: Servers, node: Node) -> None:
    """Make a replica as the lab makes them: by a copy of the primary, over its slot. One cut short is made by the next healing or start."""
    layout, found = servers.layout, binaries.find()
    servers.stop(node)
    postgres.forget(layout, node)
    if not until(lambda: _slot(servers, node) != "in use", 20):
        raise NotStarted(f"{node} is down, and yet somebody uses its slot {SLOTS[node]} on the primary.")
    with postgres.connect(layout, Node.PRIMARY) as connection:
        if _slot(servers, node) == "lost":
            connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOTS[node]])
        if not _slot(servers, node):
            connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOTS[node]])
    postgres.back_up(layout, found, node)
    servers.start(node, found)


def _slot(servers: Servers, node: Node) -> str:
    """How the slot of a replica stands: in use, lost, free; empty when there is none."""
    query = """SELECT CASE WHEN active THEN 'in use' WHEN wal_status = 'lost' THEN 'lost' ELSE 'free' END
               FROM pg_replication_slots WHERE slot_name = %s"""
    with postgres.connect(servers.layout, Node.PRIMARY) as connection:
        row = connection.execute(query, [SLOTS[node]]).fetchone()
    return str(row[0]) if row else ""


FAULTS = (
    Fault(
        "outgrown-slot",
        f"A replication slot nobody uses needs more WAL than the limit, lowered to {LIMIT_MEGABYTES} MB, lets the primary keep.",
        Node.PRIMARY,
        _outgrow,
        _shrink,
        ("replicas.slot_wal_status", "replicas.safe_wal_size", "replicas.slot_active"),
    ),
    Fault(
        "promote-replica-2",
        "The second replica was promoted: there are two primaries, and the histories of the tier part.",
        Node.REPLICA_2,
        partial(_promote, Node.REPLICA_2),
        partial(_demote, Node.REPLICA_2),
        (
            "replicas.role",
            "replicas.timeline",
            "replicas.one_primary",
            "replicas.count",
            "replicas.standbys",
            "replicas.slot_active",
        ),
    ),
)
