"""A correlation id and one log line for every request, and the headers that tell browsers what pages may do."""

from collections.abc import Callable
from time import perf_counter

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.telemetry import correlation

GetResponse = Callable[[HttpRequest], HttpResponseBase]
log = structlog.get_logger("request")

# Every 5 seconds by every open page and every probe: their lines would drown the others.
SILENT_WHEN_WELL = {"healthz", "readyz"}


class CorrelationMiddleware:
    """Takes the caller's correlation id or makes one, answers with it, and logs the request when it is done."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request, within its correlation id."""
        word = correlation.from_request(request.META)
        with correlation.correlated(word):
            started = perf_counter()
            response = self.get_response(request)
            response.headers[correlation.HEADER] = word
            _record(request, response, perf_counter() - started)
        return response


def _record(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    match = request.resolver_match
    if response.status_code == 200 and match and match.url_name in SILENT_WHEN_WELL:
        return
    write = log.info if response.status_code < 500 else log.error
    write(
        "request",
        method=request.method,
        route=match.route if match else None,
        path=request.path,
        status=response.status_code,
        duration_ms=round(seconds * 1000, 2),
        user_id=_user_id(request),
        bytes=len(response.content) if isinstance(response, HttpResponse) else None,
    )


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
