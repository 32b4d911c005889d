"""The application itself: one WSGI callable over the API, its health and its own measurements."""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import psycopg

from apps.cache import aside
from apps.lab.application import web
from apps.lab.application.api import Api
from apps.lab.application.configuration import Configuration
from apps.lab.application.counters import Counters
from apps.lab.application.database import Database
from apps.lab.application.health import UNHEALTHY, Health
from apps.lab.application.logs import RequestLog, correlated
from apps.lab.application.messages import Messaging
from apps.lab.application.queries import QueryMonitor
from apps.lab.application.web import Answer, Refused, Request, route
from apps.lab.switches import SwitchBoard
from apps.ratelimits import limiter


class Application:
    """The WSGI callable. Make one a process; threads share it."""

    def __init__(self, configuration: Configuration) -> None:
        self._board = SwitchBoard(configuration.switches)
        self._monitor, self._counters = QueryMonitor(), Counters()
        self._log = RequestLog(configuration.folder)
        self._database = Database(configuration, self._board, self._monitor)
        self._messaging = Messaging(self._database, self._board, aside.connect(configuration.redis))
        self._limiter = limiter.Limiter(limiter.connect(configuration.redis))
        self._health = Health(configuration, self._monitor)
        api = Api(self._messaging, self._limiter, self._board, self._counters)
        self._routes = (
            route("GET", "/health", lambda _: _of_health(self._health.brief())),
            route("GET", "/health/detailed", lambda _: _of_health(self._health.detailed())),
            route("GET", "/metrics/queries", lambda _: Answer(self._monitor.report())),
            route("GET", "/metrics/app", lambda _: Answer(self._report())),
            route("GET", "/metrics/logs", lambda _: Answer({"lines": self._log.recent()})),
            *api.routes,
        )
        self._database.start()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; whatever fails is answered too, and nothing takes longer than the parts' deadlines."""
        structured = self._board.now().structured_logs
        with correlated(environ.get("HTTP_X_CORRELATION_ID", ""), on=structured) as correlation:
            started = time.perf_counter()
            path = environ.get("PATH_INFO", "/")
            answer = self._answer(lambda: web.request_of(environ))
            ms = (time.perf_counter() - started) * 1000
            if path.startswith("/api/"):
                self._counters.answered(answer.status, ms)
                level = "error" if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "info"
                facts: dict[str, Any] = {
                    "method": environ["REQUEST_METHOD"],
                    "path": path,
                    "status": int(answer.status),
                }
                self._log.write(level, "request", structured=structured, **facts, duration_ms=round(ms, 3))
            if correlation:
                answer.headers["X-Correlation-ID"] = correlation
            return answer.send(start_response)

    def _answer(self, read: Callable[[], Request]) -> Answer:
        try:
            request = read()
            handler, numbers = web.find(self._routes, request.method, request.path)
            return handler(request, *numbers)
        except Refused as refused:
            return Answer({"error": refused.sentence}, refused.status, refused.headers)
        except psycopg.OperationalError as error:
            sentence = "The database does not answer. Nothing was lost; try again in a moment."
            self._counters.count(f"database_{type(error).__name__}")
            return Answer({"error": sentence}, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "2"})
        except psycopg.Error as error:
            sentence = f"The database refused ({type(error).__name__}). The request was not carried out."
            return Answer({"error": sentence}, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _report(self) -> dict[str, Any]:
        """The document of /metrics/app; counts are cumulative since `started_at` (Unix seconds)."""
        switches = self._board.now()
        limited = self._counters.of("limiter_passed", "limiter_exceeded", "limiter_degraded")
        return {
            "started_at": self._counters.started_at,
            "uptime_seconds": round(time.time() - self._counters.started_at, 1),
            "requests": self._counters.requests(),
            "routing": self._database.routing(),
            "cache": {"on": switches.cache, **self._cache_counts()},
            "limiter": {"mode": str(switches.limits), **{n.removeprefix("limiter_"): c for n, c in limited.items()}},
            "queue": self._counters.of("delivered"),
            "logs": {"structured": switches.structured_logs, "lines": self._log.lines},
            "switches": {name: getattr(switches, name) for name in switches.__dataclass_fields__},
        }

    def _cache_counts(self) -> dict[str, int]:
        caches = self._messaging.caches.values()
        totals = [cache.totals() for cache in caches]
        names = ("hits", "misses", "loads", "stale")
        counts = {name: sum(total[name] for total in totals) for name in names}
        return counts | {"degraded": sum(cache.degraded for cache in caches)}


def _of_health(document: dict[str, Any]) -> Answer:
    unhealthy = document["status"] == UNHEALTHY
    return Answer(document, HTTPStatus.SERVICE_UNAVAILABLE if unhealthy else HTTPStatus.OK)
