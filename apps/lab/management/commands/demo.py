"""`manage.py demo`: what `make demo` runs."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.lab import seed
from apps.lab.address import PortTaken
from apps.lab.binaries import BinariesMissing
from apps.lab.demo import Demo, DemoRefused, Options
from apps.lab.layout import LayoutBroken
from apps.lab.processes import NotStarted

HIGHEST_PORT = 65535


class Command(BaseCommand):
    """Needs no database of the portal: the demo brings its own."""

    help = "The portal over a real data tier on this machine, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The port comes from the environment too, so that `make demo PORT=8001` works."""
        parser.add_argument(
            "--port", default=os.environ.get("PORT", "8000"), help="port of the address (default %(default)s)"
        )
        parser.add_argument(
            "--rows", type=int, default=seed.ROWS, help="messages a new lab is filled with (default %(default)s)"
        )
        parser.add_argument("--reset", action="store_true", help="forget the demo's data instead of starting it")

    def handle(self, *args: Any, port: str, rows: int, reset: bool, **options: Any) -> None:
        """Run, or reset; each reason not to is told in words."""
        if not port.isdecimal() or not 0 < int(port) <= HIGHEST_PORT:
            raise CommandError(f"PORT is {port!r}: write a number from 1 to {HIGHEST_PORT}, as in make demo PORT=8001")
        demo = Demo(settings.LAB_DIR, Options(int(port), rows), self._say)
        try:
            if reset:
                demo.reset()
                self._say("The demo's data is gone. `make demo` begins anew.")
            else:
                demo.run()
        except (BinariesMissing, DemoRefused, LayoutBroken, NotStarted, PortTaken) as refusal:
            raise CommandError(str(refusal)) from refusal

    def _say(self, words: str) -> None:
        """Print a line at once; a terminal that was closed must not keep the demo from stopping."""
        try:
            self.stdout.write(words)
            sys.stdout.flush()
        except OSError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # so that leaving does not fail over it either
