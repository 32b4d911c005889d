"""`manage.py batch create|upsert|update|delete TABLE FILE`: a CSV or JSON-lines file into a table, in chunks."""

import csv
import os
import signal
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from django.urls import reverse

from apps.batch import (
    Cancel,
    How,
    Isolation,
    OnError,
    Refused,
    Remember,
    Result,
    SourceFailed,
    Table,
    Wire,
    create,
    delete,
    table,
    update,
    upsert,
)
from apps.batch.files import Sheet, opened
from apps.batch.how import CHUNK
from apps.batch.terminal import bar

VERBS = ("create", "upsert", "update", "delete")
SHOWN = 10


class Command(BaseCommand):
    """Carry a file into a table."""

    help = "Carry a CSV or JSON-lines file into a table, chunk by chunk; Ctrl-C ends it after the present transaction."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`VERB TABLE FILE` and the options of `apps.batch.How`."""
        parser.add_argument("verb", choices=VERBS)
        parser.add_argument("table", help="schema.name, exactly as the database writes it")
        parser.add_argument("file", type=Path, help="CSV with a first line of column names, or one JSON object a line")
        parser.add_argument("--key", default="", help="columns that tell rows apart, by commas (the primary key)")
        parser.add_argument(
            "--chunk", type=int, default=CHUNK, help="rows that are tried again or halved as one (1,000)"
        )
        parser.add_argument(
            "--together", type=int, help="chunks of one transaction (40, or as many as have 40,000 rows)"
        )
        parser.add_argument(
            "--isolation",
            choices=[level.name.lower().replace("_", "-") for level in Isolation],
            default="read-committed",
        )
        parser.add_argument("--parallel", type=int, default=1, help="transactions at the same time (1)")
        parser.add_argument("--null", default="", help="the text that means NULL in CSV (nothing)")
        parser.add_argument("--stop", action="store_true", help="end at the first guilty row")
        parser.add_argument("--dry-run", action="store_true", help="do everything, and roll all of it back")
        parser.add_argument("--resume", default="", metavar="TOKEN", help="go on where an earlier run ended")
        parser.add_argument("--name", help="how the run is called at /batches/ (the file's name)")
        parser.add_argument(
            "--database-from",
            metavar="VARIABLE",
            help="environment variable with the address of another database than the portal's own",
        )

    def handle(self, *args: Any, verb: str, file: Path, **options: Any) -> None:
        """Raises CommandError when not every row was settled."""
        using = self._database(options["database_from"])
        with _interruptible() as cancel:
            try:
                with opened(file, options["null"]) as sheet, bar(file.name, sheet.total) as progress:
                    how = self._how(file, options, cancel, progress, sheet.total)
                    found = table(options["table"], using)
                    result = self._run(verb, found, sheet, tuple(filter(None, options["key"].split(","))), using, how)
            except SourceFailed as broken:
                raise CommandError(f"{broken}\n{self._words(broken.result)}") from broken
            except OSError as error:
                raise CommandError(
                    f"{file} cannot be read: {error.strerror or error}. Nothing more was written."
                ) from error
            except (Refused, ValueError, csv.Error, psycopg.Error) as error:
                raise CommandError(f"Nothing more was written: {error}") from error
        if not result.ok:
            raise CommandError(self._words(result))
        self.stdout.write(self._words(result) + (" Nothing was kept: it was a dry run." if options["dry_run"] else ""))

    def _run(self, verb: str, found: Table, sheet: Sheet, key: tuple[str, ...], using: str, how: How) -> Result:
        match verb:
            case "create":
                return create(found, sheet.rows, columns=sheet.columns, using=using, how=how)
            case "upsert":
                return upsert(found, sheet.rows, key=key, columns=sheet.columns, using=using, how=how)
            case "update":
                return update(found, sheet.rows, key=key, columns=sheet.columns, using=using, how=how)
            case _:
                return delete(found, sheet.rows, key=key or sheet.columns or (), using=using, how=how)

    def _how(self, file: Path, options: dict[str, Any], cancel: Cancel, progress: Any, total: int | None) -> How:
        kept = (
            None if options["dry_run"] else Remember(options["name"] or file.name, os.environ.get("USER") or "system")
        )
        return How(
            chunk=options["chunk"],
            together=options["together"],
            parallel=options["parallel"],
            isolation=Isolation[options["isolation"].replace("-", "_").upper()],
            on_error=OnError.STOP if options["stop"] else OnError.ACCUMULATE,
            wire=Wire.TEXT,
            dry_run=options["dry_run"],
            resume=options["resume"],
            remember=kept,
            cancel=cancel,
            progress=progress,
            total=total,
        )

    def _database(self, variable: str | None) -> str:
        if not variable:
            return DEFAULT_DB_ALIAS
        if not (address := os.environ.get(variable, "")):
            raise CommandError(
                f"The environment has no {variable}. Put the database's address there; it is not written on a command line."
            )
        return address

    def _words(self, result: Result) -> str:
        lines = [result.sentence(), *(f"  {error}" for error in result.errors[:SHOWN])]
        if result.errors_total > SHOWN:
            lines.append(f"  and {result.errors_total - SHOWN:,} more")
        if result.errors:
            lines.append("Rows are counted from 0, in the order of the file, its line of column names left out.")
        if result.job:
            page = f"{settings.ORIGIN}{reverse('batch:job', args=[result.job])}"
            kept = f", with the first {len(result.errors)} errors" if result.errors_total > SHOWN else ""
            lines.append(f"Remembered as batch {result.job}{kept}: {page}")
        if result.token:
            lines.append(f"To go on over the same file: --resume {result.token}")
        return "\n".join(lines)


@contextmanager
def _interruptible() -> Iterator[Cancel]:
    """While it lasts, Ctrl-C asks the run to end; a second one interrupts."""
    cancel = Cancel()

    def ask(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        cancel.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)
