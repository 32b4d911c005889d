"""Redis: INFO once a poll, shared by all who ask for it; what everybody says next goes out in one round trip."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from apps.metrics.kernel import Failure, FailureKind, NodeRole, Row
from apps.metrics.probe import MISREAD, Command, Probe, Talk, misread
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
from apps.metrics.readers.info import parse
from apps.metrics.readers.place import place
from apps.metrics.readers.traffic import Traffic, traffic_of
from apps.metrics.readers.trust import distrust

INFO = "INFO"


class RedisReader(Reader):
    """Asks with a read-only ACL user over one kept connection."""

    connection: redis.asyncio.Connection | None = None

    @property
    def is_open(self) -> bool:
        """See Reader."""
        return self.connection is not None

    async def open(self) -> None:
        """See Reader."""
        where = await place(self.target)
        encrypted = self.target.url.startswith("rediss:")  # then the certificate says that it is that host
        pool = redis.asyncio.ConnectionPool.from_url(
            self.target.url if encrypted else where.instead(self.target.url),
            decode_responses=True,
            encoding_errors="replace",
            socket_connect_timeout=CONNECT_SECONDS,
            client_name=APPLICATION_NAME,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            **({"ssl_ca_certs": self.target.reach.roots or None} if encrypted else {}),
        )
        connection: redis.asyncio.Connection = pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise _refusal(error) from error
        else:
            self.connection = connection
        finally:
            if self.connection is not connection:
                await connection.disconnect(nowait=True)

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader."""
        try:
            try:
                said = await self._converse(probes)
            except RedisConnectionError:  # kept since the poll before, and closed by the server meanwhile
                await self.close()
                await self.open()
                said = await self._converse(probes)
        except (RedisError, OSError) as error:
            await self.close()
            raise _refusal(error) from error
        info = said[INFO]
        if info.failure:
            raise Unreadable(FailureKind.REFUSED, info.failure.message)
        (row,) = info.rows
        if "redis_version" not in row:
            raise Unreadable(FailureKind.WRONG_KIND, "It answered INFO without a redis_version: this is not Redis.")
        return Reply(_identity(row), {probe.id: info if probe.question == INFO else said[probe.id] for probe in probes})

    def traffic(self) -> Traffic | None:
        """See Reader."""
        writer = getattr(self.connection, "_writer", None)  # no public way leads to the socket
        socket = writer.get_extra_info("socket") if writer is not None else None
        return traffic_of(socket.fileno()) if socket is not None else None

    async def close(self) -> None:
        """See Reader."""
        connection, self.connection = self.connection, None
        if connection is not None:
            writer = getattr(connection, "_writer", None)
            if writer is not None and writer.get_extra_info("sslcontext"):
                writer.transport.abort()  # TLS would wait for the server's goodbye, which a frozen one never says
            await connection.disconnect(nowait=True)

    async def _converse(self, probes: Sequence[Probe]) -> dict[str, Said]:
        """Lead all talks at once, by probe id; INFO always, by its own name."""
        talks: dict[str, tuple[str, Talk]] = {INFO: (INFO, _info())}
        for probe in probes:
            if callable(probe.question):
                talks[probe.id] = (probe.says, probe.question(self))
            elif probe.question != INFO:
                talks[probe.id] = (str(probe.question), _command(str(probe.question)))
        said: dict[str, Said] = {}
        self.turns = 0
        heard: dict[str, list[Any]] = {name: [] for name in talks}
        while heard:
            spoken: dict[str, Sequence[Command]] = {}
            for name, answers in heard.items():
                text, talk = talks[name]
                try:
                    spoken[name] = _go_on(talk, answers)
                except StopIteration as end:
                    said[name] = Said(text, end.value if name == INFO else plain(end.value))
                except NoPermissionError as error:
                    said[name] = Said(text, failure=Failure(FailureKind.DENIED, str(error)))
                except ResponseError as error:
                    said[name] = Said(text, failure=Failure(FailureKind.ERROR, str(error)))
                except MISREAD as error:
                    said[name] = Said(text, failure=misread(error))
            answered = iter(await self._round([command for commands in spoken.values() for command in commands]))
            heard = {name: list(islice(answered, len(commands))) for name, commands in spoken.items()}
        return said

    async def _round(self, commands: Sequence[Command]) -> list[Any]:
        """One answer a command; an error that the server answered is an answer too."""
        connection = self.connection
        assert connection is not None
        if commands:
            self.turns += 1
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        answers: list[Any] = []
        for _command in commands:
            try:
                answers.append(await connection.read_response())
            except ResponseError as error:
                answers.append(error)
        return answers


def _go_on(talk: Talk, answers: list[Any]) -> Sequence[Command]:
    """The talk's next commands; the first error among the answers is raised within it. Raises StopIteration at its end."""
    refused = next((answer for answer in answers if isinstance(answer, ResponseError)), None)
    if refused is not None:
        return talk.throw(refused)
    return talk.send(answers) if answers else next(talk)


def _info() -> Talk:
    (text,) = yield [(INFO,)]
    return (parse(text),)


def _command(words: str) -> Talk:
    (answer,) = yield [tuple(words.split())]
    return answer if isinstance(answer, list) else [{"answer": answer}]


def _identity(info: Row) -> Identity:
    return Identity(
        _clock(info.get("server_time_usec")),
        NodeRole.PRIMARY if info.get("role") == "master" else NodeRole.REPLICA,
        str(info["redis_version"]),
        str(info.get("run_id", "")),
    )


def _clock(micros: Any) -> datetime | None:
    """Its clock; None where it tells none that a calendar holds."""
    try:
        return datetime.fromtimestamp(micros / 1e6, UTC) if micros else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _refusal(error: Exception) -> Unreadable:
    if told := distrust(error):
        return told
    match error:
        case AuthenticationError() | NoPermissionError():
            return Unreadable(FailureKind.REFUSED, str(error))
        case RedisTimeoutError():
            return Unreadable(FailureKind.TIMEOUT, f"It did not let the portal in within {CONNECT_SECONDS} s.")
        case RedisConnectionError() | OSError():
            return Unreadable(FailureKind.UNREACHABLE, "It does not accept connections, or closed this one.")
        case _:
            return Unreadable(FailureKind.WRONG_KIND, f"It does not speak Redis' protocol: {error}")
