"""The tests' own database in the store: made and migrated by the owner's login, used with the serving one, as in production."""

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from apps.lab import postgres
from apps.lab.layout import Layout, Node

NAME = "test_opsportal"
TEMPLATE = "test_opsportal_empty"


def make(layout: Layout, *, keep: bool) -> None:
    """Make and migrate the database; `keep` migrates the one that is there."""
    with postgres.connect(layout, Node.STORE) as connection:
        there = _exists(connection, NAME)
        if there and not keep:
            _drop(connection, NAME)
        _drop(connection, TEMPLATE)
        if not there or not keep:
            _create(connection, NAME, "template1")
    postgres.grant_store(layout, NAME)
    _use(layout, "opsportal_owner")
    call_command("migrate", verbosity=0, interactive=False)
    _use(layout, "opsportal_app")


def remember_empty(layout: Layout) -> None:
    """Keep a copy of the migrated, empty database for `restore_empty`; does nothing the second time."""
    connections.close_all()
    with postgres.connect(layout, Node.STORE) as connection:
        if not _exists(connection, TEMPLATE):
            _end_sessions(connection)
            _create(connection, TEMPLATE, NAME)


def restore_empty(layout: Layout) -> None:
    """Throw away everything that was committed."""
    connections.close_all()
    with postgres.connect(layout, Node.STORE) as connection:
        _drop(connection, NAME)
        _create(connection, NAME, TEMPLATE)


def drop(layout: Layout) -> None:
    """Remove the database and its copy."""
    connections.close_all()
    with postgres.connect(layout, Node.STORE) as connection:
        _drop(connection, NAME)
        _drop(connection, TEMPLATE)


def environment(layout: Layout, name: str = NAME) -> dict[str, str]:
    """The OPSPORTAL_… variables of a process of the portal that works on the tests' database, or on one of another name."""
    return layout.environment() | {
        "OPSPORTAL_DATABASE_URL": layout.dsn(Node.STORE, "opsportal_app", name),
        "OPSPORTAL_OWNER_DATABASE_URL": layout.dsn(Node.STORE, "opsportal_owner", name),
    }


def make_another(layout: Layout, name: str) -> None:
    """A second migrated, empty database beside the tests' own, for a portal that runs in processes of its own."""
    remember_empty(layout)
    with postgres.connect(layout, Node.STORE) as connection:
        _drop(connection, name)
        _create(connection, name, TEMPLATE)


def _use(layout: Layout, login: str) -> None:
    connection = connections["default"]
    connection.close()
    connection.settings_dict.update(NAME=NAME, USER=login, PASSWORD=layout.password("store", login))


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(connection: psycopg.Connection, name: str, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} OWNER opsportal_owner TEMPLATE {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def _end_sessions(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [NAME])
