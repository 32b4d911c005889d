"""Tables of these tests' own in the portal's store, reached by the serving login's address or, with Django, as its alias."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from apps.batch import Table, table
from apps.lab.layout import Layout
from tests import database

MAKE = b"""
CREATE TABLE price (id int8 PRIMARY KEY, amount int4 NOT NULL CHECK (amount >= 0), label text, at timestamptz);
CREATE TABLE keyless (n int4, note text);
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """The tables, the address to reach them at, and the owner's connection to look and to meddle with."""

    address: str
    owner: psycopg.Connection[Any]

    @property
    def price(self) -> Table:
        return table("public.price", self.address)

    @property
    def keyless(self) -> Table:
        return table("public.keyless", self.address)

    def rows(self, query: str = "SELECT id, amount FROM price ORDER BY id") -> list[tuple[Any, ...]]:
        return self.owner.execute(query.encode()).fetchall()

    def one(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def run(self, statement: str) -> None:
        self.owner.execute(statement.encode())


def _made(layout: Layout) -> Iterator[Shop]:
    addresses = database.environment(layout)
    with psycopg.connect(addresses["OPSPORTAL_OWNER_DATABASE_URL"], autocommit=True) as owner:
        owner.execute(MAKE)
        yield Shop(addresses["OPSPORTAL_DATABASE_URL"], owner)
        owner.execute("DROP TABLE IF EXISTS price, keyless")


@pytest.fixture
def shop(layout: Layout, django_db_setup: None) -> Iterator[Shop]:
    """Made for one test and removed after it; Django takes no part."""
    yield from _made(layout)


@pytest.fixture
def stored_shop(layout: Layout, transactional_db: None) -> Iterator[Shop]:
    """The same, where jobs are remembered or models take part: with real commits, and a new database afterwards."""
    yield from _made(layout)
