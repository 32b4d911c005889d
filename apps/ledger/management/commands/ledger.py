"""`manage.py ledger`: verify it, show an entry, make keys, sign a checkpoint, be its witness."""

# The witness needs these after it gave up the rights to read where they are.
import encodings.ascii
import encodings.idna
import encodings.latin_1  # noqa: F401
import os
import pwd
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from apps.ledger.checkpoints import NotSigned, write
from apps.ledger.keys import KeyUnusable, SigningKey
from apps.ledger.leaf import instant
from apps.ledger.models import Entry
from apps.ledger.offline.verify import LOG, WITNESS, Key
from apps.ledger.verify import Checkpoint, verify
from apps.ledger.witness import Places, Refused, Unreachable, Witness, over_http


class Command(BaseCommand):
    """Read the ledger, sign what it is, and watch over it."""

    help = "Verify the ledger, show one entry, make a key, sign a checkpoint, or be the witness of a ledger."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One verb a line of the help."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify|show|key|checkpoint|witness")
        check = verbs.add_parser(
            "verify", help="Exit status 1 and the first broken entry when the ledger is not whole."
        )
        check.add_argument("--checkpoint", help="What an earlier verify printed: the ledger must still contain it.")
        verbs.add_parser("show", help="One entry: in words, its exact bytes and its hashes.").add_argument(
            "seq", type=int
        )
        key = verbs.add_parser("key", help="Make a key that signs; prints its public half.")
        key.add_argument("name", help="What signatures are under, such as ops.example.org/ledger.")
        key.add_argument("--out", type=Path, required=True, help="The file for the private half; it must not exist.")
        key.add_argument("--witness", action="store_true", help="A witness's key instead of the ledger's.")
        verbs.add_parser("checkpoint", help="Examine the ledger, sign what it is, print it.")
        self._add_witness(
            verbs.add_parser("witness", help="Cosign checkpoints that continue each other; run it as another user.")
        )

    def _add_witness(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", required=True, help="The portal's address.")
        parser.add_argument("--ledger-key", required=True, help="The ledger's public key, as `ledger key` printed it.")
        parser.add_argument("--key", type=Path, required=True, help="The file of the witness's own private key.")
        parser.add_argument(
            "--memory", type=Path, required=True, help="The file in which it remembers what it saw last."
        )
        parser.add_argument(
            "--out", type=Path, required=True, help="Where it puts the cosigned checkpoint, for others to copy."
        )
        parser.add_argument("--every", type=int, default=60, help="Seconds between two looks (60).")
        parser.add_argument(
            "--once", action="store_true", help="Look once: exit status 0 signed, 1 refused, 2 not reached."
        )
        parser.add_argument(
            "--as", dest="user", default="", help="Become this user before anything is read (only as root)."
        )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Raises CommandError when what was asked for cannot be done, or the ledger is broken."""
        match verb:
            case "verify":
                self._verify(options["checkpoint"])
            case "show":
                self._show(options["seq"])
            case "key":
                self._key(options["name"], options["out"], WITNESS if options["witness"] else LOG)
            case "checkpoint":
                self._checkpoint()
            case "witness":
                self._witness(options)

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

    def _key(self, name: str, out: Path, kind: int) -> None:
        try:
            key = SigningKey.make(name, kind)
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except (KeyUnusable, OSError) as error:
            raise CommandError(f"No key was made: {error}") from error
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.secret + "\n")
        self.stdout.write(
            f"The private key is in {out}, readable by you only. Its public half, to be handed on:\n{key.public}"
        )

    def _checkpoint(self) -> None:
        try:
            self.stdout.write(write().note, ending="")
        except NotSigned as error:
            raise CommandError(f"No checkpoint was signed. {error}") from error

    def _witness(self, options: dict[str, Any]) -> None:
        witness = _witness_of(options)
        while True:
            try:
                seen = witness.look()
                self.stdout.write(f"Signed: {seen.size} entries.")
                status = 0
            except Refused as error:
                self.stderr.write(f"REFUSED ({error.refusal.value}): {error}")
                status = 1
            except Unreachable as error:
                self.stderr.write(str(error))
                status = 2
            except (OSError, ValueError) as error:
                raise CommandError(f"The witness cannot go on: {error}") from error
            if options["once"]:
                sys.exit(status)
            time.sleep(options["every"])


def _witness_of(options: dict[str, Any]) -> Witness:
    if urlsplit(options["url"]).scheme not in {"http", "https"}:
        raise CommandError("--url is the portal's address, with http:// or https://.")
    try:
        ledger = Key.parse(options["ledger_key"])
        if options["user"]:
            _become(options["user"])
        key = SigningKey.parse(options["key"].read_text(encoding="ascii"), WITNESS)
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"The witness cannot begin: {error}") from error
    places = Places(options["url"], options["memory"], options["out"])
    return Witness(key, ledger, places, over_http(options["url"]))


def _become(user: str) -> None:
    """Give up this process's rights for another user's, for good."""
    entry = pwd.getpwnam(user)
    if os.geteuid() == entry.pw_uid:
        return
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
