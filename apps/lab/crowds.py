"""Badly behaved clients that take nearly everything there is: connections, servers of the pool, locks. Deeds of `culprit`."""

import asyncio
import itertools
from contextlib import AsyncExitStack, suppress

import psycopg
from psycopg import AsyncClientCursor, AsyncConnection
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.lab.layout import Layout, Node
from apps.lab.misbehaviour import forever, ready, session
from apps.lab.pgbouncer import MOST_CLIENTS, POOL_SIZE

WATCHERS = 8


async def fill_connections(layout: Layout) -> None:
    """Open idle sessions until the primary has hardly one left."""
    async with AsyncExitStack() as stack:
        dsn = layout.dsn(Node.PRIMARY, "app")
        first = await stack.enter_async_context(
            await AsyncConnection.connect(dsn, application_name="culprit", autocommit=True)
        )
        query = """SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_connections')
                        - (SELECT setting::int FROM pg_settings WHERE name = 'superuser_reserved_connections')
                        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"""
        row = await (await first.execute(query)).fetchone()
        for _ in range(max(0, (row[0] if row else 0) - 4)):
            await stack.enter_async_context(
                await AsyncConnection.connect(dsn, application_name="culprit", autocommit=True)
            )
        ready()
        await forever()


async def hoard_locks(layout: Layout) -> None:
    """Hold far more locks than one session should."""
    async with await session(layout) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(2, number) FROM generate_series(1, 3000) AS number")
        ready()
        await forever()


async def crowd_pool(layout: Layout) -> None:
    """Open idle clients of PgBouncer until nine tenths of its limit are taken."""
    console = layout.dsn(Node.PGBOUNCER, "opsportal_poll", direct=True)
    async with AsyncExitStack() as stack:
        asking = await AsyncConnection.connect(console, autocommit=True, cursor_factory=AsyncClientCursor)
        await stack.enter_async_context(asking)
        while True:
            rows = await (await asking.execute("SHOW LISTS")).fetchall()
            if dict(rows)["used_clients"] >= MOST_CLIENTS * 0.9:
                break
            idle = await AsyncConnection.connect(layout.dsn(Node.PGBOUNCER, "app"), autocommit=True)
            await stack.enter_async_context(idle)
        ready()
        await forever()


async def crowd_servers(layout: Layout) -> None:
    """Keep twice as many clients busy as the pool has servers."""

    async def insist() -> None:
        while True:
            try:
                async with await session(layout, Node.PGBOUNCER) as client:
                    while True:
                        await client.execute("SELECT pg_sleep(0.2)")
                        await client.commit()
            except psycopg.OperationalError:
                await asyncio.sleep(0.2)

    clients = [asyncio.create_task(insist()) for _ in range(2 * POOL_SIZE)]
    await asyncio.sleep(1)
    ready()
    await asyncio.gather(*clients)


async def crowd_redis(layout: Layout) -> None:
    """Open idle clients of Redis until nine tenths of its limit are taken; once a second try for the rest, until one is refused."""
    url = layout.redis_url(Node.REDIS, "lab", direct=True)
    async with AsyncExitStack() as stack:
        asking = await stack.enter_async_context(Redis.from_url(url))
        most = int((await asking.config_get("maxclients"))["maxclients"] or 0)
        while (await asking.info("clients"))["connected_clients"] < most * 0.9:
            idle = await stack.enter_async_context(Redis.from_url(url, single_connection_client=True))
            await idle.ping()
        for turn in itertools.count():
            await _until_refused(url)
            if turn == 0:
                ready()
            await asyncio.sleep(1)


async def _until_refused(url: str) -> None:
    once = Retry(NoBackoff(), 0)
    with suppress(RedisConnectionError):
        async with AsyncExitStack() as late:
            while True:
                client = Redis.from_url(url, single_connection_client=True, retry=once)
                await (await late.enter_async_context(client)).ping()


async def crowd_watchers(layout: Layout) -> None:
    """Open sessions of the login that only looks, far more than one portal needs."""
    async with AsyncExitStack() as stack:
        for _ in range(WATCHERS):
            await stack.enter_async_context(await AsyncConnection.connect(layout.dsn(Node.REPLICA_2, "opsportal_poll")))
        ready()
        await forever()
