"""The floor of a poll: the same statements and commands over kept connections, all servers at once, no answer looked at."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis.asyncio

from apps.metrics.kernel import NodeKind
from apps.metrics.probe import Probe, Question
from apps.metrics.readers import Target
from apps.metrics.readers.postgres import IDENTITY, SETTINGS

APPLICATION = "bench-floor"


@dataclass(slots=True)
class Floor:
    """Connections to every server and, for each, what is sent to it. `commands`: what a poll says to Redis, word by word."""

    commands: Sequence[Sequence[str]]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    postgres: list[tuple[psycopg.AsyncConnection[Any], list[str]]] = field(default_factory=list)
    consoles: list[tuple[psycopg.AsyncConnection[Any], list[bytes]]] = field(default_factory=list)
    caches: list[tuple[redis.asyncio.Connection, bytes]] = field(default_factory=list)

    def open(self, targets: Sequence[Target], probes: Mapping[int, Sequence[Probe]], roles: Mapping[int, str]) -> None:
        """Connect; `probes` and observed `roles` by target id."""
        self.loop.run_until_complete(self._open(targets, probes, roles))

    def ask(self) -> None:
        """One poll."""
        self.loop.run_until_complete(self._ask())

    def close(self) -> None:
        """Hang up."""
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _open(
        self, targets: Sequence[Target], probes: Mapping[int, Sequence[Probe]], roles: Mapping[int, str]
    ) -> None:
        for target in targets:
            mine = probes[target.id]
            match target.kind:
                case NodeKind.POSTGRES:
                    connection = await psycopg.AsyncConnection.connect(
                        target.url, autocommit=True, application_name=APPLICATION, options=SETTINGS
                    )
                    major = connection.info.server_version // 10000
                    asked = [p.question for p in mine if p.role is None or p.role == roles[target.id]]
                    questions = [q.for_version(major) for q in [IDENTITY, *asked] if isinstance(q, Question)]
                    self.postgres.append((connection, questions))
                case NodeKind.PGBOUNCER:
                    console = await psycopg.AsyncConnection.connect(
                        target.url,
                        autocommit=True,
                        application_name=APPLICATION,
                        cursor_factory=psycopg.AsyncClientCursor,
                    )
                    self.consoles.append((console, [str(probe.question).encode() for probe in mine]))
                case NodeKind.REDIS:
                    pool = redis.asyncio.ConnectionPool.from_url(target.url, protocol=2)
                    cache = await pool.get_connection()  # type: ignore[no-untyped-call]
                    self.caches.append((cache, b"".join(b"".join(cache.pack_command(*c)) for c in self.commands)))

    async def _ask(self) -> None:
        await asyncio.gather(
            *(self._pipeline(*one) for one in self.postgres),
            *(self._console(*one) for one in self.consoles),
            *(self._cache(*one) for one in self.caches),
        )

    async def _pipeline(self, connection: psycopg.AsyncConnection[Any], questions: Sequence[str]) -> None:
        async with connection.pipeline():
            for question in questions:
                await connection.execute(question, prepare=True)

    async def _console(self, connection: psycopg.AsyncConnection[Any], commands: Sequence[bytes]) -> None:
        for command in commands:  # it takes one at a time
            await connection.execute(command)

    async def _cache(self, connection: redis.asyncio.Connection, packed: bytes) -> None:
        await connection.send_packed_command(packed)
        for _command in self.commands:
            await connection.read_response(disable_decoding=True)

    async def _close(self) -> None:
        for connection, _asked in [*self.postgres, *self.consoles]:
            await connection.close()
        for cache, _packed in self.caches:
            await cache.disconnect()
