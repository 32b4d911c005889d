"""The load generator's process: `python -m apps.lab.generator <lab directory> --rate=20 --clients=4`.

Each client keeps a connection and sends at its share of the rate. Nothing piles up: a client that waits for an answer
skips what it missed. The process ends by itself when nobody has answered for two minutes, as when the lab is gone.
"""

import argparse
import encodings.idna  # noqa: F401  loaded by name at the first connection, when root is given up
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psycopg

from apps.lab import keys, load
from apps.lab import layout as layouts
from apps.lab.application.queries import percentile
from apps.lab.layout import HOST, Layout, Node
from apps.lab.load import LoadStatus
from apps.lab.processes import drop_to
from apps.lab.traffic import GREEDY_EVERY_SECONDS, GREEDY_REQUESTS, QUEUE_SECONDS, Call, Traffic

ANSWER_SECONDS = 30.0  # the longest an answer may take before it counts as an error
REPORT_SECONDS, WINDOW_SECONDS = 2.0, 10.0
LONELY_SECONDS = 120.0


class Tally:
    """What was sent and answered. Threads share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[tuple[float, float]] = deque()  # when (monotonic), ms
        self._requests = self._errors = self._limited = 0
        self._started_at = time.time()
        self.last_contact = time.monotonic()

    def answered(self, status: int, ms: float) -> None:
        """Count an answer."""
        with self._lock:
            self._requests += 1
            self._errors += status >= 500
            self._limited += status == 429
            self._answers.append((time.monotonic(), ms))
            self.last_contact = time.monotonic()

    def failed(self) -> None:
        """Count a request that got no answer."""
        with self._lock:
            self._requests += 1
            self._errors += 1

    def report(self) -> LoadStatus:
        """The state of things now."""
        since = time.monotonic() - WINDOW_SECONDS
        with self._lock:
            while self._answers and self._answers[0][0] < since:
                self._answers.popleft()
            durations = sorted(ms for _, ms in self._answers)
            return LoadStatus(
                running=True,
                rate=len(durations) / min(WINDOW_SECONDS, max(time.time() - self._started_at, 1.0)),
                requests=self._requests,
                errors=self._errors,
                limited=self._limited,
                p50_ms=percentile(durations, 0.50),
                p95_ms=percentile(durations, 0.95),
                started_at=self._started_at,
            )


class Client:
    """One kept connection to the application."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._tally = tally
        self._connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)

    def send(self, call: Call) -> None:
        """Send one request and count what came of it."""
        started = time.perf_counter()
        try:
            self._connection.request(call.method, call.path, call.body or None, dict(call.headers))
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            self._tally.failed()
            return
        self._tally.answered(answer.status, (time.perf_counter() - started) * 1000)


def pace(every: float, stopped: threading.Event, beat: Callable[[], None], offset: float = 0.0) -> None:
    """Call `beat` every so many seconds until stopped; beats that were missed are not made up for."""
    due = time.monotonic() + offset
    while not stopped.wait(max(0.0, due - time.monotonic())):
        beat()
        due = max(due + every, time.monotonic())


def run(port: int, traffic: Callable[[], Traffic], rate: float, clients: int, report_to: Path) -> None:
    """Send until a signal comes or nobody is there any more."""
    stopped, tally = threading.Event(), Tally()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    beats = [_steady(port, tally, traffic()) for _ in range(clients)]
    every = clients / rate
    threads = [
        threading.Thread(target=pace, args=(every, stopped, b, every * n / clients)) for n, b in enumerate(beats)
    ]
    threads.append(threading.Thread(target=pace, args=(QUEUE_SECONDS, stopped, _worker(port, tally, traffic()))))
    greedy = _greedy(port, tally, traffic(), stopped)
    threads.append(threading.Thread(target=pace, args=(GREEDY_EVERY_SECONDS, stopped, greedy, 10.0)))
    for thread in threads:
        thread.daemon = True  # one that waits for an answer does not hold up the end
        thread.start()
    load.write_status(report_to, tally.report())
    while not stopped.wait(REPORT_SECONDS) and all(thread.is_alive() for thread in threads):
        load.write_status(report_to, tally.report())
        if time.monotonic() - tally.last_contact > LONELY_SECONDS:
            sys.stdout.write(f"Nobody has answered for {LONELY_SECONDS:.0f} s; the load ends.\n")
            break


def _steady(port: int, tally: Tally, traffic: Traffic) -> Callable[[], None]:
    client = Client(port, tally)
    return lambda: client.send(traffic.next())


def _worker(port: int, tally: Tally, traffic: Traffic) -> Callable[[], None]:
    client = Client(port, tally)
    return lambda: client.send(traffic.delivery_work())


def _greedy(port: int, tally: Tally, traffic: Traffic, stopped: threading.Event) -> Callable[[], None]:
    client = Client(port, tally)

    def burst() -> None:
        for _ in range(GREEDY_REQUESTS):
            if not stopped.is_set():
                client.send(traffic.greedy())

    return burst


def sizes(layout: Layout) -> tuple[int, int]:
    """How many conversations and announcements there are to ask for; raises psycopg.Error without the primary."""
    with psycopg.connect(layout.dsn(Node.PRIMARY, "app"), connect_timeout=5) as connection:
        row = connection.execute("SELECT (SELECT max(id) FROM conversation), (SELECT max(id) FROM message)").fetchone()
    if row is None or None in row:
        raise LookupError("The database holds no conversations. Seed it: `manage.py lab reset`, then `lab up`.")
    return int(row[0]), int(row[1])


def main() -> None:
    """Read the layout and the keys as whoever started us, then go on as the servers' user."""
    parser = argparse.ArgumentParser(description="Steady traffic on the lab's application.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rate", type=float, default=load.RATE)
    parser.add_argument("--clients", type=int, default=load.CLIENTS)
    options = parser.parse_args()
    layout = layouts.load(options.directory)
    of = keys.secret(layout.directory)
    conversations, announcements = sizes(layout)
    drop_to(layout.user)

    def traffic() -> Traffic:
        return Traffic(keys.api_keys(of), keys.accounts(of), conversations, announcements, options.rate)

    run(layout.port(Node.APP), traffic, options.rate, options.clients, load.status_file(layout))


if __name__ == "__main__":
    main()
