"""Can this process serve: its own database, its own Redis, its migrations; each asked within a bounded time."""

from dataclasses import dataclass
from time import perf_counter

import psycopg
import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

WITHIN_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that serving needs; `detail` says what is wrong and what to do, never an address or a password."""

    name: str
    ready: bool
    detail: str
    milliseconds: float


def parts() -> list[Part]:
    """The store's database, its migrations, and its Redis, in the order in which they are to be mended."""
    database, applied = _applied()
    return [database, _migrations(applied), _redis()]


def _applied() -> tuple[Part, frozenset[tuple[str, str]] | None]:
    """A connection of its own: a dead pooled one would not notice within the time."""
    started = perf_counter()
    parameters = connection.get_connection_params() | {"connect_timeout": WITHIN_SECONDS, "autocommit": True}
    parameters["options"] = f"-c statement_timeout={WITHIN_SECONDS * 1000}"
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    try:
        with psycopg.connect(**parameters, tcp_user_timeout=WITHIN_SECONDS * 1000) as own:
            rows = own.execute("SELECT app, name FROM django_migrations").fetchall()
    except psycopg.errors.UndefinedTable:
        return _part("database", True, "answers", started), frozenset()
    except psycopg.Error as error:
        reason = type(error).__name__
        detail = f"does not answer ({reason}). Is the portal's PostgreSQL running, and is OPSPORTAL_DATABASE_URL right?"
        return _part("database", False, detail, started), None
    return _part("database", True, "answers", started), frozenset((app, name) for app, name in rows)


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
