"""Badly behaved clients of the portal that runs on the lab: of its programs, its store, its queue. Deeds of `culprit`."""

import asyncio
import itertools
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from psycopg import AsyncConnection

from apps.lab import environment
from apps.lab.layout import Layout, Node
from apps.lab.misbehaviour import forever, ready
from apps.lab.processes import Roster

SQL = Path(__file__).parent / "sql"
POLL_SECONDS = 10  # where nothing else is set
LATER = timedelta(
    seconds=12
)  # and A_SECOND orders: more messages wait at any time, and for longer, than the first thresholds say
A_SECOND = 6
QUEUE, TASK = "opsportal", "apps.metrics.tasks.deliver"


async def stutter_beat(layout: Layout) -> None:
    """Freeze beat for two intervals, so that at least one poll is ordered by nobody, and let it go on for as long."""
    interval = float(environment.kept(layout.run).get("OPSPORTAL_POLL_SECONDS", POLL_SECONDS))
    for turn in itertools.count():
        if beat := Roster(layout.run).find("beat"):
            beat.freeze()
        if turn == 0:
            ready()
        await asyncio.sleep(2 * interval)
        if beat:
            beat.thaw()
        await asyncio.sleep(2 * interval)


async def cut_writes(layout: Layout) -> None:
    """End the session of every other poll while it writes, which is known because it is held up there."""
    async with await _store(layout) as store:
        for turn in itertools.count():
            async with store.transaction():
                await store.execute("LOCK TABLE ONLY metrics_poll IN SHARE MODE")
                if turn == 0:
                    ready()
                while not await _asked(store, "end_writers.sql"):  # noqa: ASYNC110  it is the server that knows
                    await asyncio.sleep(0.05)
                before = await _asked(store, "last_poll.sql")
            while await _asked(store, "last_poll.sql") == before:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def hang_worker(layout: Layout) -> None:
    """Let nobody claim a slot: whoever polls waits for it."""
    async with await _store(layout) as store, store.transaction():
        await store.execute("LOCK TABLE metrics_slot IN SHARE MODE")
        ready()
        await forever()


async def order_ahead(layout: Layout) -> None:
    """Order a task of the portal for later, again and again. The worker takes each ahead of its time, and drops it then: it has expired."""
    from celery import Celery  # noqa: PLC0415  no other deed has to wait for it
    from kombu.exceptions import OperationalError  # noqa: PLC0415

    from apps.telemetry.carrying import SENT  # noqa: PLC0415

    app = Celery(broker=f"{environment.kept(layout.run)['OPSPORTAL_REDIS_URL']}/0")
    for turn in itertools.count():
        with suppress(OperationalError):  # its Redis is gone for now
            app.send_task(
                TASK,
                queue=QUEUE,
                countdown=LATER.total_seconds(),
                expires=LATER.total_seconds() - 1,
                headers={SENT: time.time()},
            )
        if turn == 0:
            ready()
        await asyncio.sleep(1 / A_SECOND)


async def _store(layout: Layout) -> AsyncConnection:
    """A superuser's session in the database of the portal that runs now."""
    own = urlsplit(environment.kept(layout.run)["OPSPORTAL_DATABASE_URL"])
    dsn = layout.dsn(Node.STORE, "postgres", unquote(own.path.removeprefix("/")), direct=True)
    return await AsyncConnection.connect(dsn, autocommit=True, application_name="culprit")


async def _asked(store: AsyncConnection, file: str) -> object:
    """The one value that a question answers."""
    row = await (await store.execute((SQL / file).read_bytes())).fetchone()
    return row[0] if row else None
