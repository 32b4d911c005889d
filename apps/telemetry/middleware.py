"""A correlation id and one log line for every request, and the headers that tell browsers what pages may do."""

import logging
from collections.abc import Callable
from time import perf_counter

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from structlog.typing import FilteringBoundLogger

from apps.telemetry import correlation, monitor, tracing

GetResponse = Callable[[HttpRequest], HttpResponseBase]
log = structlog.get_logger("request")

# Every 5 seconds by every open page and every probe: at INFO their lines would drown the others.
PROBES = {"healthz", "readyz", "telemetry:metrics-queries"}
LOG_PAGE = "telemetry:logs"


class CorrelationMiddleware:
    """Takes the caller's correlation id or makes one, answers with it, and logs the request when it is done."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.slow_seconds = float(getattr(settings, "SLOW_REQUEST_MS", 1000)) / 1000
        self._answer = tracing.around(self._recorded)
        self._bound: FilteringBoundLogger = log.bind()
        self._processors = structlog.get_config()["processors"]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request, within its correlation id and with a record of its queries."""
        word = correlation.from_request(request.META)
        with correlation.correlated(word):
            response = self._answer(request)
        response.headers[correlation.HEADER] = word
        return response

    def _recorded(self, request: HttpRequest) -> HttpResponseBase:
        started = perf_counter()
        with monitor.recorded() as record:
            response = self.get_response(request)
        self._say(request, response, perf_counter() - started, record)
        return response

    def _say(self, request: HttpRequest, response: HttpResponseBase, seconds: float, record: monitor.Record) -> None:
        match, slow = request.resolver_match, seconds > self.slow_seconds
        queries, query_seconds = monitor.spent(record)
        self._logger().log(
            self._level(request, response.status_code, slow),
            "slow request" if slow else "request",
            method=request.method,
            # The pattern, which holds no id; a path only where there is no pattern.
            **({"route": match.route} if match else {"route": None, "path": request.path}),
            status=response.status_code,
            duration_ms=round(seconds * 1000, 2),
            user_id=_user_id(request),
            bytes=len(response.content) if isinstance(response, HttpResponse) else None,
            queries=queries,
            query_ms=round(query_seconds * 1000, 2),
        )

    def _logger(self) -> FilteringBoundLogger:
        """The logger as it is set up now; making it anew for each line costs a fifth of the line."""
        processors = structlog.get_config()["processors"]
        if processors is not self._processors:
            self._bound, self._processors = log.bind(), processors
        return self._bound

    def _level(self, request: HttpRequest, status: int, slow: bool) -> int:
        if status >= 500:
            return logging.ERROR
        if slow:
            return logging.WARNING
        name = request.resolver_match.view_name if request.resolver_match else ""
        refreshed = "HTTP_HX_REQUEST" in request.META and (status == 204 or name == LOG_PAGE)
        return logging.DEBUG if refreshed or (status == 200 and name in PROBES) else logging.INFO


def _user_id(request: HttpRequest) -> int | None:
    # Only when something looked at the person already: a log line asks no database.
    user = getattr(request, "_cached_user", None)
    return user.pk if user else None


POLICY = "; ".join(  # noqa: FLY002  one directive a line
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self)"


class ContentSecurityPolicyMiddleware:
    """
    Sets Content-Security-Policy, Permissions-Policy and, for pages that are not public, no-store.

    One constant policy without unsafe-inline, unsafe-eval or nonces: no page of the portal has a script or a style of
    its own. A view's own policy, should one be needed, stands.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers to the answer."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if getattr(request, "_cached_user", None) is not None:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
