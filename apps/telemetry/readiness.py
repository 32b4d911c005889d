"""Can this process serve: its own database, its own Redis, its migrations; each asked within a bounded time.

A room above adds what it wants watched from here (`watch`); serving does not need it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, TypeAlias

import psycopg
import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

WITHIN_SECONDS = 2

Watcher: TypeAlias = Callable[[psycopg.Connection[Any]], tuple[bool, str]]
"""Asks the store over the connection given, within its time: whether all is well, and in words what is known. May raise psycopg.Error."""

_watchers: dict[str, Watcher] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that serving needs, or is only `watched`; `detail` says what is wrong and what to do, never an address or a password."""

    name: str
    ready: bool
    detail: str
    milliseconds: float
    watched: bool = False


def watch(name: str, watcher: Watcher) -> None:
    """Let `/readyz` tell of one more thing, by this name."""
    _watchers[name] = watcher


def parts() -> list[Part]:
    """The store's database, its migrations, and its Redis, in the order in which they are to be mended; then what is watched."""
    database, applied, watched = _database()
    return [database, _migrations(applied), _redis(), *watched]


def connect() -> psycopg.Connection[Any]:
    """A connection of one's own to the store, every statement bounded: a dead pooled one would not notice within the time.

    Raises psycopg.Error.
    """
    parameters = connection.get_connection_params() | {"connect_timeout": WITHIN_SECONDS, "autocommit": True}
    parameters["options"] = f"-c statement_timeout={WITHIN_SECONDS * 1000}"
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, tcp_user_timeout=WITHIN_SECONDS * 1000)


def _database() -> tuple[Part, frozenset[tuple[str, str]] | None, list[Part]]:
    """Whether it answers, the migrations it has, and what is watched in it."""
    started = perf_counter()
    try:
        with connect() as own:
            rows = own.execute("SELECT app, name FROM django_migrations").fetchall()
            answers = _part("database", True, "answers", started)
            watched = [_watched(name, watcher, own) for name, watcher in _watchers.items()]
    except psycopg.errors.UndefinedTable:
        return _part("database", True, "answers", started), frozenset(), _unasked()
    except psycopg.Error as error:
        reason = type(error).__name__
        detail = f"does not answer ({reason}). Is the portal's PostgreSQL running, and is OPSPORTAL_DATABASE_URL right?"
        return _part("database", False, detail, started), None, _unasked()
    return answers, frozenset((app, name) for app, name in rows), watched


def _watched(name: str, watcher: Watcher, own: psycopg.Connection[Any]) -> Part:
    started = perf_counter()
    try:
        well, detail = watcher(own)
    except psycopg.Error as error:  # of an older release, or ended by its time: serving goes on
        well, detail = False, f"unknown: the database could not say ({type(error).__name__})"
    return replace(_part(name, well, detail, started), watched=True)


def _unasked() -> list[Part]:
    return [Part(name, False, "unknown while the database does not answer", 0.0, watched=True) for name in _watchers]


def _migrations(applied: frozenset[tuple[str, str]] | None) -> Part:
    started = perf_counter()
    if applied is None:
        return _part("migrations", False, "unknown while the database does not answer", started)
    missing = sorted(_on_disk() - applied)
    if missing:
        named = ", ".join(f"{app}.{name}" for app, name in missing[:3])
        return _part("migrations", False, f"{len(missing)} not applied ({named}…). Run `manage.py migrate`.", started)
    return _part("migrations", True, "all applied", started)


_disk: frozenset[tuple[str, str]] | None = None


def _on_disk() -> frozenset[tuple[str, str]]:
    global _disk  # noqa: PLW0603  read once: files do not change under a running process
    if _disk is None:
        loader = MigrationLoader(None, load=False)
        loader.load_disk()
        _disk = frozenset(loader.disk_migrations)
    return _disk


def _redis() -> Part:
    started = perf_counter()
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=WITHIN_SECONDS, socket_connect_timeout=WITHIN_SECONDS, retry=None
    )
    try:
        client.ping()
    except redis.RedisError as error:
        reason = type(error).__name__
        detail = f"does not answer ({reason}). Is the portal's Redis running, and is OPSPORTAL_REDIS_URL right?"
        return _part("redis", False, detail, started)
    finally:
        client.close()
    return _part("redis", True, "answers", started)


def _part(name: str, ready: bool, detail: str, started: float) -> Part:
    return Part(name, ready, detail, round((perf_counter() - started) * 1000, 2))
