"""The application's own view of its parts: /health and /health/detailed. All are asked at once, with a deadline."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apps.lab.application.configuration import Configuration
from apps.lab.application.connections import BoundedConnection
from apps.lab.application.queries import QueryMonitor, Statistics
from apps.replicas import router

ASK_SECONDS = 1
KEEP_SECONDS = 1.0  # one answer serves all who ask within
HEALTHY, DEGRADED, UNHEALTHY = "healthy", "degraded", "unhealthy"
_ORDER = (HEALTHY, DEGRADED, UNHEALTHY)
_MB = 1_000_000


def worst(*states: str) -> str:
    """The worst of several states; of none, healthy.

    >>> worst("healthy", "degraded")
    'degraded'
    """
    return max(states, key=_ORDER.index, default=HEALTHY)


def band(value: float | None, degraded: float, unhealthy: float, *, strictly: bool = True) -> str:
    """The state of a figure that is better small; nothing measured does not count against it.

    >>> band(50, 0, 10_000), band(0, 0, 10_000), band(300, 300, 600, strictly=False)
    ('degraded', 'healthy', 'degraded')
    """
    if value is None:
        return HEALTHY
    if value > unhealthy:
        return UNHEALTHY
    return DEGRADED if value > degraded or (not strictly and value >= degraded) else HEALTHY


class Health:
    """Asks all parts and keeps the answer for a second. Threads share one."""

    def __init__(self, configuration: Configuration, monitor: QueryMonitor) -> None:
        self._configuration, self._monitor = configuration, monitor
        self._redis = Redis.from_url(
            configuration.redis,
            socket_timeout=ASK_SECONDS,
            socket_connect_timeout=ASK_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._askers = ThreadPoolExecutor(2 + len(configuration.replicas) + 1, thread_name_prefix="health")
        self._lock = threading.Lock()
        self._kept: tuple[float, dict[str, Any]] = (float("-inf"), {})

    def detailed(self) -> dict[str, Any]:
        """The document of /health/detailed, at most KEEP_SECONDS old."""
        with self._lock:
            at, document = self._kept
            if time.monotonic() - at > KEEP_SECONDS:
                document = self._ask_all()
                self._kept = (time.monotonic(), document)
        return document

    def brief(self) -> dict[str, Any]:
        """The document of /health."""
        document = self.detailed()
        return {"status": document["status"], "timestamp": document["timestamp"]}

    def _ask_all(self) -> dict[str, Any]:
        primary = self._askers.submit(self._primary)
        redis = self._askers.submit(_answer, self._ask_redis)
        pgbouncer = self._askers.submit(_answer, self._ask_pgbouncer)
        told, written = primary.result()
        asked = {
            name: self._askers.submit(_answer, lambda dsn=dsn: self._ask_replica(dsn, written))  # type: ignore[misc]
            for name, dsn in self._configuration.replicas.items()
        }
        replicas = [{"name": name} | future.result() for name, future in asked.items()]
        statistics = self._monitor.statistics()
        services = {
            "database": {"status": _database_state(told, replicas), "primary": told, "replicas": replicas},
            "redis": redis.result(),
            "pgbouncer": pgbouncer.result(),
            "queries": _queries(statistics),
        }
        return {
            "status": worst(*(service["status"] for service in services.values())),
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "services": services,
        }

    def _primary(self) -> tuple[dict[str, Any], int | None]:
        started = time.perf_counter()
        try:
            with _asking(self._configuration.primary) as connection:
                row = connection.execute(router.FLUSHED).fetchone()
        except psycopg.Error as error:
            return {"connected": False, "latency_ms": None, "error": type(error).__name__}, None
        latency = round((time.perf_counter() - started) * 1000, 3)
        return {"connected": True, "latency_ms": latency}, int(row["flushed"]) if row else None

    def _ask_replica(self, dsn: str, written: int | None) -> dict[str, Any]:
        with _asking(dsn) as connection:
            row = connection.execute(router.BEHIND, {"written": written}).fetchone()
        lag = None if row is None or row["lag_seconds"] is None else round(float(row["lag_seconds"]), 3)
        return {"status": band(lag, 1, 5, strictly=False), "connected": True, "lag_seconds": lag}

    def _ask_redis(self) -> dict[str, Any]:
        info = self._redis.info()
        memory, evictions = int(info["used_memory"]), int(info["evicted_keys"])
        return {
            "status": worst(band(memory / _MB, 100, 500, strictly=False), band(evictions, 0, 10_000)),
            "connected": True,
            "memory_bytes": memory,
            "keys": sum(int(part["keys"]) for name, part in info.items() if name.startswith("db")),
            "evictions": evictions,
        }

    def _ask_pgbouncer(self) -> dict[str, Any]:
        with _asking(self._configuration.console, console=True) as connection:
            pools = [pool for pool in connection.execute("SHOW POOLS").fetchall() if pool["database"] != "pgbouncer"]
        waiting = sum(int(pool["cl_waiting"]) for pool in pools)
        active = sum(int(pool["sv_active"]) for pool in pools)
        return {"status": band(waiting, 0, 10), "connected": True, "active": active, "waiting": waiting}


class _Asking(BoundedConnection):
    """A connection for one question of the health page."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ARG002  always ours
        return super().wait(gen, interval, ASK_SECONDS)


def _asking(dsn: str, *, console: bool = False) -> BoundedConnection:
    return _Asking.connect(
        dsn,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=ASK_SECONDS + 1,  # libpq's least is two seconds
        application_name="messaging-health",
        prepare_threshold=None,
        **({"cursor_factory": psycopg.ClientCursor} if console else {}),  # type: ignore[arg-type]
    )


def _answer(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except (psycopg.Error, RedisError) as error:
        return {"status": UNHEALTHY, "connected": False, "error": type(error).__name__}


def _database_state(primary: dict[str, Any], replicas: list[dict[str, Any]]) -> str:
    """Without the primary, or with no replica left, unhealthy; with one of several down, degraded."""
    if not primary["connected"]:
        return UNHEALTHY
    down = sum(1 for replica in replicas if not replica["connected"])
    if replicas and down == len(replicas):
        return UNHEALTHY
    return worst(DEGRADED if down else HEALTHY, *(replica["status"] for replica in replicas if replica["connected"]))


def _queries(statistics: Statistics) -> dict[str, Any]:
    share = None if statistics.slow_share is None else statistics.slow_share * 100
    return {
        "status": worst(band(statistics.p95, 300, 600, strictly=False), band(share, 5, 10, strictly=False)),
        "p95_ms": statistics.p95,
        "slow_share": statistics.slow_share,
    }
