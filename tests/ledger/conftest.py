"""The owner's login, and a superuser who can do what nobody should."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from apps.lab import postgres
from apps.lab.layout import Layout, Node
from tests import database

Sql = Callable[[str], None]


@pytest.fixture
def owner(layout: Layout, stored: None) -> Iterator[Sql]:
    """Runs a statement with the login that migrates, committed at once."""
    with psycopg.connect(database.environment(layout)["OPSPORTAL_OWNER_DATABASE_URL"], autocommit=True) as connection:
        yield lambda statement: _run(connection, statement)


@pytest.fixture
def superuser(layout: Layout, transactional_db: None) -> Iterator[Sql]:
    """Runs a statement as PostgreSQL's superuser, committed at once."""
    with postgres.connect(layout, Node.STORE, database.NAME) as connection:
        yield lambda statement: _run(connection, statement)


def _run(connection: psycopg.Connection, statement: str) -> None:
    connection.execute(statement.encode())
