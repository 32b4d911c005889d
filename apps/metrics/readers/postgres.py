"""PostgreSQL: one direct connection, every question of a poll in one pipeline and one transaction; one that failed apart."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import psycopg

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
)
from apps.metrics.readers.place import place
from apps.metrics.readers.traffic import Traffic, traffic_of
from apps.metrics.readers.trust import distrust_of_libpq, for_libpq
from apps.metrics.readers.wire import Heard, Wire

IDENTITY = sql(str(__file__).replace("readers/postgres.py", "registry.py"), "identity")
MONITOR = "pg_monitor"
BLIND = (
    "The polling login has not the rights of pg_monitor: it would be shown its own sessions and statements alone, as if there were no "
    "others. manage.py doctor has the line that gives it them."
)
SETTINGS = "-c statement_timeout=2000 -c lock_timeout=300 -c default_transaction_read_only=on -c jit=off -c timezone=UTC -c datestyle=ISO"


class PostgresReader(Reader):
    """Asks over a connection that is kept between polls; the server ends what takes over 2 s or waits 300 ms for a lock."""

    wire: Wire | None = None
    role: NodeRole = NodeRole.NONE
    extensions: Mapping[str, str] = MappingProxyType(
        {}
    )  # as it said last, by name; another version may have other columns

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.troubled: set[str] = set()  # probes whose question failed last; they are asked apart from the others

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
                options=SETTINGS,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=2,
                tcp_user_timeout=4000,
            )
        except psycopg.OperationalError as error:
            raise refusal(error) from error
        if "bouncer" in (connection.info.parameter_status("server_version") or ""):
            await connection.close()
            raise Unreadable(FailureKind.WRONG_KIND, "This is PgBouncer's console, not PostgreSQL.")
        self.wire, self.role = Wire(connection), self.target.role

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader. A node that is not in the role, or has not the extensions, it was thought to have is asked again as what it is."""
        wire = self.wire
        assert wire is not None
        try:
            with wire.listening():
                known, self.turns = self.extensions, 0
                identity, said = await self._pipeline(wire, probes)
                if identity.role is not self.role or self._differs(wire, probes, known):
                    self.role = identity.role
                    identity, said = await self._pipeline(wire, probes)
        except psycopg.Error as error:
            await self.close()
            raise Unreadable(FailureKind.UNREACHABLE, f"The connection was lost: {_first_line(error)}.") from error
        return Reply(identity, said)

    def traffic(self) -> Traffic | None:
        """See Reader."""
        return traffic_of(self.wire.pgconn.socket) if self.wire is not None and not self.wire.closed else None

    async def close(self) -> None:
        """See Reader."""
        wire, self.wire = self.wire, None
        if wire is not None:
            await wire.close()

    def _differs(self, wire: Wire, probes: Sequence[Probe], known: Mapping[str, str]) -> bool:
        """Whether a question has another text for the extensions that the server has than for those it was thought to have."""
        major = wire.connection.info.server_version // 10000
        return known != self.extensions and any(
            _text(p, major, known) != _text(p, major, self.extensions) for p in probes
        )

    async def _pipeline(self, wire: Wire, probes: Sequence[Probe]) -> tuple[Identity, dict[str, Said]]:
        """Ask all at once. The first question without an answer is the one that failed; those behind it are asked again without it.

        What failed is asked alone until it answers again. What a login without rights would be shown is no answer.
        """
        major = wire.connection.info.server_version // 10000
        who = IDENTITY.for_version(major)
        asked = {p.id: _text(p, major, self.extensions) for p in probes if p.role is None or p.role is self.role}
        waiting = {probe: text for probe, text in asked.items() if probe not in self.troubled}
        said: dict[str, Said] = {}
        identity: Identity | None = None
        sees_all = False
        while waiting or identity is None:
            first, *others = await wire.together([who, *waiting.values()])
            self.turns += 1
            if isinstance(first, psycopg.Error):
                raise first
            identity, self.extensions, sees_all = _identity(first), _extensions(first), _sees_all(first)
            said |= {
                probe: _said(waiting[probe], heard)
                for probe, heard in zip(waiting, others, strict=True)
                if heard is not None
            }
            waiting = {probe: text for probe, text in waiting.items() if probe not in said}
        for probe in self.troubled & asked.keys():
            said[probe] = _said(asked[probe], await wire.alone(asked[probe]))
            self.turns += 1
        self.troubled = {probe for probe, words in said.items() if words.failure}
        return identity, said if sees_all else said | {p.id: _blind(asked[p.id]) for p in probes if _hidden(p, said)}


def _identity(heard: Heard) -> Identity:
    assert isinstance(heard, tuple)
    (row,) = heard
    return Identity(datetime.fromisoformat(row["now"]), NodeRole(row["role"]), row["version"], row["identity"])


def _extensions(heard: Heard) -> Mapping[str, str]:
    assert isinstance(heard, tuple)
    named = (part.partition(" ") for part in (heard[0]["extensions"] or "").split(","))
    return {name: version for name, _blank, version in named if name}


def _sees_all(heard: Heard) -> bool:
    assert isinstance(heard, tuple)
    return bool(heard[0]["sees_all"])


def _hidden(probe: Probe, said: Mapping[str, Said]) -> bool:
    return probe.id in said and MONITOR in probe.needs


def _blind(question: str) -> Said:
    return Said(question, failure=Failure(FailureKind.DENIED, BLIND))


def _said(question: str, heard: Heard) -> Said:
    if isinstance(heard, psycopg.Error):
        return Said(question, failure=failure(heard))
    return Said(question, heard or ())


def _text(probe: Probe, major: int, extensions: Mapping[str, str]) -> str:
    assert isinstance(probe.question, Question)
    return probe.question.for_version(major, extensions)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def refusal(error: psycopg.OperationalError) -> Unreadable:
    """A connection that could not be made, as a typed failure without the address or a password."""
    text = str(error)
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return Unreadable(FailureKind.TIMEOUT, f"It did not accept a connection within {CONNECT_SECONDS} s.")
    if "FATAL:" in text:
        # The first: what a server says to the login over TLS. libpq may then have tried without, where it says only that it wants TLS.
        said = text.partition("FATAL:")[2].strip().partition("\n")[0]
        if "unsupported startup parameter" in said:
            message = (
                "This is PgBouncer, not PostgreSQL: the portal reads each server directly, never through a pooler."
            )
            return Unreadable(FailureKind.WRONG_KIND, message)
        starting = "starting up" in said or "shutting down" in said or "too many" in said
        return Unreadable(FailureKind.UNREACHABLE if starting else FailureKind.REFUSED, f"It refused: {said}.")
    said = _first_line(error).rpartition(" failed: ")[2]
    if told := distrust_of_libpq(said):
        return told
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
