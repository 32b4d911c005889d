"""A correlation id and one log line for every request, and the headers that tell browsers what pages may do."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from apps.telemetry import correlation, logs, monitor, tracing
from apps.telemetry.streaming import follow, made_while_sent

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# Every 5 seconds by every open page and every probe: at INFO their lines would drown the others.
PROBES = {"healthz", "readyz", "telemetry:metrics-queries"}
LOG_PAGE = "telemetry:logs"


class CorrelationMiddleware:
    """Takes the caller's correlation id or makes one, answers with it, and logs the request when it is done."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.slow_seconds = float(getattr(settings, "SLOW_REQUEST_MS", 1000)) / 1000
        self._answer = tracing.around(self._recorded)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request, within its correlation id and with a record of its queries."""
        word = correlation.from_request(request.META)
        token = correlation.bind(word)
        try:
            response = self._answer(request)
        finally:
            correlation.unbind(token)
        response.headers[correlation.HEADER] = word
        return response

    def _recorded(self, request: HttpRequest) -> HttpResponseBase:
        started = perf_counter()
        record, token = monitor.begin()
        try:
            response = self.get_response(request)
            if made_while_sent(response):
                self._follow(request, response, started, record)
                return response
        finally:
            monitor.leave(token)
        self._say(request, response, perf_counter() - started, record)
        return response

    def _follow(
        self, request: HttpRequest, response: StreamingHttpResponse, started: float, record: monitor.Record
    ) -> None:
        """Say the line when the answer is over: only then is known how long it took, what it asked and how much it was."""
        before = perf_counter() - started

        def ended(sent: int, making: float, failure: Exception | None) -> None:
            self._say(request, response, before + making, record, (sent, failure))

        follow(response, ended)

    def _say(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        seconds: float,
        record: monitor.Record,
        streamed: tuple[int, Exception | None] | None = None,
    ) -> None:
        monitor.hand_over(record)
        match, status, slow = request.resolver_match, response.status_code, seconds > self.slow_seconds
        queries, query_seconds = monitor.spent(record)
        event: dict[str, Any] = {
            "event": "slow request" if slow else "request",
            "method": request.method,
            # The pattern, which holds no id; a path only where there is no pattern.
            "route": match.route if match else None,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "user_id": _user_id(request),
            "bytes": streamed[0] if streamed else _size(response),
            "queries": queries,
            "query_ms": round(query_seconds * 1000, 2),
        }
        if match is None:
            event["path"] = request.path
        if streamed and streamed[1]:
            event |= {"event": "answer broken off", "exc_info": streamed[1]}
            status = 500
        logs.say(self._level(request, status, slow), event)

    def _level(self, request: HttpRequest, status: int, slow: bool) -> int:
        if status >= 500:
            return logging.ERROR
        if slow:
            return logging.WARNING
        name = request.resolver_match.view_name if request.resolver_match else ""
        refreshed = "HTTP_HX_REQUEST" in request.META and (status == 204 or name == LOG_PAGE)
        return logging.DEBUG if refreshed or (status == 200 and name in PROBES) else logging.INFO


def _size(response: HttpResponseBase) -> int | None:
    if isinstance(response, HttpResponse):
        return len(response.content)
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None


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
