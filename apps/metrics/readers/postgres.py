"""PostgreSQL: one direct connection, every question of a poll in one pipeline and one transaction; one that failed apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from apps.metrics.kernel import Failure, FailureKind, NodeRole
from apps.metrics.probe import Probe, Question, sql
from apps.metrics.readers.base import (
    APPLICATION_NAME,
    CONNECT_SECONDS,
    Identity,
    Reader,
    Reply,
    Said,
    Target,
    Unreadable,
    plain,
)

IDENTITY = sql(str(__file__).replace("readers/postgres.py", "registry.py"), "identity")
SETTINGS = "-c statement_timeout=2000 -c lock_timeout=300 -c default_transaction_read_only=on -c jit=off -c timezone=UTC -c datestyle=ISO"


class PostgresReader(Reader):
    """Asks over a connection that is kept between polls; the server ends what takes over 2 s or waits 300 ms for a lock."""

    connection: psycopg.AsyncConnection[dict[str, Any]] | None = None
    role: NodeRole | None = None

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.troubled: set[str] = set()  # probes whose question failed last; they are asked apart from the others

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader. A node that was promoted meanwhile is asked again in its new role."""
        connection = await self._open()
        try:
            if self.role is None:
                await self._pipeline(connection, ())
            identity, said = await self._pipeline(connection, probes)
            if identity.role is not self.role:
                self.role = identity.role
                identity, said = await self._pipeline(connection, probes)
        except psycopg.Error as error:
            await self.close()
            raise Unreadable(FailureKind.UNREACHABLE, f"The connection was lost: {_first_line(error)}.") from error
        return Reply(identity, said)

    async def close(self) -> None:
        """See Reader."""
        connection, self.connection, self.role = self.connection, None, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        if self.connection is not None and not self.connection.closed:
            return self.connection
        try:
            self.connection = await psycopg.AsyncConnection.connect(
                self.target.url,
                autocommit=True,
                row_factory=dict_row,
                application_name=APPLICATION_NAME,
                connect_timeout=CONNECT_SECONDS,
                options=SETTINGS,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=2,
                tcp_user_timeout=4000,
            )
        except psycopg.OperationalError as error:
            raise refusal(error) from error
        if "bouncer" in (self.connection.info.parameter_status("server_version") or ""):
            await self.close()
            raise Unreadable(FailureKind.WRONG_KIND, "This is PgBouncer's console, not PostgreSQL.")
        self.role = None
        return self.connection

    async def _pipeline(
        self, connection: psycopg.AsyncConnection[dict[str, Any]], probes: Sequence[Probe]
    ) -> tuple[Identity, dict[str, Said]]:
        """Ask all at once. The first question without an answer is the one that failed; those behind it are asked again without it.

        What failed is asked alone until it answers again.
        """
        major = connection.info.server_version // 10000
        asked = {p.id: _text(p, major) for p in probes if p.role is None or p.role is self.role}
        together = {probe: text for probe, text in asked.items() if probe not in self.troubled}
        row, said, error = await self._together(connection, IDENTITY.for_version(major), together)
        while error and (missing := {probe: text for probe, text in together.items() if probe not in said}):
            failed = next(iter(missing))
            said[failed] = Said(missing.pop(failed), failure=failure(error))
            row, more, error = await self._together(connection, IDENTITY.for_version(major), missing)
            said |= more
        for probe, text in asked.items():
            if probe not in said:
                said[probe] = await self._alone(connection, text)
        self.troubled = {probe for probe, words in said.items() if words.failure}
        identity = Identity(row["now"], NodeRole(row["role"]), row["version"], row["identity"])
        self.role = self.role or identity.role
        return identity, said

    async def _together(
        self, connection: psycopg.AsyncConnection[dict[str, Any]], identity: str, asked: Mapping[str, str]
    ) -> tuple[dict[str, Any], dict[str, Said], psycopg.Error | None]:
        """The identity, what was answered before the first error, and that error."""
        first = connection.cursor()
        cursors = {probe: connection.cursor() for probe in asked}
        errors: list[psycopg.Error] = []
        try:
            async with (
                connection.pipeline()
            ):  # which syncs once, at its end: a sync for each question doubles the CPU of a poll
                for cursor, text in ((first, identity), *((cursors[probe], text) for probe, text in asked.items())):
                    try:
                        await cursor.execute(text, prepare=True)
                    except psycopg.Error as error:  # of this question or of one before it
                        errors.append(error)
        except psycopg.Error as error:
            errors.append(error)
        if errors and (connection.closed or first.pgresult is None):
            raise errors[0]
        row = await first.fetchone()
        assert row is not None
        said = {
            probe: Said(asked[probe], plain(await cursor.fetchall()))
            for probe, cursor in cursors.items()
            if cursor.pgresult is not None
        }
        own = (error for error in errors if not isinstance(error, psycopg.errors.PipelineAborted))
        return row, said, next(own, None)

    async def _alone(self, connection: psycopg.AsyncConnection[dict[str, Any]], text: str) -> Said:
        try:
            cursor = await connection.execute(text, prepare=True)
            return Said(text, plain(await cursor.fetchall()))
        except psycopg.Error as error:
            if connection.closed:
                raise
            return Said(text, failure=failure(error))


def _text(probe: Probe, major: int) -> str:
    assert isinstance(probe.question, Question)
    return probe.question.for_version(major)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def refusal(error: psycopg.OperationalError) -> Unreadable:
    """A connection that could not be made, as a typed failure without the address or a password."""
    text = str(error)
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return Unreadable(FailureKind.TIMEOUT, f"It did not accept a connection within {CONNECT_SECONDS} s.")
    if "FATAL:" in text:
        said = text.rpartition("FATAL:")[2].strip().partition("\n")[0]
        if "unsupported startup parameter" in said:
            message = (
                "This is PgBouncer, not PostgreSQL: the portal reads each server directly, never through a pooler."
            )
            return Unreadable(FailureKind.WRONG_KIND, message)
        starting = "starting up" in said or "shutting down" in said or "too many" in said
        return Unreadable(FailureKind.UNREACHABLE if starting else FailureKind.REFUSED, f"It refused: {said}.")
    said = _first_line(error).rpartition(" failed: ")[2]
    kind = FailureKind.TIMEOUT if "timeout" in said or "timed out" in said else FailureKind.UNREACHABLE
    return Unreadable(kind, f"No connection: {said}.")


def failure(error: psycopg.Error) -> Failure:
    """A question that failed on a connection that lives."""
    match error:
        case psycopg.errors.LockNotAvailable():
            kind, text = FailureKind.BLOCKED, "Locked by DDL: the question waited 300 ms for a lock and gave up."
        case psycopg.errors.QueryCanceled():
            kind, text = FailureKind.TIMEOUT, "The question took over 2 s and was ended."
        case psycopg.errors.InsufficientPrivilege():
            kind, text = FailureKind.DENIED, _first_line(error)
        case _:
            kind, text = FailureKind.ERROR, _first_line(error)
    return Failure(kind, text)
