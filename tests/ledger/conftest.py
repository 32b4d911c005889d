"""The owner's login, and a superuser who can do what nobody should."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.test import Client
from pytest_django import Settings

from apps.lab import postgres
from apps.lab.layout import Layout, Node
from apps.ledger.keys import SigningKey
from apps.ledger.offline.verify import LOG, WITNESS, Checkpoint, Key
from apps.ledger.witness import Places, Unreachable, Witness
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


@pytest.fixture
def ledger_key(settings: Settings) -> Key:
    """The portal signs with a new key; its public half."""
    key = SigningKey.make("portal.test/ledger", LOG)
    settings.LEDGER_KEY = key.secret
    return key.public


@dataclass
class Witnesses:
    """A witness with a key and files of its own, and a clock that a test may turn; it asks the portal as anybody would."""

    folder: Path
    ledger: Key
    key: SigningKey
    ahead: int = 0

    @property
    def witness(self) -> Witness:
        places = Places("http://testserver", self.folder / "memory.json", self.folder / "witnessed.txt")
        return Witness(self.key, self.ledger, places, self.fetch, lambda: time.time() + self.ahead)

    def look(self) -> Checkpoint:
        return self.witness.look()

    def fetch(self, path: str) -> bytes:
        answer = Client().get(f"/ledger/{path}")
        if answer.status_code != 200:
            raise Unreachable(answer.content.decode())
        return answer.content


@pytest.fixture
def witness(tmp_path: Path, ledger_key: Key, settings: Settings) -> Witnesses:
    """A witness that the portal knows."""
    made = Witnesses(tmp_path, ledger_key, SigningKey.make("witness.test", WITNESS))
    settings.LEDGER_WITNESS_KEY = str(made.key.public)
    settings.LEDGER_WITNESSED = str(tmp_path / "witnessed.txt")
    return made
