"""Calls the WSGI application of every variant in a loop, slice by slice, and writes each slice's CPU to standard output as JSON.

A program of its own (`python -m bench.request_race 40`), because it has another project's settings than the other benches.
"""

import io
import os
import sys
from collections.abc import Callable
from time import process_time_ns
from typing import Any

import django
import orjson
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test.utils import override_settings

from bench.requests import PATH, SLICE


def environ() -> dict[str, Any]:
    """A GET as a WSGI server hands it over."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": PATH,
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


def serve(application: Callable[..., Any]) -> None:
    """One slice of requests; raises RuntimeError when one is not answered with 200."""

    def start(status: str, _headers: object, _failure: object = None) -> None:
        if not status.startswith("200"):
            raise RuntimeError(f"{PATH} answered {status}")

    for _ in range(SLICE):
        answer = application(environ(), start)
        b"".join(answer)
        answer.close()


def main(rounds: int) -> None:
    """Everybody once a round, each round beginning with another one; the first two warm up."""
    django.setup()
    from bench.request_traces import sink  # noqa: PLC0415  needs the settings

    with sink():
        sys.stdout.buffer.write(orjson.dumps(race(rounds)))


def race(rounds: int) -> dict[str, list[int]]:
    """CPU of each variant's slices, in nanoseconds."""
    from bench.request_variants import VARIANTS, middleware  # noqa: PLC0415  needs the settings

    connection.ensure_connection()
    connection.execute_wrappers.clear()
    _on_one_core()
    applications = {}
    for name, variant in VARIANTS.items():
        with override_settings(MIDDLEWARE=middleware(variant)), variant.on():
            applications[name] = WSGIHandler()
    found: dict[str, list[int]] = {name: [] for name in VARIANTS}
    names = list(VARIANTS)
    for number in range(rounds + 2):
        turn = number % len(names)
        for name in [*names[turn:], *names[:turn]]:
            began = process_time_ns()  # all threads: what is sent in the background is paid, too
            with VARIANTS[name].on():
                serve(applications[name])
            if number >= 2:
                found[name].append(process_time_ns() - began)
    return found


def _on_one_core() -> None:
    """This process and its session of the store: otherwise where the system lets them run moves a query by more than is measured."""
    if not hasattr(os, "sched_setaffinity"):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        session = int(cursor.fetchone()[0])
    core = max(os.sched_getaffinity(0))
    for process in (0, session):
        os.sched_setaffinity(process, {core})


if __name__ == "__main__":
    main(int(sys.argv[1]))
