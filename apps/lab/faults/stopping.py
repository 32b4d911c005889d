"""Servers that are gone or frozen."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from apps.lab import links
from apps.lab.faults.kinds import Fault, Record
from apps.lab.layout import REPLICAS, Node
from apps.lab.proxy import Mode
from apps.lab.servers import Servers


def _stop(node: str, servers: Servers) -> Record:
    servers.stop(node)
    links.put(servers.layout, node, Mode.REFUSE)  # as where nobody listens
    return {}


def _start(node: str, servers: Servers, _: Record) -> None:
    servers.start(node)
    links.put(servers.layout, node, Mode.PASS)


def _stop_all(nodes: Sequence[str], servers: Servers) -> Record:
    for node in nodes:
        _stop(node, servers)
    return {}


def _start_all(nodes: Sequence[str], servers: Servers, record: Record) -> None:
    for node in nodes:
        _start(node, servers, record)


def _restart(node: str, servers: Servers) -> Record:
    servers.stop(node)
    servers.start(node)
    return {}


def _freeze(node: str, servers: Servers) -> Record:
    if process := servers.find(node):
        process.freeze()
    return {}


def _thaw(node: str, servers: Servers, _: Record) -> None:
    if process := servers.find(node):
        process.thaw()


def _stopped(name: str, node: str, says: str, *fires: str) -> Fault:
    return Fault(name, says, node, partial(_stop, node), partial(_start, node), ("node.up", *fires))


def _frozen(name: str, node: str, says: str, *fires: str) -> Fault:
    return Fault(name, says, node, partial(_freeze, node), partial(_thaw, node), ("node.up", *fires))


FAULTS = (
    _stopped(
        "stop-primary",
        Node.PRIMARY,
        "The primary is shut down; connections to it are refused.",
        "queries.primary_up",
        "replicas.one_primary",
        "replicas.receiver",
    ),
    _stopped(
        "stop-replica-1",
        Node.REPLICA_1,
        "The first replica is shut down; its slot keeps the WAL it will need.",
        "replicas.count",
        "replicas.slot_active",
        "replicas.standbys",
        "replicas.standby_slots",
        "app.health",
    ),
    _stopped(
        "stop-replica-2",
        Node.REPLICA_2,
        "The second replica is shut down; its slot keeps the WAL it will need.",
        "replicas.count",
        "replicas.slot_active",
    ),
    Fault(
        "stop-replicas",
        "Both replicas are shut down: every read that is routed goes to the primary.",
        Node.REPLICA_1,
        partial(_stop_all, REPLICAS),
        partial(_start_all, REPLICAS),
        ("replicas.count", "replicas.standbys", "replicas.reads_share", "app.routing_reads"),
    ),
    _stopped(
        "stop-pgbouncer",
        Node.PGBOUNCER,
        "PgBouncer is shut down; the application's pooled connections break.",
        "pools.up",
    ),
    _stopped(
        "stop-redis", Node.REDIS, "Redis is shut down: no cache, no limiter state.", "cache.up", "ratelimits.degraded"
    ),
    _stopped("stop-app", Node.APP, "The application is stopped; its address refuses connections.", "app.up"),
    Fault(
        "restart-replica-2",
        "The second replica was restarted behind everybody's back.",
        Node.REPLICA_2,
        partial(_restart, Node.REPLICA_2),
        partial(_start, Node.REPLICA_2),
        ("queries.restarted",),
        timedelta(minutes=10),
    ),
    _frozen(
        "freeze-primary",
        Node.PRIMARY,
        "Every process of the primary is stopped in its tracks: sessions hang instead of failing.",
        "queries.primary_up",
        "replicas.one_primary",
    ),
    _frozen(
        "freeze-replica-2",
        Node.REPLICA_2,
        "Every process of the second replica is stopped in its tracks: sessions hang.",
        "replicas.count",
        "replicas.slot_active",
    ),
    _frozen(
        "freeze-pgbouncer",
        Node.PGBOUNCER,
        "PgBouncer is stopped in its tracks: clients hang without an error.",
        "pools.up",
    ),
    _frozen("freeze-redis", Node.REDIS, "Redis is stopped in its tracks: commands hang without an error.", "cache.up"),
    _frozen(
        "freeze-app", Node.APP, "The application is stopped in its tracks: requests hang without an answer.", "app.up"
    ),
)
