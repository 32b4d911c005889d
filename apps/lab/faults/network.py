"""Links that are slow, cut or half closed, made by the proxy while both servers run."""

from collections.abc import Mapping
from functools import partial

from apps.lab import links
from apps.lab.faults.kinds import Fault, Record
from apps.lab.layout import REPLICATION, Node
from apps.lab.proxy import Mode
from apps.lab.servers import Servers

Treatment = Mapping[str, tuple[Mode, float]]


def _treat(treatment: Treatment, servers: Servers) -> Record:
    for link, (mode, number) in treatment.items():
        links.put(servers.layout, link, mode, number)
    return {}


def _mend(treatment: Treatment, servers: Servers, _: Record) -> None:
    for link in treatment:
        links.put(servers.layout, link, Mode.PASS)


def _cut(node: str) -> Treatment:
    return dict.fromkeys(links.links_of(node), (Mode.DROP, 0))


def _fault(name: str, node: str, says: str, treatment: Treatment, *fires: str) -> Fault:
    return Fault(name, says, node, partial(_treat, treatment), partial(_mend, treatment), fires)


STREAM_1 = REPLICATION[Node.REPLICA_1]
FAULTS = (
    _fault(
        "partition-primary",
        Node.PRIMARY,
        "The network to the primary drops everything; replication goes on.",
        _cut(Node.PRIMARY),
        "node.up",
        "queries.primary_up",
        "replicas.one_primary",
    ),
    _fault(
        "partition-replica-1",
        Node.REPLICA_1,
        "The network to the first replica drops everything, its stream too.",
        _cut(Node.REPLICA_1),
        "node.up",
        "replicas.count",
        "replicas.slot_active",
    ),
    _fault(
        "partition-replica-2",
        Node.REPLICA_2,
        "The network to the second replica drops everything, its stream too.",
        _cut(Node.REPLICA_2),
        "node.up",
        "replicas.count",
        "replicas.slot_active",
    ),
    _fault(
        "partition-pgbouncer",
        Node.PGBOUNCER,
        "The network to PgBouncer drops everything.",
        _cut(Node.PGBOUNCER),
        "node.up",
        "pools.up",
    ),
    _fault(
        "partition-redis", Node.REDIS, "The network to Redis drops everything.", _cut(Node.REDIS), "node.up", "cache.up"
    ),
    _fault(
        "cut-stream",
        Node.REPLICA_1,
        "The first replica answers, and its connection to the primary is refused.",
        {STREAM_1: (Mode.REFUSE, 0)},
        "replicas.receiver",
        "replicas.streaming",
        "replicas.standbys",
        "replicas.slot_active",
        "replicas.count",
    ),
    _fault(
        "slow-primary",
        Node.PRIMARY,
        "Each answer of the primary is 700 ms late.",
        {Node.PRIMARY: (Mode.DELAY, 700)},
        "app.p95",
        "app.slow_share",
    ),
    _fault(
        "slow-replica-1",
        Node.REPLICA_1,
        "Each answer of the first replica is 700 ms late, and its WAL arrives 2.5 s late.",
        {Node.REPLICA_1: (Mode.DELAY, 700), STREAM_1: (Mode.DELAY, 2500)},
        "replicas.lag_health",
    ),
    _fault("slow-redis", Node.REDIS, "Each answer of Redis is 200 ms late.", {Node.REDIS: (Mode.DELAY, 200)}),
    _fault(
        "slow-app",
        Node.APP,
        "Each answer of the application is 1.2 s late.",
        {Node.APP: (Mode.DELAY, 1200)},
        "app.latency",
    ),
    _fault(
        "trickle-primary",
        Node.PRIMARY,
        "The primary's answers arrive at 200 bytes per second.",
        {Node.PRIMARY: (Mode.TRICKLE, 200)},
        "node.up",
    ),
    _fault(
        "half-close-redis",
        Node.REDIS,
        "Redis seems to hang up while it goes on listening.",
        {Node.REDIS: (Mode.HALF_CLOSE, 0)},
        "node.up",
        "cache.up",
    ),
)
