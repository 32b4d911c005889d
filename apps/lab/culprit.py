"""A badly behaved client of the lab: `python -m apps.lab.culprit LAB-DIRECTORY DEED`. Misbehaves until it is ended.

It prints `ready` when the deed is done and goes on with it. Logins are read from the lab directory, never given as arguments.
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import LiteralString, TypeAlias

import httpx
import psycopg
from psycopg import AsyncConnection, errors
from redis.asyncio import Redis

from apps.lab import burdens, crowds, hindrances, intruders, keys
from apps.lab import layout as layouts
from apps.lab import redis as lab_redis
from apps.lab.layout import Layout, Node
from apps.lab.misbehaviour import HELD_SERVERS, forever, ready, session
from apps.lab.pgbouncer import POOL_SIZE
from apps.ratelimits.limiter import QUOTAS, WINDOW_MS, Tier

Deed: TypeAlias = Callable[[Layout], Awaitable[None]]
WAITERS = 15
EVICTIONS = 12_000


async def hold(layout: Layout, node: str, count: int) -> None:
    """Open transactions and stay in them, doing nothing."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            held = await stack.enter_async_context(await session(layout, node))
            await held.execute("SELECT 1")
        ready()
        await forever()


async def exhaust_pool(layout: Layout) -> None:
    """Occupy every server connection of the pool; more clients wait, and come back when they are turned away."""

    async def insist() -> None:
        while True:
            try:
                async with await session(layout, Node.PGBOUNCER):
                    await forever()
            except psycopg.OperationalError:
                await asyncio.sleep(0.2)

    async with AsyncExitStack() as stack:
        taken = 0
        while taken < POOL_SIZE:
            try:
                await stack.enter_async_context(await asyncio.wait_for(session(layout, Node.PGBOUNCER), 2))
            except (TimeoutError, psycopg.OperationalError):
                break  # the application holds the rest
            taken += 1
        waiters = [asyncio.create_task(insist()) for _ in range(WAITERS)]
        await asyncio.sleep(0.5)
        ready()
        await asyncio.gather(*waiters)


async def insist_on_a_server(layout: Layout) -> None:
    """Take the pool's idle servers until a client has to wait for a new one, and keep waiting for it."""
    said = False
    async with AsyncExitStack() as stack:
        while True:
            asked = asyncio.create_task(session(layout, Node.PGBOUNCER))
            served, _ = await asyncio.wait(
                [asked], timeout=1
            )  # not cancelled: that takes a session, which would hang too
            if not served and not said:
                said = True
                ready()
            try:
                await stack.enter_async_context(await asked)
            except psycopg.OperationalError:
                await asyncio.sleep(0.2)


async def hold_lock(layout: Layout) -> None:
    """Lock a hot table against everybody; three readers queue behind."""

    async def wait_behind() -> None:
        async with await session(layout) as reader:
            await reader.execute("SELECT id FROM conversation_message LIMIT 1")

    async with await session(layout) as holder:
        await holder.execute("LOCK TABLE conversation_message IN ACCESS EXCLUSIVE MODE")
        waiters = [asyncio.create_task(wait_behind()) for _ in range(3)]
        while await _blocked(layout) < len(waiters):  # noqa: ASYNC110  it is the server that knows
            await asyncio.sleep(0.05)
        ready()
        await asyncio.gather(*waiters)


async def _blocked(layout: Layout) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'culprit' AND wait_event_type = 'Lock'"
    async with await AsyncConnection.connect(layout.dsn(Node.PRIMARY, "opsportal_poll", "postgres")) as connection:
        row = await (await connection.execute(query)).fetchone()
    return row[0] if row else 0


async def slow_queries(layout: Layout) -> None:
    """Statements of 0.7 s, many at a time, as if an index had been dropped."""

    async def dawdle(shape: LiteralString) -> None:
        async with await session(layout) as connection:
            await connection.commit()
            await connection.set_autocommit(True)
            while True:
                await connection.execute(shape)

    shapes: tuple[LiteralString, ...] = (
        "SELECT pg_sleep(0.7)",
        "SELECT id, pg_sleep(0.7) FROM api_key LIMIT 1",
        "SELECT key_id, tier, pg_sleep(0.65) FROM api_key ORDER BY id LIMIT 1",
    )
    tasks = [asyncio.create_task(dawdle(shapes[number % len(shapes)])) for number in range(24)]
    await asyncio.sleep(1)
    ready()
    await asyncio.gather(*tasks)


async def slow_commands(layout: Layout) -> None:
    """A script that keeps Redis from everything else, every second."""
    spin = "local t = 0 for i = 1, 3000000 do t = t + i end return t"
    async with Redis.from_url(layout.redis_url(Node.REDIS, "lab", direct=True)) as client:
        for turn in itertools.count():
            await client.eval(spin, 0)
            if turn == 0:
                ready()
            await asyncio.sleep(1)


async def deadlock(layout: Layout) -> None:
    """Two sessions take the same two locks in opposite order, again and again."""

    async def grab(first: int, second: int) -> None:
        async with await session(layout) as connection:
            while True:
                try:
                    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [first])
                    await asyncio.sleep(0.2)
                    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [second])
                    await connection.commit()
                except errors.DeadlockDetected:
                    await connection.rollback()
                    met.set()

    met = asyncio.Event()
    tasks = [asyncio.create_task(grab(*pair)) for pair in ((1, 2), (2, 1))]
    await met.wait()
    ready()
    await asyncio.gather(*tasks)


