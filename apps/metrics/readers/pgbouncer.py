"""PgBouncer's console: simple protocol, autocommit, one command at a time."""

from collections.abc import Sequence
from time import monotonic

import psycopg

from apps.metrics.kernel import FailureKind, NodeRole
from apps.metrics.probe import Probe
from apps.metrics.readers.base import (
    APPLICATION_NAME,
    CONNECT_SECONDS,
    Identity,
    Reader,
    Reply,
    Said,
    Unreadable,
)
from apps.metrics.readers.place import place
from apps.metrics.readers.postgres import failure, refusal
from apps.metrics.readers.traffic import Traffic, traffic_of
from apps.metrics.readers.trust import for_libpq
from apps.metrics.readers.wire import Wire

MARGIN = 1.2  # of the longest answer so far, for one that is a little slower


class PgBouncerReader(Reader):
    """Asks the admin console with a `stats_users` login; it answers even while all its clients wait."""

    wire: Wire | None = None
    left_out: frozenset[str] = frozenset()  # probes that the poll before had no time for

    @property
    def is_open(self) -> bool:
        """See Reader."""
        return self.wire is not None and not self.wire.closed

    async def open(self) -> None:
        """See Reader."""
        where = await place(self.target)
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.target.url,
                host=where.hosts,
                hostaddr=where.hostaddr,
                sslrootcert=for_libpq(self.target.url, self.target.reach.roots),
                autocommit=True,
                application_name=APPLICATION_NAME,
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=4000,
            )
        except psycopg.OperationalError as error:
            raise refusal(error) from error
        if "bouncer" not in (connection.info.parameter_status("server_version") or ""):
            await connection.close()
            raise Unreadable(
                FailureKind.WRONG_KIND, "This is not PgBouncer's console: name its database `pgbouncer` in the address."
            )
        self.wire = Wire(connection)

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader. The console takes one command at a time: far away, what there is no time for comes first at the next poll."""
        wire = self.wire
        assert wire is not None
        try:
            with wire.listening():
                said = await self._in_turn(wire, probes)
        except psycopg.Error as error:
            await self.close()
            raise Unreadable(FailureKind.UNREACHABLE, str(error).strip().partition("\n")[0]) from error
        self.turns = len(said)
        self.left_out = frozenset(probe.id for probe in probes if probe.id not in said)
        version = (wire.connection.info.parameter_status("server_version") or "").partition("/")[0]
        return Reply(Identity(None, NodeRole.NONE, version, ""), said)

    def traffic(self) -> Traffic | None:
        """See Reader."""
        return traffic_of(self.wire.pgconn.socket) if self.wire is not None and not self.wire.closed else None

    async def close(self) -> None:
        """See Reader."""
        wire, self.wire = self.wire, None
        if wire is not None:
            await wire.close()

    async def _in_turn(self, wire: Wire, probes: Sequence[Probe]) -> dict[str, Said]:
        said: dict[str, Said] = {}
        longest = 0.0
        for probe in sorted(probes, key=lambda probe: probe.id not in self.left_out):
            began = monotonic()
            if said and began + longest * MARGIN > self.until:
                break
            said[probe.id] = await self._show(wire, str(probe.question))
            longest = max(longest, monotonic() - began)
        return said

    async def _show(self, wire: Wire, command: str) -> Said:
        heard = await wire.simple(command)
        return Said(command, failure=failure(heard)) if isinstance(heard, psycopg.Error) else Said(command, heard)
