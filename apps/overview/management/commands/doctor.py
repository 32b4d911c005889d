"""`manage.py doctor`: whether this deployment is as it should be, and what to do where it is not."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.overview.doctor.examination import examine
from apps.overview.doctor.told import told


class Command(BaseCommand):
    """Exit status 0 all fine, 1 warnings or something unknown, 2 failures. Reads only; runs Django's system checks itself."""

    help = "Examine this deployment: settings, store, Redis, programs, keys, ledger and who is told."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--json`: for machines."""
        parser.add_argument("--json", action="store_true", help="the report as one JSON document")

    def handle(self, *_: Any, **options: Any) -> None:
        """Examine, tell, and end with the status."""
        report = examine()
        if options["json"]:
            self.stdout.write(json.dumps(report.document(), indent=2))
        else:
            for line in told(report):
                self.stdout.write(line)
        sys.exit(report.exit_status)
