"""What a session of the store is called in `pg_stat_activity`: the program, and during a task the task's correlation id.

Only sessions that the settings give an `application_name` are renamed. A name costs one round trip: a new session and a
task, which sends dozens of statements, can afford it; a request cannot, and its slow queries carry its id in their log line.
"""

from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from apps.telemetry import correlation, process

LONGEST = 63  # PostgreSQL cuts names there
_RENAME = "SELECT set_config('application_name', %s, false)"


def name_of(base: str, word: str = "") -> str:
    """`opsportal worker 3f2a…`."""
    return f"{base} {process.NAME} {word}".strip()[:LONGEST]


def name_new(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`: the program's name, and the task's id where a task opened it: Celery has each open its own."""
    _rename(connection, correlation.current() if "task_id" in correlation.bound() else "")


def _rename(connection: BaseDatabaseWrapper, word: str) -> None:
    base = connection.settings_dict.get("OPTIONS", {}).get("application_name")
    if not base or connection.vendor != "postgresql" or connection.connection is None:
        return
    try:
        with (
            connection.wrap_database_errors,
            connection.connection.cursor() as cursor,
        ):  # the driver's: the monitor need not see it
            cursor.execute(_RENAME, [name_of(base, word)])
    except DatabaseError:
        return  # a session that just died says so at the task's first query


def begin_naming() -> None:
    """Called once, when Django starts."""
    connection_created.connect(name_new)
