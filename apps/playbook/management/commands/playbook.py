"""`manage.py playbook check|show|diff`: what a team needs while it edits its playbook."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.playbook.difference import difference
from apps.playbook.guides import Playbook
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.pin import BundleInvalid, bundle, from_bundle
from apps.playbook.plan import Week
from apps.playbook.validate import load


class Command(BaseCommand):
    """Exit code 1 when something is wrong; mistakes go to standard error, one a line, as file:line: what, remedy."""

    help = "Check a playbook, show it, or tell what changed between two."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare check [PATH], show [PATH] and diff A B; a path is a playbook's folder or a bundle's file."""
        commands = parser.add_subparsers(dest="command", required=True)
        for name, text in (("check", "find every mistake"), ("show", "show weeks, items and digest")):
            command = commands.add_parser(name, help=text)
            command.add_argument(
                "path", nargs="?", type=Path, help="default: OPSPORTAL_PLAYBOOK, or the default playbook"
            )
        command = commands.add_parser("diff", help="tell what changed from A to B")
        command.add_argument("a", type=Path)
        command.add_argument("b", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen one."""
        if options["command"] == "diff":
            changes = difference(_open(options["a"]), _open(options["b"]))
            lines = [str(change) for change in changes] or ["no difference in meaning"]
        else:
            playbook = _open(options["path"] or settings.PLAYBOOK)
            lines = [_summary(playbook)] if options["command"] == "check" else [*_shown(playbook)]
        for line in lines:
            self.stdout.write(line)


def _open(path: Path) -> Playbook:
    """The playbook in a folder or in a bundle; raises CommandError with every mistake."""
    try:
        return from_bundle(path.read_bytes()) if path.is_file() else load(path)
    except BundleInvalid as error:
        raise CommandError(f"{path}: {error}") from error
    except PlaybookInvalid as error:
        count = len(error.mistakes)
        raise CommandError(f"{error}\n{count} {'mistake' if count == 1 else 'mistakes'} in {path}") from error


def _summary(playbook: Playbook) -> str:
    items = [item for week in playbook.weeks for item in week.items()]
    bound = {item.check for item in items if item.check}
    watched = {entry.check for week in playbook.weeks if week.watch for entry in week.watch.entries if entry.check}
    return f"ok: {len(playbook.weeks)} weeks, {len(items)} items, {len(bound | watched)} checks bound"


def _shown(playbook: Playbook) -> Iterator[str]:
    yield f"{playbook.plan.title}  sha256:{bundle(playbook).digest}"
    for week in playbook.weeks:
        yield f"\n{week.slug}  {week.title}  ({week.source})"
        yield from _week(week)
    yield "\nRunbooks"
    for runbook in playbook.runbooks:
        owners = ", ".join(str(role.label) for role in runbook.owners)
        yield f"  {runbook.id:6} {runbook.title}  ({owners})"


def _week(week: Week) -> Iterator[str]:
    for pause in week.pauses:
        yield f"  {pause.gate}: {pause.title}"
        for item in pause.items:
            mark = "!" if item.critical else " "
            yield f"   {mark} {item.kind:9} {item.text}{f'  [{item.check}]' if item.check else ''}"
    yield f"  signed by: {', '.join(slot.title for slot in week.sign_offs)}"
