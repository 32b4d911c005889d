"""Every dashboard and the first page under `wrk`, beside a bare Django page with as many queries in the same kind of process.

Both are served by gunicorn with the portal's own configuration. Web servers are kept on one core and wrk on another, where
there are two: otherwise it is chance which of them wakes where.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from html import unescape
from pathlib import Path
from statistics import median

import httpx
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.lab.layout import HOST, Layout, free_ports
from apps.lab.tier import Lab
from bench.ground import await_answer
from bench.harness import Goal, machine, report, table
from bench.history import cookie, fill_an_hour, furnish, keep_fresh
from bench.programs import running

LUA = Path(__file__).with_name("page.lua")
CONNECTIONS = (1, 4)
BYTES_OF_204 = 1500  # headers; a page is a hundred times that


@dataclass(frozen=True, slots=True)
class Served:
    """What wrk saw: requests per second, latencies in ms, bytes of an answer."""

    rate: float
    p50: float
    p95: float
    size: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the portal: its path, the queries it makes, and the path of its poll when nothing has changed."""

    name: str
    path: str
    queries: int


def main(lab: Lab, quick: bool) -> None:
    """Measure and print."""
    rounds, seconds = (1, 1) if quick else (3, 3)
    furnish(lab.layout)
    fill_an_hour(lab.layout)
    session = cookie()
    found = pages(session)
    with ExitStack() as stack:
        ours, bare = (
            stack.enter_context(served(lab.layout, module, application))
            for module, application in (
                ("opsportal.settings", "opsportal.wsgi:application"),
                ("bench.bare_settings", "bench.bare_wsgi:application"),
            )
        )
        measured = {page.name: _pair(page, ours, bare, session, rounds, seconds) for page in found}
    _report(found, measured, rounds, seconds)


def pages(session: str) -> list[Page]:
    """The first page and the tier's dashboards, with the queries that each makes."""
    client = Client(headers={"cookie": session, "host": HOST})
    found = []
    for name, path in [("overview", "/"), *((room, f"/t/lab/{room}/") for room in settings.TIER_ROOMS)]:
        client.get(path)
        with CaptureQueriesContext(connection) as captured:
            status = client.get(path).status_code
        if status != 200:
            raise RuntimeError(f"{path} answered {status}")
        found.append(Page(name, path, len(captured)))
    return found


@contextmanager
def served(layout: Layout, module: str, application: str) -> Iterator[str]:
    """A web server with these settings, one process on the first core; its address."""
    (port,) = free_ports(1)
    argv: list[str | Path] = [sys.executable, "-m", "gunicorn", application, "--bind", f"{HOST}:{port}"]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": module, "WEB_CONCURRENCY": "1"}
    with running(argv, layout.logs / f"{module}.log", environment, cpu=0):
        await_answer(f"http://{HOST}:{port}/healthz")
        yield f"http://{HOST}:{port}"


def _pair(page: Page, ours: str, bare: str, session: str, rounds: int, seconds: int) -> dict[str, list[Served]]:
    """Our page, its unchanged poll and the bare page in turn; by contestant and connections, one entry a round."""
    found: dict[str, list[Served]] = {}
    for _round in range(rounds):
        for connections in CONNECTIONS:
            fresh, began = keep_fresh(), time.perf_counter()
            poll = _poll_of(f"{ours}{page.path}", session)
            if fresh:
                took = (time.perf_counter() - began) * 1000
                found.setdefault("first", []).append(Served(0, took, took, 0))
            for name, url in (
                ("ours", f"{ours}{page.path}"),
                ("bare", f"{bare}/{page.queries}/"),
                ("unchanged", f"{ours}{poll}"),
            ):
                served = under_wrk(url, session, connections, seconds, htmx=name == "unchanged")
                if name == "unchanged" and served.size > BYTES_OF_204:
                    again = f"{ours}{_poll_of(f'{ours}{page.path}', session)}"
                    served = under_wrk(again, session, connections, 1, htmx=True)
                found.setdefault(f"{name}/{connections}", []).append(served)
    return found


def _poll_of(url: str, session: str) -> str:
    """The address that the open page asks for news."""
    text = httpx.get(url, headers={"Cookie": session}, timeout=30, trust_env=False).text
    return unescape(text.partition('id="live" data-hx-get="')[2].partition('"')[0])


def under_wrk(url: str, session: str, connections: int, seconds: int, *, htmx: bool) -> Served:
    """What wrk sees of an address in so many seconds; raises RuntimeError for an answer that is none."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(LUA), url]
    if (os.cpu_count() or 1) > 1:
        command = ["taskset", "-c", "1", *command]
    environment = os.environ | {"BENCH_COOKIE": session, "BENCH_HTMX": "1" if htmx else "0"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    told = json.loads(said.strip().splitlines()[-1])
    if told["errors"] or not told["requests"]:
        raise RuntimeError(f"{told['errors']} errors in {told['requests']} requests of {url.partition('?')[0]}")
    return Served(
        told["requests"] / told["microseconds"] * 1e6,
        told["p50"] / 1000,
        told["p95"] / 1000,
        told["bytes"] / told["requests"],
    )


def _of(measured: dict[str, list[Served]], name: str, what: str) -> float:
    return float(median(getattr(one, what) for one in measured[name]))


def _report(found: list[Page], measured: dict[str, dict[str, list[Served]]], rounds: int, seconds: int) -> None:
    tables, goals = [], []
    for connections in CONNECTIONS:
        rows = []
        for page in found:
            one = measured[page.name]
            rate, bare, same = (_of(one, f"{n}/{connections}", "rate") for n in ("ours", "bare", "unchanged"))
            p95, floor = (_of(one, f"{n}/{connections}", "p95") for n in ("ours", "bare"))
            size = _of(one, f"ours/{connections}", "size") / 1000
            first = f"{_of(one, 'first', 'p50'):.0f}" if "first" in one else "–"
            rows.append(
                (
                    page.name,
                    page.queries,
                    f"{size:.0f}",
                    rate,
                    bare,
                    f"{rate / bare:.2f} ×",
                    p95,
                    f"{p95 / floor:.2f} ×",
                    first,
                    same,
                    f"{same / bare:.2f} ×",
                )
            )
            if connections == 1:
                goals += [
                    Goal(f"{page.name}: requests/s to the bare page's", rate / bare, 0.8, least=True),
                    Goal(f"{page.name}: p95 to the bare page's", p95 / floor, 1.2),
                    Goal(f"{page.name}: unchanged polls to the bare page", same / bare, 4, least=True),
                ]
        head = (
            "page",
            "queries",
            "kB",
            "req/s",
            "bare req/s",
            "ratio",
            "p95 ms",
            "ratio",
            "first ms",
            "204 req/s",
            "to bare",
        )
        words = "one connection" if connections == 1 else f"{connections} connections"
        tables.append(table(f"Pages, {words}; one process, medians of {rounds} × {seconds} s", head, rows))
    raw = {
        name: {key: [asdict(served) for served in all_] for key, all_ in one.items()} for name, one in measured.items()
    }
    report("pages", tables, goals, machine(), raw)
