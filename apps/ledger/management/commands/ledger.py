"""`manage.py ledger verify` and `manage.py ledger show N`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.ledger.leaf import instant
from apps.ledger.models import Entry
from apps.ledger.verify import Checkpoint, verify


class Command(BaseCommand):
    """Read the ledger."""

    help = "Verify the ledger from its first entry to its last, or show one entry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`verify [--checkpoint N:HASH]`, `show N`."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify|show")
        check = verbs.add_parser(
            "verify", help="Exit status 1 and the first broken entry when the ledger is not whole."
        )
        check.add_argument("--checkpoint", help="What an earlier verify printed: the ledger must still contain it.")
        verbs.add_parser("show", help="One entry: in words, its exact bytes and its hashes.").add_argument(
            "seq", type=int
        )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Raises CommandError when the ledger is broken or there is no such entry."""
        if verb == "verify":
            self._verify(options["checkpoint"])
        else:
            self._show(options["seq"])

    def _verify(self, text: str | None) -> None:
        try:
            known = Checkpoint.parse(text) if text else None
        except ValueError as error:
            raise CommandError(str(error)) from error
        report = verify(known)
        if report.broken:
            broken = report.broken
            raise CommandError(
                f"The ledger is broken at entry {broken.seq} ({broken.fault.value}): {broken.explanation}\n"
                f"Whole up to there: {report.whole} entries. Keep the database as it is, restore a copy beside it from the last "
                "backup that verifies, and compare the two from this entry on."
            )
        self.stdout.write(f"The ledger is whole: {report.whole} entries.\nCheckpoint: {report.checkpoint}")

    def _show(self, seq: int) -> None:
        entry = Entry.objects.filter(seq=seq).first()
        if entry is None:
            last = Entry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
            raise CommandError(f"There is no entry {seq}; the last is {last}.")
        right = "as content" if entry.leaf.hash == bytes(entry.hash) else "NOT THE HASH OF THE CONTENT"
        for name, value in {
            "entry": str(entry.seq),
            "at": instant(entry.at),
            "kind": entry.kind,
            "in words": entry.sentence,
            "subject": entry.subject,
            "actor": entry.actor,
            "tier": entry.tier or "–",
            "body": bytes(entry.body).decode(),
            "before": bytes(entry.prev_hash).hex(),
            "hash": f"{bytes(entry.hash).hex()} ({right})",
        }.items():
            self.stdout.write(f"{name:9} {_one_line(value)}")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
