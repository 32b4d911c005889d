"""`manage.py lab`: a real data tier on this machine, its faults and its load."""

import json
import os
import sys
from argparse import REMAINDER, ArgumentParser
from collections.abc import Callable  # noqa: TC003  Django reads it
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.lab import environment, faults, load, rehearsal, seed
from apps.lab.binaries import BinariesMissing
from apps.lab.faults import FAULTS, FaultImpossible, UnknownFault
from apps.lab.layout import LayoutBroken
from apps.lab.links import ProxyFailed
from apps.lab.processes import NotStarted
from apps.lab.switches import NAMES, UnknownSwitch
from apps.lab.tier import Lab
from apps.playbook.mistakes import PlaybookInvalid

REHEARSED = rehearsal.LENGTH.total_seconds() / 60
LEAST_MINUTES = 5
EXPECTED = (
    BinariesMissing,
    FaultImpossible,
    LayoutBroken,
    NotStarted,
    ProxyFailed,
    UnknownFault,
    UnknownSwitch,
    psycopg.OperationalError,
)


class Command(BaseCommand):
    """Needs no database of the portal: the lab brings its own servers."""

    help = "A real PostgreSQL tier with replicas, PgBouncer and Redis on this machine: start, stop, break, heal, load."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command for each thing the lab can do."""
        deeds = parser.add_subparsers(dest="deed", required=True)
        up = deeds.add_parser("up", help="start what does not run, heal every fault")
        up.add_argument(
            "--rows", type=int, default=seed.ROWS, help="messages a new lab is filled with (default %(default)s)"
        )
        up.add_argument("--no-seed", action="store_true", help="make a new lab without messages")
        deeds.add_parser("down", help="stop every process, keep the data")
        status = deeds.add_parser("status", help="what runs, and which faults are in")
        status.add_argument("--json", action="store_true", help="for programs")
        deeds.add_parser("reset", help="stop every process and forget the data")
        deeds.add_parser("faults", help="what can be broken")
        fault = deeds.add_parser("fault", help="break something")
        fault.add_argument("name")
        heal = deeds.add_parser("heal", help="undo a fault, or all of them")
        chosen = heal.add_mutually_exclusive_group(required=True)
        chosen.add_argument("name", nargs="?")
        chosen.add_argument("--all", action="store_true")
        self._add_prove(
            deeds.add_parser("prove", help="have the demo's portal see that checks fire under their faults")
        )
        rehearsal = deeds.add_parser("playbook", help="write a copy of the playbook whose watches take minutes")
        rehearsal.add_argument("--minutes", type=float, default=REHEARSED, help="of each watch (default %(default)g)")
        manage = deeds.add_parser(
            "manage", help="a command of the running demo's portal, such as `lab manage doctor --json`"
        )
        manage.add_argument("words", nargs=REMAINDER, metavar="command", help="as it follows manage.py")
        self._add_load(deeds.add_parser("load", help="steady traffic on the application, and the rollout's switches"))

    def _add_prove(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "checks", nargs="*", metavar="CHECK", help="ids; every one that some fault fires if left out"
        )
        parser.add_argument("--fault", default="", help="by this fault alone")
        parser.add_argument("--patience", type=float, metavar="SECONDS", help="give up so soon instead of in good time")

    def _add_load(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        start = parts.add_parser("start", help="start the traffic")
        start.add_argument("--rate", type=float, default=load.RATE, help="requests per second (default %(default)s)")
        start.add_argument("--clients", type=int, default=load.CLIENTS, help="connections (default %(default)s)")
        parts.add_parser("stop", help="stop the traffic")
        parts.add_parser("status", help="how it goes").add_argument("--json", action="store_true")
        turn = parts.add_parser("set", help="turn a switch of the rollout")
        turn.add_argument("switch", choices=NAMES)
        turn.add_argument("position", help="on or off; for limits: off, monitor or enforce")

    def handle(self, *_: Any, deed: str, **options: Any) -> None:
        """Do it, or say in one line why not."""
        lab = Lab(settings.LAB_DIR, self._say)
        deeds: dict[str, Callable[..., None]] = {
            "up": self._up,
            "down": self._down,
            "status": self._status,
            "reset": self._reset,
            "faults": self._faults,
            "fault": self._fault,
            "heal": self._heal,
            "prove": self._prove,
            "playbook": self._playbook,
            "load": self._load,
            "manage": self._manage,
        }
        try:
            deeds[deed](lab, **options)
        except FileNotFoundError as error:
            raise CommandError(
                f"There is no lab in {lab.directory} yet ({error}). `manage.py lab up` makes it."
            ) from error
        except (*EXPECTED, ValueError) as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(f"  {line}")
        self.stdout.flush()

    def _up(self, lab: Lab, rows: int, *, no_seed: bool, **_: Any) -> None:
        seconds = lab.up(rows=0 if no_seed else rows)
        self.stdout.write(f"The lab is up after {seconds:.1f} s. Its logins are in {lab.layout.file}.")

    def _down(self, lab: Lab, **_: Any) -> None:
        stopped = lab.down()
        self.stdout.write(f"{len(stopped)} processes were stopped." if stopped else "Nothing was running.")

    def _reset(self, lab: Lab, **_: Any) -> None:
        lab.reset()
        self.stdout.write(f"The lab in {lab.directory} is stopped and its data removed.")

    def _status(self, lab: Lab, **options: Any) -> None:
        nodes, broken = lab.status(), faults.active(lab.servers)
        if options["json"]:
            self._json(
                {"nodes": [asdict(node) for node in nodes], "faults": {k: v.isoformat() for k, v in broken.items()}}
            )
            return
        for node in nodes:
            where = f"127.0.0.1:{node.face or node.port}" if node.port else ""
            self.stdout.write(f"{node.name:<16} {node.kind:<12} {node.state:<7} {where}")
        for name, since in broken.items():
            self.stdout.write(f"fault {name} since {since:%H:%M:%S} UTC")

    def _json(self, value: object) -> None:
        self.stdout.write(json.dumps(value, indent=2))

    def _faults(self, lab: Lab, **_: Any) -> None:
        broken = faults.active(lab.servers)
        for fault in FAULTS.values():
            self.stdout.write(f"{'*' if fault.name in broken else ' '} {fault.name:<24} {fault.says}")
        self.stdout.write("`manage.py lab prove` puts them in one after the other and tells which checks fire.")

    def _fault(self, lab: Lab, name: str, **_: Any) -> None:
        put = faults.inject(lab.servers, name)
        self.stdout.write(f"{name} is in. `manage.py lab heal {name}` undoes it." if put else f"{name} was in already.")

    def _heal(self, lab: Lab, name: str | None, **options: Any) -> None:
        if options["all"]:
            healed = faults.heal_all(lab.servers)
            self.stdout.write(f"Healed: {', '.join(healed)}." if healed else "No fault was in.")
        elif name:
            self.stdout.write(f"{name} is healed." if faults.heal(lab.servers, name) else f"{name} was not in.")

    def _playbook(self, lab: Lab, minutes: float, **_: Any) -> None:
        if minutes < LEAST_MINUTES:
            raise CommandError(f"A watch takes at least {LEAST_MINUTES:g} minutes: it is measured, not imagined.")
        target = lab.directory / rehearsal.FOLDER
        try:
            written = rehearsal.write(Path(settings.PLAYBOOK), target, timedelta(minutes=minutes))
        except PlaybookInvalid as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Watches of {minutes:g} minutes are in {written}. Start the portal with OPSPORTAL_PLAYBOOK={written}"
        )

    def _manage(self, lab: Lab, words: list[str], **_: Any) -> None:
        """Become that command, in the environment of the demo's own programs: its output and exit status are what the person sees."""
        try:
            variables = environment.kept(lab.directory / "run")
        except FileNotFoundError as error:
            raise CommandError(f"No demo runs in {lab.directory}. `make demo` starts it.") from error
        os.execve(sys.executable, [sys.executable, sys.argv[0], *words], variables)  # noqa: S606  ours, and no shell

    def _prove(self, lab: Lab, checks: list[str], fault: str, patience: float | None, **_: Any) -> None:
        """It needs the portal's store, which this command does without."""
        only = ["--fault", fault] if fault else []
        patient = ["--patience", str(patience)] if patience is not None else []
        self._manage(lab, ["prove", *checks, *only, *patient])

    def _load(self, lab: Lab, part: str, **options: Any) -> None:
        layout = lab.layout
        match part:
            case "start":
                load.start(layout, options["rate"], options["clients"])
                self.stdout.write(f"{options['rate']:g} requests per second are on their way.")
            case "stop":
                self.stdout.write("The load is stopped." if load.stop(layout) else "No load was running.")
            case "status":
                report = load.status(layout)
                self._json(asdict(report)) if options["json"] else self.stdout.write(report.sentence())
            case "set":
                load.set_switch(layout, options["switch"], options["position"], self._say)
                self.stdout.write(f"{options['switch']} is {options['position']}.")
