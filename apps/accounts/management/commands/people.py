"""`manage.py people`: who is in the team and who holds which role; each change is an entry of the ledger."""

import getpass
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import EVERY_TIER, Role


class Command(BaseCommand):
    """Add people, grant and revoke roles, disable and enable, take lost second factors away."""

    help = "Add and list people, grant and revoke their roles, disable and enable them, take lost second factors away."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand a verb."""
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar="add|list|grant|revoke|disable|enable|password|unenrol"
        )
        add = verbs.add_parser(
            "add", help="Add a person. The password is asked for, or read from the first line of stdin."
        )
        add.add_argument("username")
        for option in ("name", "phone", "chat", "email"):
            add.add_argument(f"--{option}", default="")
        add.add_argument("--role", action="append", default=[], help="A role on every tier; may be repeated.")
        verbs.add_parser("list", help="List people, their roles and how to reach them.")
        for verb in ("grant", "revoke"):
            change = verbs.add_parser(verb, help=f"{verb.capitalize()} a role.")
            change.add_argument("username")
            change.add_argument("role", help=", ".join(Role.values))
            change.add_argument("--tier", default=EVERY_TIER, help="The slug of one tier; every tier without it.")
        for verb in ("disable", "enable", "password", "unenrol"):
            verbs.add_parser(verb).add_argument("username")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Do what the verb says; raises CommandError with what is wrong and what to do."""
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "add": self._add,
            "list": self._list,
            "grant": self._grant,
            "revoke": self._revoke,
            "disable": self._disable,
            "enable": self._enable,
            "password": self._password,
            "unenrol": self._unenrol,
        }
        try:
            verbs[verb](options)
        except grants.Refused as refusal:
            raise CommandError(str(refusal)) from refusal

    def _add(self, options: dict[str, Any]) -> None:
        roles = [_role(name) for name in options["role"]]
        newcomer = grants.Newcomer(
            options["username"], _password(), options["name"], options["phone"], options["chat"], options["email"]
        )
        person = grants.add(newcomer, roles=roles)
        held = ", ".join(roles) or "no role yet: `manage.py people grant` gives one"
        self.stdout.write(f"Added {person.username} ({held}).")

    def _list(self, options: dict[str, Any]) -> None:
        for person in Person.objects.order_by("username").prefetch_related("grants"):
            roles = ", ".join(str(grant) for grant in person.grants.all()) or "no role"
            reach = " · ".join(part for part in (person.phone, person.chat, person.email) if part)
            state = "" if person.is_active else " [disabled]"
            self.stdout.write(f"{person.username:20} {person.display_name:24} {roles}{state}  {reach}".rstrip())

    def _grant(self, options: dict[str, Any]) -> None:
        made = grants.grant(_person(options), _role(options["role"]), options["tier"])
        self.stdout.write(f"{options['username']} now holds {made}.")

    def _revoke(self, options: dict[str, Any]) -> None:
        grants.revoke(_person(options), _role(options["role"]), options["tier"])
        self.stdout.write(
            f"{options['username']} no longer holds {options['role']} on {options['tier'] or 'every tier'}."
        )

    def _disable(self, options: dict[str, Any]) -> None:
        grants.disable(_person(options))
        self.stdout.write(f"{options['username']} is disabled; their sessions end at their next request.")

    def _enable(self, options: dict[str, Any]) -> None:
        grants.enable(_person(options))
        self.stdout.write(f"{options['username']} may log in again.")

    def _password(self, options: dict[str, Any]) -> None:
        grants.set_password(_person(options), _password())
        self.stdout.write(f"{options['username']} has a new password; their sessions ended.")

    def _unenrol(self, options: dict[str, Any]) -> None:
        grants.remove_factors(_person(options))
        self.stdout.write(f"{options['username']} signs in with the password alone; their sessions ended.")


def _person(options: dict[str, Any]) -> Person:
    name = options["username"]
    person = Person.objects.filter(username=name).first()
    if person is None:
        near = _nearest(name, Person.objects.values_list("username", flat=True))
        raise CommandError(f"There is no person named {name}.{near or ' `manage.py people list` shows everybody.'}")
    return person


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        near = _nearest(name, Role.values)
        raise CommandError(f"There is no role {name!r}.{near} The roles are {', '.join(Role.values)}.") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, 3, 0.5)
    return f" Do you mean {' or '.join(near)}?" if near else ""


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password (at least 12 characters){os.linesep}> ")
    if getpass.getpass("Once more > ") != password:
        raise CommandError("The two passwords differ. Nothing was changed.")
    return password
