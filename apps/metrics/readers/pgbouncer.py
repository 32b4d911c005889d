"""PgBouncer's console: simple protocol, autocommit, one command at a time."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

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
    plain,
)
from apps.metrics.readers.postgres import failure, refusal


class PgBouncerReader(Reader):
    """Asks the admin console with a `stats_users` login; it answers even while all its clients wait."""

    connection: psycopg.AsyncConnection[dict[str, Any]] | None = None

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader."""
        connection = await self._open()
        said: dict[str, Said] = {}
        try:
            for probe in probes:
                said[probe.id] = await self._show(connection, str(probe.question))
        except psycopg.Error as error:
            await self.close()
            raise Unreadable(FailureKind.UNREACHABLE, str(error).strip().partition("\n")[0]) from error
        version = (connection.info.parameter_status("server_version") or "").partition("/")[0]
        return Reply(Identity(None, NodeRole.NONE, version, ""), said)

    async def close(self) -> None:
        """See Reader."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()

    async def _show(self, connection: psycopg.AsyncConnection[dict[str, Any]], command: str) -> Said:
        try:
            cursor = await connection.execute(command.encode())
            return Said(command, plain(await cursor.fetchall()))
        except psycopg.Error as error:
            if connection.broken:
                raise
            return Said(command, failure=failure(error))

    async def _open(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        if self.connection is not None and not self.connection.closed:
            return self.connection
        try:
            self.connection = await psycopg.AsyncConnection.connect(
                self.target.url,
                autocommit=True,
                row_factory=dict_row,
                cursor_factory=psycopg.AsyncClientCursor,
                application_name=APPLICATION_NAME,
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=4000,
            )
        except psycopg.OperationalError as error:
            raise refusal(error) from error
        if "bouncer" not in (self.connection.info.parameter_status("server_version") or ""):
            await self.close()
            raise Unreadable(
                FailureKind.WRONG_KIND, "This is not PgBouncer's console: name its database `pgbouncer` in the address."
            )
        return self.connection