async def roll_back(layout: Layout) -> None:
    """Roll back a hundred transactions a second."""
    async with await session(layout) as connection:
        for number in itertools.count():
            await connection.execute("SELECT 1")
            await connection.rollback()
            if number == 100:
                ready()
            await asyncio.sleep(0.01)


async def cold_cache(layout: Layout) -> None:
    """Remove every cached entry, again and again, so that nearly every read misses."""
    async with Redis.from_url(layout.redis_url(Node.REDIS, "lab", direct=True)) as client:
        for turn in itertools.count():
            entries = [key async for key in client.scan_iter("cache:*", 1000) if not key.startswith(b"cache:stats:")]
            if entries:
                await client.unlink(*entries)
            if turn == 0:
                ready()
            await asyncio.sleep(0.1)


async def evict(layout: Layout) -> None:
    """Write entries into a Redis that has hardly any memory left, so that others must go."""
    async with Redis.from_url(layout.redis_url(Node.REDIS, "lab", direct=True)) as client:
        gone = -1
        for turn in itertools.count():
            pipeline = client.pipeline(transaction=False)
            for number in range(500):
                pipeline.set(f"{lab_redis.FAULT_KEYS}{(turn * 500 + number) % 200_000}", b"x" * 1024)
            await pipeline.execute()
            if gone < EVICTIONS:
                gone = (await client.info("stats"))["evicted_keys"]
                if gone >= EVICTIONS:
                    ready()
            else:
                await asyncio.sleep(0.5)


async def ask_too_often(layout: Layout, *, refused: bool) -> None:
    """Ask twenty times a second with a key that may ask ten times a minute; it is done when the first is `refused`, or else answered."""
    key = next(key for key in keys.api_keys(keys.secret(layout.directory)) if key.tier == "Free")
    said = False
    async with httpx.AsyncClient(base_url=layout.url(), headers={"X-API-Key": key.plain}, timeout=5) as client:
        while True:
            try:
                answer = await client.get("/api/dashboard")
            except httpx.HTTPError:
                await asyncio.sleep(1)  # the application is gone for now
                continue
            if (answer.status_code == httpx.codes.TOO_MANY_REQUESTS) is refused and not said:
                said = True
                ready()
            await asyncio.sleep(0.05)


async def use_up_bursts(layout: Layout) -> None:
    """Ask with every Free key, minute by minute, as often as its limit and its burst together allow."""
    quota = QUOTAS[Tier.FREE]
    free = [key for key in keys.api_keys(keys.secret(layout.directory)) if key.tier == Tier.FREE]

    async def ask(plain: str) -> None:
        async with httpx.AsyncClient(base_url=layout.url(), headers={"X-API-Key": plain}, timeout=5) as client:
            with suppress(httpx.HTTPError):  # the application is gone for now
                for _ in range(quota.limit + quota.burst):
                    await client.get("/api/dashboard")

    for turn in itertools.count():
        await asyncio.gather(*(ask(key.plain) for key in free))
        if turn == 0:
            ready()
        await asyncio.sleep(WINDOW_MS / 1000 + 1)


DEEDS: dict[str, Deed] = {
    "exhaust-pool": exhaust_pool,
    "leak-connection": lambda layout: hold(layout, Node.PGBOUNCER, 3),
    "idle-in-transaction": lambda layout: hold(layout, Node.PRIMARY, 3),
    "hold-lock": hold_lock,
    "slow-queries": slow_queries,
    "fill-connections": crowds.fill_connections,
    "deadlock": deadlock,
    "roll-back": roll_back,
    "hoard-locks": crowds.hoard_locks,
    "crowd-pool": crowds.crowd_pool,
    "crowd-redis": crowds.crowd_redis,
    "crowd-servers": crowds.crowd_servers,
    "old-snapshot": hindrances.old_snapshot,
    "age-database": hindrances.age_database,
    "evict-statements": hindrances.evict_statements,
    "read-past-cache": hindrances.read_past_cache,
    "cancel-reports": hindrances.conflict,
    "hold-sealing": hindrances.hold_sealing,
    "endless-dump": hindrances.dump_endlessly,
    "slow-commands": slow_commands,
    "block-traffic": lambda layout: ask_too_often(layout, refused=True),
    "greedy-traffic": lambda layout: ask_too_often(layout, refused=False),
    "burst-traffic": use_up_bursts,
    "enlarge-pool": lambda layout: hold(layout, Node.PGBOUNCER, HELD_SERVERS),
    "stuck-logins": insist_on_a_server,
    "crowd-watchers": crowds.crowd_watchers,
    "cold-cache": cold_cache,
    "evict-redis": evict,
    "stutter-beat": intruders.stutter_beat,
    "cut-writes": intruders.cut_writes,
    "hang-worker": intruders.hang_worker,
    "order-ahead": intruders.order_ahead,
    "deaf-receiver": burdens.receive,
    "gone-receiver": lambda layout: burdens.receive(layout, burdens.GONE),
    "hold-portal-tables": burdens.hold_tables,
    "flood-log": burdens.say_too_much,
    "damage-history": burdens.read_history,
}


async def main(directory: Path, deed: str) -> None:
    """Do one deed until ended."""
    await DEEDS[deed](layouts.load(directory))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
