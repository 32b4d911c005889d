"""`manage.py doctor`: whether this deployment is as it should be, and what to do where it is not."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.metrics.models import Tier
from apps.overview.doctor.examination import examine
from apps.overview.doctor.told import told


class Command(BaseCommand):
    """Exit status 0 all fine, 1 warnings or something unknown, 2 failures. Reads only; runs Django's system checks itself."""

    help = "Examine this deployment: settings, store, Redis, programs, keys, ledger, who is told, and the nodes of the tiers."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--tier`: of the tiers only this one; `--json`: for machines."""
        parser.add_argument("--tier", default="", metavar="TIER", help="of the tiers only this one, by its short name")
        parser.add_argument("--json", action="store_true", help="the report as one JSON document")

    def handle(self, *_: Any, **options: Any) -> None:
        """Examine, tell, and end with the status. Raises CommandError for a tier that there is not."""
        _known(options["tier"])
        report = examine(options["tier"])
        if options["json"]:
            self.stdout.write(json.dumps(report.document(), indent=2))
        else:
            for line in told(report):
                self.stdout.write(line)
        sys.exit(report.exit_status)


def _known(tier: str) -> None:
    if not tier:
        return
    try:
        known = list(Tier.objects.values_list("slug", flat=True))
    except DatabaseError:  # the report says so
        return
    if tier not in known:
        raise CommandError(f"There is no tier {tier!r}. Known are: {', '.join(known) or 'none'}.", returncode=2)
