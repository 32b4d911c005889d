"""`manage.py tier add SLUG NAME`, `manage.py tier list`: the tiers that are watched."""

from argparse import ArgumentParser
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.ledger.chain import SYSTEM, append
from apps.metrics.models import Tier


class Command(BaseCommand):
    """Add a tier, or list them with their nodes."""

    help = "Add a data tier, or list the tiers with their nodes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`add` and `list`."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="add a tier; its nodes are then added on its page")
        add.add_argument("slug", help="short name for addresses, such as production")
        add.add_argument("name", help="name for people")
        add.add_argument("--time-zone", default="UTC", help="zone of its maintenance windows, such as Europe/Berlin")
        verbs.add_parser("list", help="list tiers and nodes")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what the verb says."""
        if options["verb"] == "list":
            for tier in Tier.objects.prefetch_related("nodes"):
                self.stdout.write(f"{tier.slug}: {tier.name}, {tier.time_zone}")
                for node in tier.nodes.all():
                    self.stdout.write(f"  {node.name}: {node.kind} {node.role} {node.address}")
            return
        try:
            ZoneInfo(options["time_zone"])
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise CommandError(f"{options['time_zone']} is no time zone; write one such as Europe/Berlin.") from error
        tier = Tier(slug=options["slug"], name=options["name"], time_zone=options["time_zone"])
        try:
            tier.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages) + " Nothing was added.") from error
        with transaction.atomic():
            tier.save()
            body = {"slug": tier.slug, "name": tier.name, "time_zone": tier.time_zone}
            append(kind="tier.add", subject=f"tier/{tier.slug}", actor=SYSTEM, body=body, tier=tier.slug)
        self.stdout.write(f"The tier {tier.slug} was added. Add its nodes at /t/{tier.slug}/nodes/.")
