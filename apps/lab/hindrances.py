"""Badly behaved clients that hinder what goes on by itself: vacuum, statistics, cache, replay, the portal's upkeep. Deeds of `culprit`."""

import asyncio
import itertools
from pathlib import Path

from psycopg import AsyncConnection, IsolationLevel, errors

from apps.lab import environment
from apps.lab.layout import Layout, Node
from apps.lab.misbehaviour import NO_LIMITS, forever, ready, session

SQL = Path(__file__).parent / "sql"
AGED = "lab_aged"


async def old_snapshot(layout: Layout) -> None:
    """Keep the snapshot of a transaction while a million others come and go: subtransactions of one, which takes seconds, not minutes."""
    old = await AsyncConnection.connect(layout.dsn(Node.PRIMARY, "app"), application_name="culprit")
    async with old:
        await old.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await old.execute(NO_LIMITS)
        await old.execute("SELECT 1")
        async with await session(layout) as busy:
            await busy.execute((SQL / "burn_transactions.sql").read_bytes())
        ready()
        await forever()


async def age_database(layout: Layout) -> None:
    """Say of a database that it is near wraparound, as often as autovacuum says that it is not."""
    dsn = layout.dsn(Node.PRIMARY, "postgres", "postgres", direct=True)
    async with await AsyncConnection.connect(dsn, autocommit=True, application_name="culprit") as superuser:
        for turn in itertools.count():
            await superuser.execute((SQL / "age_database.sql").read_bytes())
            if turn == 0:
                ready()
            await asyncio.sleep(0.2)


async def evict_statements(layout: Layout) -> None:
    """Have pg_stat_statements drop its least used statements every other second."""
    dsn = layout.dsn(Node.PRIMARY, "postgres", "postgres", direct=True)
    async with await AsyncConnection.connect(dsn, autocommit=True, application_name="culprit") as superuser:
        for turn in itertools.count():
            await superuser.execute((SQL / "evict_statements.sql").read_bytes())
            if turn == 0:
                ready()
            await asyncio.sleep(2)


async def read_past_cache(layout: Layout) -> None:
    """Read a table again and again that is so large that the server keeps none of it; each session's end tells what it read."""
    for turn in itertools.count():
        async with await session(layout) as reader:
            for _ in range(20):
                await reader.execute("SELECT count(*) FROM lab_wide")
        if turn == 0:
            ready()
        await asyncio.sleep(0.5)


async def conflict(layout: Layout) -> None:
    """Read a table on the second replica while the primary locks it, again and again: replay cancels the reader each time."""
    said = False
    while True:
        async with await session(layout, Node.REPLICA_2) as reader, await session(layout) as writer:
            try:
                await reader.execute("SELECT FROM lab_contended")
            except errors.UndefinedTable:  # its making was not replayed yet
                await asyncio.sleep(0.05)
                continue
            report = asyncio.create_task(_report(reader))
            await writer.execute("LOCK TABLE lab_contended IN ACCESS EXCLUSIVE MODE")
            await writer.commit()
            cancelled = await report
        if cancelled and not said:
            said = True
            ready()
        await asyncio.sleep(0.5)


async def _report(reader: AsyncConnection) -> bool:
    """Run long; whether replay cancelled it."""
    try:
        await reader.execute("SELECT pg_sleep(5)")
    except errors.OperationalError:
        await reader.close()
        return True
    return False


async def hold_sealing(layout: Layout) -> None:
    """Hold the lock by which one worker at a time packs the portal's history."""
    from apps.metrics.seal import LOCK  # noqa: PLC0415  numpy comes with it, which no other deed needs

    async with await _of_portal(layout) as worker:
        await worker.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        ready()
        await forever()


async def dump_endlessly(layout: Layout) -> None:
    """Hold the portal's polls as a dump does: they are read and written, and none of their partitions can be dropped."""
    async with await _of_portal(layout) as dump:
        await dump.execute("LOCK TABLE metrics_poll IN ACCESS SHARE MODE")
        ready()
        await forever()


async def _of_portal(layout: Layout) -> AsyncConnection:
    """A session inside a transaction of the login by which the portal that runs on this lab serves."""
    return await AsyncConnection.connect(
        environment.kept(layout.run)["OPSPORTAL_DATABASE_URL"], application_name="culprit"
    )
