"""`manage.py prove`: what `manage.py lab prove` runs in the environment of the demo's portal."""

import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.lab import proving, register
from apps.lab.faults import FaultImpossible, UnknownFault
from apps.lab.layout import LayoutBroken
from apps.lab.links import ProxyFailed
from apps.lab.processes import NotStarted
from apps.lab.servers import Servers
from apps.metrics import store
from apps.metrics.models import Tier

LOOK_EVERY = 1.0  # seconds
REFUSED = (FaultImpossible, LayoutBroken, NotStarted, ProxyFailed, psycopg.OperationalError)


class Command(BaseCommand):
    """Waits for the portal's own polls; it measures nothing by itself."""

    stealth_options = ("look",)  # what it does between two looks at the store; tests poll

    help = (
        "Prove in the lab that checks fire: put in their faults one after the other, wait, heal, wait until they pass."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which checks, by which fault, and how patiently."""
        parser.add_argument(
            "checks", nargs="*", metavar="CHECK", help="ids; all that some fault fires when none is named"
        )
        parser.add_argument("--fault", default="", help="by this fault alone")
        parser.add_argument("--patience", type=float, metavar="SECONDS", help="give up so soon instead of in good time")

    def handle(
        self,
        *_: Any,
        checks: Sequence[str],
        fault: str,
        patience: float | None,
        look: Callable[[], object] | None = None,
        **options: Any,
    ) -> None:
        """Print a line for each check as soon as it is known; exit with 1 when one was not proved."""
        try:
            planned, without = proving.trials_of(checks, fault)
        except (proving.NothingToProve, UnknownFault) as error:
            raise CommandError(str(error)) from error
        prover = proving.Prover(
            Servers(settings.LAB_DIR), self._tier(), look or partial(time.sleep, LOOK_EVERY), patience
        )
        if reason := prover.ready():
            raise CommandError(reason)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))  # so that the fault is healed on the way out
        for check in without:
            self._say(
                f"{check:<30} {'':<24} NOT PROVEN: {fault or 'no fault'} is {'not ' if fault else ''}declared to fire it"
            )
        missed, proved = len(without), 0
        for trial in planned:
            try:
                outcomes = self._run(prover, trial)
            except KeyboardInterrupt as interrupted:
                raise CommandError(
                    f"Ended at {trial.fault.name}, which is healed; {proved} checks were proven until then."
                ) from interrupted
            for outcome in outcomes:
                self._say(outcome.line())
            proved += sum(outcome.proved for outcome in outcomes)
            missed += sum(not outcome.proved for outcome in outcomes)
        if missed:
            raise CommandError(f"{missed} of {proved + missed} checks were not proven.")
        self._say("1 check was proven." if proved == 1 else f"{proved} checks were proven.")

    def _run(self, prover: proving.Prover, trial: proving.Trial) -> list[proving.Outcome]:
        try:
            if not (told := prover.ready()):  # somebody else may have put one in meanwhile
                return prover.prove(trial)
        except REFUSED as error:
            told = str(error)
        return [proving.Outcome(check, trial.fault.name, told=f"NOT PROVEN: {told}") for check in trial.checks]

    def _tier(self) -> Tier:
        """The lab's tier, polled lately. Raises CommandError."""
        tier = Tier.objects.filter(slug=register.SLUG).first()
        slot = store.last_slot(tier) if tier else None
        if tier is None or slot is None or (datetime.now(UTC) - slot).total_seconds() > 3 * settings.POLL_SECONDS:
            raise CommandError(
                "The portal does not poll the lab now, so nobody would see a check fire. `make demo` runs both."
            )
        return tier

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
