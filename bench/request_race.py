"""Calls the WSGI application of every variant in a loop, in turn, and writes the CPU of each one's slices to standard output as JSON.

A program of its own (`python -m bench.request_race 40`), because it has another project's settings than the other benches.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping
from time import process_time_ns
from typing import Any

import django
import orjson
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test.utils import override_settings

from apps.telemetry.outbox import outbox
from bench.harness import Part
from bench.requests import PATH, SLICE, TURN


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


def serve(application: Callable[..., Any], requests: int) -> None:
    """So many requests, one after the other; raises RuntimeError when one is not answered with 200."""

    def start(status: str, _headers: object, _failure: object = None) -> None:
        if not status.startswith("200"):
            raise RuntimeError(f"{PATH} answered {status}")

    for _ in range(requests):
        answer = application(environ(), start)
        b"".join(answer)
        answer.close()


def main(rounds: int) -> None:
    """Serve, and tell."""
    django.setup()
    from bench.request_traces import sink  # noqa: PLC0415  needs the settings

    with sink():
        sys.stdout.buffer.write(orjson.dumps(race(rounds)))


def race(rounds: int) -> dict[str, list[int]]:
    """CPU of each variant's slices, in nanoseconds; the first two rounds warm up."""
    from bench.request_variants import VARIANTS, middleware  # noqa: PLC0415  needs the settings

    connection.ensure_connection()
    connection.execute_wrappers.clear()
    _on_one_core()
    applications = {}
    for name, variant in VARIANTS.items():
        with override_settings(MIDDLEWARE=middleware(variant)), variant.on():
            applications[name] = WSGIHandler()
    found: dict[str, list[int]] = {name: [] for name in VARIANTS}
    for number in range(rounds + 2):
        spent = _a_round(applications, number)
        for name, nanoseconds in spent.items() if number >= 2 else ():
            found[name].append(nanoseconds)
    return found


def _a_round(applications: Mapping[str, Callable[..., Any]], number: int) -> dict[str, int]:
    """A slice of each variant, in turns of a few requests, for a machine's pace changes within seconds; then what all owe."""
    from bench.request_variants import VARIANTS  # noqa: PLC0415  needs the settings

    names, spent = list(applications), dict.fromkeys(applications, 0)
    for turn in range(SLICE // TURN):
        first = (number + turn) % len(names)
        for name in [*names[first:], *names[:first]]:
            with VARIANTS[name].on():
                began = process_time_ns()  # all threads
                serve(applications[name], TURN)
                spent[name] += process_time_ns() - began
    ours = [name for name in names if VARIANTS[name].part is Part.OURS]
    share = _cpu_of(outbox.flush) // len(ours)
    for name in names:
        spent[name] += _cpu_of(VARIANTS[name].settle) + (share if name in ours else 0)
    return spent


def _cpu_of(work: Callable[[], object]) -> int:
    began = process_time_ns()
    work()
    return process_time_ns() - began


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
