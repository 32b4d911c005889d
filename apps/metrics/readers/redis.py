"""Redis: INFO once a poll, shared by all who ask for it; other questions by their own coroutine."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import redis.asyncio
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from apps.metrics.kernel import Failure, FailureKind, NodeRole
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


class RedisReader(Reader):
    """Asks with a read-only ACL user over one kept connection."""

    client: redis.asyncio.Redis | None = None

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader."""
        if self.client is None:
            self.client = redis.asyncio.Redis.from_url(
                self.target.url,
                single_connection_client=True,
                decode_responses=True,
                socket_timeout=CONNECT_SECONDS,
                socket_connect_timeout=CONNECT_SECONDS,
                client_name=APPLICATION_NAME,
                protocol=2,
            )
        try:
            info: dict[str, Any] = await self.client.info()
            said = {probe.id: await self._say(self.client, probe, info) for probe in probes}
        except (RedisError, OSError) as error:
            await self.close()
            raise _refusal(error) from error
        if "redis_version" not in info:
            raise Unreadable(FailureKind.WRONG_KIND, "It answered INFO without a redis_version: this is not Redis.")
        micros = info.get("server_time_usec")
        return Reply(
            Identity(
                datetime.fromtimestamp(micros / 1e6, UTC) if micros else None,
                NodeRole.PRIMARY if info.get("role") == "master" else NodeRole.REPLICA,
                str(info["redis_version"]),
                str(info.get("run_id", "")),
            ),
            said,
        )

    async def close(self) -> None:
        """See Reader."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()

    async def _say(self, client: redis.asyncio.Redis, probe: Probe, info: dict[str, Any]) -> Said:
        text = probe.says or str(probe.question)
        if probe.question == "INFO":
            return Said("INFO", plain([info]))
        try:
            if callable(probe.question):
                return Said(text, plain(await probe.question(client)))
            answer: Any = await client.execute_command(*str(probe.question).split())  # type: ignore[no-untyped-call]
            return Said(text, plain(answer if isinstance(answer, list) else [{"answer": answer}]))
        except NoPermissionError as error:
            return Said(text, failure=Failure(FailureKind.DENIED, str(error)))
        except ResponseError as error:
            return Said(text, failure=Failure(FailureKind.ERROR, str(error)))


def _refusal(error: Exception) -> Unreadable:
    match error:
        case AuthenticationError() | NoPermissionError():
            return Unreadable(FailureKind.REFUSED, str(error))
        case RedisTimeoutError():
            return Unreadable(FailureKind.TIMEOUT, f"It did not answer within {CONNECT_SECONDS} s.")
        case RedisConnectionError() | OSError():
            return Unreadable(FailureKind.UNREACHABLE, "It does not accept connections, or closed this one.")
        case _:
            return Unreadable(FailureKind.WRONG_KIND, f"It does not speak Redis' protocol: {error}")
