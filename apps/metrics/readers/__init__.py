"""One reader for each kind of node: keeps one connection and asks all due questions over it.

`KINDS` maps a NodeKind to its Reader; a new kind of node is one module and one line here.
"""

from apps.metrics.kernel import NodeKind
from apps.metrics.readers.application import ApplicationReader
from apps.metrics.readers.base import Identity, Reader, Reply, Target, Unreadable
from apps.metrics.readers.pgbouncer import PgBouncerReader
from apps.metrics.readers.postgres import PostgresReader
from apps.metrics.readers.redis import RedisReader

KINDS: dict[NodeKind, type[Reader]] = {
    NodeKind.POSTGRES: PostgresReader,
    NodeKind.PGBOUNCER: PgBouncerReader,
    NodeKind.REDIS: RedisReader,
    NodeKind.APPLICATION: ApplicationReader,
}

__all__ = ["KINDS", "Identity", "Reader", "Reply", "Target", "Unreadable"]
