"""What badly behaved clients of the lab have in common: they say that their deed is done, and stay."""

import asyncio
import sys
from typing import LiteralString

from psycopg import AsyncConnection

from apps.lab.layout import Layout, Node

# The login `app` has time limits of its own; this client does not respect them.
NO_LIMITS: LiteralString = (
    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)
HELD_SERVERS = 52  # more than a primary should have to serve


def ready() -> None:
    """Tell the starter that the deed is done."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


async def forever() -> None:
    """Wait to be ended."""
    await asyncio.Event().wait()


async def session(layout: Layout, node: str = Node.PRIMARY) -> AsyncConnection:
    """A session of the application's login inside a transaction without limits."""
    connection = await AsyncConnection.connect(
        layout.dsn(node, "app"), prepare_threshold=None, application_name="culprit"
    )
    await connection.execute(NO_LIMITS)
    return connection
