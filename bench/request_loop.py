"""One variant's process: reads a number from standard input, serves so many requests, says `served`, and so on.

Also holds what the peers need to log as their own documentation says.
"""

import io
import logging
import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import structlog
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PATH = "/5/"  # of bench.bare: session and person are asked for by nobody, three rows by primary key
log = logging.getLogger("request")


class PlainLine:
    """What one would write without a library: method, path, status, milliseconds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer and log."""
        began = perf_counter()
        response = self.get_response(request)
        milliseconds = (perf_counter() - began) * 1000
        log.info("%s %s %s %.2f ms", request.method, request.path, response.status_code, milliseconds)
        return response


def log_plainly(_config: Mapping[str, Any]) -> None:
    """The standard library's text lines on stderr."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


def log_by_structlog(_config: Mapping[str, Any]) -> None:
    """The processors of django-structlog's own introduction, as JSON on stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.filter_by_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
    logging.basicConfig(level="INFO", handlers=[handler])
    structlog.configure(
        processors=shared, logger_factory=structlog.stdlib.LoggerFactory(), cache_logger_on_first_use=True
    )


def environ(path: str) -> dict[str, Any]:
    """A GET as a WSGI server hands it over."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "bench",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
    }


def serve(application: Callable[..., Any], requests: int) -> None:
    """So many requests; raises RuntimeError when one is not answered with 200."""

    def start(status: str, _headers: object, _failure: object = None) -> None:
        if not status.startswith("200"):
            raise RuntimeError(f"{PATH} answered {status}")

    for _ in range(requests):
        answer = application(environ(PATH), start)
        b"".join(answer)
        answer.close()


def main() -> None:
    """Serve on demand until standard input ends."""
    application = get_wsgi_application()
    outbox = sys.modules.get("apps.telemetry.outbox")
    for line in sys.stdin:
        serve(application, int(line))
        if outbox is not None:
            outbox.outbox.flush()  # what was put down in this round is paid in this round
        sys.stdout.write("served\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
