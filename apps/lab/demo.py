"""`make demo`: the whole portal over the lab, from nothing to one address, and back to nothing on Ctrl-C.

The order matters and is all here: the claim, what a killed demo left, the port, the tier, the portal's store, the people, the
portal's programs, the workload. `.lab/demo.json` is written when the address answers.
"""

import fcntl
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from apps.lab import address, environment, load, register, rehearsal, seed, witness
from apps.lab.layout import WATCHED, Layout
from apps.lab.people import PEOPLE, new_password
from apps.lab.processes import CHILDREN, write_private
from apps.lab.servers import KIND, Say
from apps.lab.stop import Stopped, StopSignal, ignore_signals
from apps.lab.supervisor import Program, Supervisor
from apps.lab.switches import ROLLED_OUT
from apps.lab.tier import Lab

PLAYBOOK = "OPSPORTAL_PLAYBOOK"
PROJECT = Path(__file__).resolve().parents[2]
OWN_PROGRAMS = ("web", "worker", "beat", "witness", "migrate", "populate")
ANSWERS_WITHIN = 60.0  # seconds, on a machine that does other things besides
LOOK_EVERY = 0.5  # seconds
# A new demo shows every room at work. `manage.py lab load set …` turns a switch back, to roll it out with a baseline before it.
SHOWN = replace(ROLLED_OUT, partitioned_tables=False)


class DemoRefused(RuntimeError):
    """The demo cannot start; the message says why and what to do. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the demo is to run: its port, and how many messages a new lab is filled with."""

    port: int = 8000
    rows: int = seed.ROWS

    @property
    def url(self) -> str:
        """The address: a name, because passkeys are bound to one."""
        return f"http://localhost:{self.port}"


