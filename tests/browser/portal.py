"""A portal as a team runs it: web, worker and beat in processes of their own, over the tests' tier, with the demo's people.

It keeps its records in a database of its own, so that tests which use the portal within their process are not disturbed.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx

from apps.accounts.roles import Role
from apps.lab import environment, load, postgres, witness
from apps.lab.demo import PROJECT, programs
from apps.lab.layout import Layout, Node, free_ports
from apps.lab.people import PEOPLE, new_password
from apps.lab.processes import Roster, write_private
from apps.lab.supervisor import Supervisor
from apps.lab.switches import Limits, Switches
from opsportal.settings import PLAYBOOK
from tests import database

NAME = "opsportal_in_browsers"
INTERVAL = timedelta(seconds=2)  # between polls: the shortest there is, for nobody wants to wait
ROLLED_OUT = Switches(True, True, True, True, Limits.ENFORCE)  # but for the partitioned tables, which are slow to make
READY_WITHIN = 90  # seconds, on a machine that does other things besides


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that runs: its address, who may log in, and its processes."""

    layout: Layout
    url: str
    passwords: Mapping[str, str]
    supervisor: Supervisor

    def username(self, role: Role) -> str:
        """Who has this role."""
        return next(person.username for person in PEOPLE if person.role is role)

    def name(self, role: Role) -> str:
        """Their name, as pages show it."""
        return next(person.display_name for person in PEOPLE if person.role is role)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Ask the portal's own database."""
        with postgres.connect(self.layout, Node.STORE, NAME) as connection:
            return list(connection.execute(statement.encode()))

    def stop(self) -> None:
        """End everything that was started, and leave the tier as it was found."""
        for name in ("beat", "worker", "web"):
            self.supervisor.roster.stop(name)
        load.stop(self.layout)
        load.turn(self.layout, Switches())
        with postgres.connect(self.layout, Node.STORE) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)".encode())


def start(layout: Layout) -> Portal:
    """Make the database, the people and the tier, start the three programs and the load; returns when the address answers."""
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"
    passwords = {person.username: new_password() for person in PEOPLE}
    write_private(layout.directory / "people.json", json.dumps(passwords))
    database.make_another(layout, NAME)
    variables = environment.portal(layout, url) | database.environment(layout, NAME)
    variables |= dict(witness.prepared(layout).variables)
    variables |= {"OPSPORTAL_POLL_SECONDS": str(INTERVAL.seconds), "WEB_CONCURRENCY": "1"}
    variables["OPSPORTAL_PLAYBOOK"] = str(shutil.copytree(PLAYBOOK, layout.directory / "playbook", dirs_exist_ok=True))
    load.turn(layout, ROLLED_OUT)
    load.start(layout)
    argv = [sys.executable, "manage.py", "populate"]
    subprocess.run(argv, cwd=PROJECT, env=variables, check=True, capture_output=True)
    supervisor = Supervisor(Roster(layout.run), layout.logs, lambda _: None)
    portal = Portal(layout, url, passwords, supervisor)
    started = [supervisor.start(program) for program in programs([f"127.0.0.1:{port}"], layout.run, variables)]
    supervisor.roster.await_ready(started[0], lambda: _answers(url), READY_WITHIN)
    return portal


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
