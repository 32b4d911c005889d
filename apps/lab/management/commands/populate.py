"""`manage.py populate`: the demo's people and the lab's tier in the portal's store; what is there already stays."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts import grants
from apps.accounts.models import Person
from apps.lab import layout as layouts
from apps.lab import register
from apps.lab.people import PEOPLE


class Command(BaseCommand):
    """Run by the demo, with the passwords it keeps in the lab directory."""

    help = "Add the demo's people to the portal and register the lab as a tier."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether people who exist get the password written in the lab directory."""
        parser.add_argument(
            "--new-passwords", action="store_true", help="give people who exist the passwords in people.json"
        )

    def handle(self, *args: Any, new_passwords: bool, **options: Any) -> None:
        """Add whoever is missing, then bring the tier's nodes up to date."""
        try:
            passwords = json.loads((settings.LAB_DIR / "people.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CommandError("There is no people.json in the lab directory. `make demo` writes it.") from None
        existing = Person.objects.in_bulk(field_name="username")
        for person in PEOPLE:
            password = passwords[person.username]
            if person.username not in existing:
                newcomer = grants.Newcomer(person.username, password, person.display_name, person.phone, person.chat)
                grants.add(newcomer, roles=[person.role])
            elif new_passwords:
                grants.set_password(existing[person.username], password)
        register.register(layouts.load(settings.LAB_DIR))