class Demo:
    """The demo of one lab directory."""

    def __init__(self, directory: Path, options: Options, say: Say) -> None:
        self.options, self.say = options, say
        self.lab = Lab(directory, say)
        self.directory = directory

    def run(self) -> None:
        """Start everything, watch until somebody asks to stop, stop everything.

        Raises DemoRefused or PortTaken before anything was started, and what the lab raises when a server does not come up.
        """
        with self._claimed():
            self._clear_leftovers()
            listen = address.bindings(self.options.port)
            stop = StopSignal()
            try:
                self._start(listen, stop)
            except Stopped:
                self.say("Stopping everything; the data stays.")
            finally:
                self._end()
        self.say("Stopped. `make demo` goes on with the same data; `make demo-reset` forgets it.")

    def reset(self) -> None:
        """Forget the data; raises DemoRefused while a demo runs."""
        with self._claimed():
            self.lab.reset()
        (self.directory / "demo.lock").unlink(missing_ok=True)

    def _start(self, listen: list[str], stop: StopSignal) -> None:
        began = time.monotonic()
        (self.directory / "demo.json").unlink(missing_ok=True)
        self.lab.up(rows=self.options.rows)
        stop.check()
        layout = self.lab.layout
        passwords, fresh = self._passwords()
        witnessed = witness.prepared(layout)
        variables = environment.portal(layout, self.options.url) | dict(witnessed.variables) | self._playbook()
        environment.keep(layout.run, variables)
        self._manage("migrate", ["migrate", "--noinput"], variables, stop)
        self._manage("populate", ["populate", *(["--new-passwords"] if fresh else [])], variables, stop)
        supervisor = Supervisor(self.lab.servers.roster, layout.logs, self.say)
        for program in programs(listen, layout.run, variables):
            supervisor.start(program)
        load.start(layout)
        if fresh:
            load.turn(layout, SHOWN, self.say)
        self._await_web(supervisor, stop)
        supervisor.start(witnessed.program(self.options.url, PROJECT))
        self._announce(layout, passwords, time.monotonic() - began)
        while True:
            stop.wait(LOOK_EVERY)
            supervisor.look()

    def _end(self) -> None:
        ignore_signals()
        environment.forget(self.directory / "run")
        self.lab.down()
        for child in CHILDREN.values():
            if child.poll() is None:
                child.kill()

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Hold the lab directory for one demo; the system lets go of it however this process ends."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "demo.lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise DemoRefused(_running(self.directory, lock.read().strip())) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _clear_leftovers(self) -> None:
        """Stop programs of a demo that was killed; servers of its tier are adopted by `Lab.up`."""
        left = [name for name in OWN_PROGRAMS if self.lab.servers.find(name)]
        for name in left:
            self.lab.servers.stop(name)
        if left:
            self.say(f"An earlier demo did not end properly; its {', '.join(left)} was stopped.")

    def _passwords(self) -> tuple[dict[str, str], bool]:
        """Password by username, and whether they are new. They stay the same for the life of the lab directory."""
        path = self.directory / "people.json"
        with suppress(FileNotFoundError, ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
            if set(known) == {person.username for person in PEOPLE}:
                return known, False
        passwords = {person.username: new_password() for person in PEOPLE}
        write_private(path, json.dumps(passwords, indent=2))
        return passwords, True

    def _playbook(self) -> dict[str, str]:
        """Where the demo's playbook is: the one the person chose, else the default one with watches that a visitor can sit out."""
        if os.environ.get(PLAYBOOK):
            return {}
        return {PLAYBOOK: str(rehearsal.write(settings.PLAYBOOK, self.directory / rehearsal.FOLDER))}

    def _manage(self, name: str, words: list[str], variables: Mapping[str, str], stop: StopSignal) -> None:
        """Run a command of `manage.py` to its end; raises DemoRefused with the end of its log when it fails."""
        log = self.lab.layout.logs / f"{name}.log"
        argv = [sys.executable, str(PROJECT / "manage.py"), *words]
        process = self.lab.servers.roster.start(name, argv, log=log, cwd=PROJECT, env=variables)
        while process.alive:
            stop.wait(LOOK_EVERY)
        if CHILDREN[process.pid].wait():
            raise DemoRefused(f"`manage.py {' '.join(words)}` failed. Its log, {log}, ends with:\n{process.tail()}")

    def _await_web(self, supervisor: Supervisor, stop: StopSignal) -> None:
        end = time.monotonic() + ANSWERS_WITHIN
        while not _answers(self.options.port):
            stop.wait(0.1)
            supervisor.look()
            if time.monotonic() > end:
                log = self.lab.layout.logs / "web.log"
                raise DemoRefused(f"The portal did not answer within {ANSWERS_WITHIN:.0f} s. Its log is {log}.")

    def _announce(self, layout: Layout, passwords: Mapping[str, str], seconds: float) -> None:
        people = [
            {"username": person.username, "password": passwords[person.username], "roles": [person.role.value]}
            for person in PEOPLE
        ]
        facts = {"url": self.options.url, "people": people, "nodes": addresses(layout)}
        write_private(self.directory / "demo.json", json.dumps(facts, indent=2))
        self.say(f"\nThe portal is at {self.options.url} (ready after {seconds:.0f} s).\n\n")
        self.say(f"  {'log in as':12}{'password':22}{'role':10}name")
        for person in PEOPLE:
            self.say(
                f"  {person.username:12}{passwords[person.username]:22}{person.role.value:10}{person.display_name}"
            )
        self.say(
            "\nIn another terminal, `.venv/bin/python manage.py lab manage doctor` examines it; any command goes there."
        )
        self.say(f"Ctrl-C stops everything and keeps the data. Logs are in {layout.logs}.")


def addresses(layout: Layout) -> dict[str, dict[str, str]]:
    """Kind and address of each watched node, with the login that the portal polls with."""
    found = {}
    for node in WATCHED:
        url = register.url(layout, node)
        found[node.value] = {"kind": KIND[node], "dsn" if url.startswith("postgresql:") else "url": url}
    return found


def programs(listen: list[str], run: Path, variables: Mapping[str, str]) -> list[Program]:
    """The portal's own programs: web, worker and beat, which notes in the folder `run` what it sent last."""
    binds = [word for place in listen for word in ("--bind", place)]
    celery = (sys.executable, "-m", "celery", "-A", "opsportal")
    schedule = run / "beat-schedule"
    lines = {
        "web": (sys.executable, "-m", "gunicorn", "opsportal.wsgi:application", *binds),
        "worker": (
            *celery,
            "worker",
            "-P",
            "threads",
            "-c",
            "8",
            "-l",
            "WARNING",
            "--without-gossip",
            "--without-mingle",
        ),
        "beat": (*celery, "beat", "-l", "WARNING", "--schedule", str(schedule), "--pidfile="),
    }
    return [Program(name, argv, variables, PROJECT) for name, argv in lines.items()]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _running(directory: Path, pid: str) -> str:
    where = ""
    with suppress(FileNotFoundError, ValueError, KeyError):
        where = f" at {json.loads((directory / 'demo.json').read_text(encoding='utf-8'))['url']}"
    return f"The demo of {directory} runs already{where} (process {pid or 'unknown'}). Stop it there with Ctrl-C, or use that one."
