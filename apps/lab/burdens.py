"""What weighs on the portal itself: receivers that take nothing, a client that holds its tables, a program that says too much."""

import asyncio
import os
from typing import LiteralString

from psycopg import AsyncConnection

from apps.lab import environment
from apps.lab.layout import HOST, RECEIVER, Layout, Node
from apps.lab.misbehaviour import forever, ready

GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# One table a session, so that two of them never wait for each other; polls read the first, worker and beat write the second.
HELD: tuple[LiteralString, ...] = ("metrics_node", "metrics_processrun")
HELD_SECONDS, LET_GO_SECONDS = 0.4, 0.02
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
    """Lock tables of the portal against everybody, for the better part of half a second, again and again."""
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


async def say_too_much(layout: Layout) -> None:
    """As a program of the portal, write more lines than are kept for a Redis that is away, and wait to be ended."""
    import django  # noqa: PLC0415  no other deed needs the portal's code, and all would wait for it
    import structlog  # noqa: PLC0415

    from apps.telemetry.lines import QUEUED  # noqa: PLC0415

    os.environ |= environment.kept(layout.run) | {"DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    django.setup()
    log = structlog.get_logger()
    for number in range(1, QUEUED + LOST_LINES + 1):
        log.info("said while Redis is away", line=number)
    ready()
    await forever()
