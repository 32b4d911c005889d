"""What weighs on the portal itself: receivers that take nothing, a client that holds its tables, programs that say too much or read."""

import asyncio
import os
from datetime import UTC, datetime
from typing import LiteralString

from psycopg import AsyncConnection

from apps.lab import environment
from apps.lab.layout import HOST, RECEIVER, Layout, Node
from apps.lab.misbehaviour import forever, ready

GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# One table a session, so that two of them never wait for each other. Polls, worker, beat and the tasks of beat ask for them all the time.
HELD: tuple[LiteralString, ...] = (
    "metrics_node", "metrics_tier", "metrics_processrun", "metrics_delivery", "ledger_checkpoint", "rollouts_watch",
)  # fmt: skip
HELD_SECONDS, LET_GO_SECONDS = 0.5, 0.02
LOST_LINES = 200


async def receive(layout: Layout, answer: bytes = b"") -> None:
    """Where the portal may post: every notice is taken, and answered with this; with nothing, the sender waits until it has enough."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if answer:
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(answer)
                await writer.drain()
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it hung up
        finally:
            writer.close()

    async with await asyncio.start_server(take, HOST, layout.ports[RECEIVER]):
        ready()
        await forever()


async def hold_tables(layout: Layout) -> None:
    """Lock tables of the portal against everybody, for half a second each time, again and again."""
    dsn = layout.dsn(Node.STORE, "postgres", environment.database(environment.kept(layout.run)))

    async def hold(table: LiteralString) -> None:
        async with await AsyncConnection.connect(dsn, application_name="culprit") as connection:
            while True:
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(HELD_SECONDS)
                await connection.commit()
                await asyncio.sleep(LET_GO_SECONDS)

    held = [asyncio.create_task(hold(table)) for table in HELD]
    ready()
    await asyncio.gather(*held)


def _be_of_the_portal(layout: Layout) -> None:
    """Go on as a program of the portal that runs on this lab."""
    import django  # noqa: PLC0415  no other deed needs the portal's code, and all would wait for it

    os.environ |= environment.kept(layout.run) | {"DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    django.setup()


async def say_too_much(layout: Layout) -> None:
    """Write more lines than are kept for a Redis that is away, and wait to be ended."""
    _be_of_the_portal(layout)
    import structlog  # noqa: PLC0415

    from apps.telemetry.lines import QUEUED  # noqa: PLC0415

    log = structlog.get_logger()
    for number in range(1, QUEUED + LOST_LINES + 1):
        log.info("said while Redis is away", line=number)
    ready()
    await forever()


async def read_history(layout: Layout) -> None:
    """Draw single samples of the last day as a chart does, tell what was come upon, and wait to be ended."""
    _be_of_the_portal(layout)
    await asyncio.to_thread(_draw)
    ready()
    await forever()


def _draw() -> None:
    from apps.lab.faults.telling import METRIC, TIER  # noqa: PLC0415
    from apps.metrics.levels import RAW  # noqa: PLC0415
    from apps.metrics.models import Tier  # noqa: PLC0415
    from apps.metrics.store import lines  # noqa: PLC0415
    from apps.telemetry.outbox import outbox  # noqa: PLC0415

    tier, end = Tier.objects.get(slug=TIER), datetime.now(UTC)
    for _ in range(4):
        lines(tier, [METRIC], end - RAW.span, end)
        end -= RAW.span
    outbox.flush()
