"""Entries as files: CSV that no spreadsheet takes for a formula, and JSON that holds each body's exact bytes."""

import csv
from collections.abc import Iterable, Iterator

import orjson

from apps.ledger.leaf import instant
from apps.ledger.models import Entry

COLUMNS = ("seq", "at", "actor", "kind", "subject", "tier", "in_words", "body", "prev_hash", "hash")
# What Excel, LibreOffice or Sheets begin a formula with, full-width forms and leading blanks included (OWASP).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Line:
    """A file of which csv.writer's `write` is all that is used: it hands the line back."""

    def write(self, line: str) -> str:
        return line


def guarded(cell: str) -> str:
    """
    A cell that a spreadsheet shows as text.

    >>> guarded("=HYPERLINK(1)"), guarded("  @x"), guarded("a=b")
    ("'=HYPERLINK(1)", "'  @x", 'a=b')
    """
    return f"'{cell}" if cell.startswith(FORMULA) or cell.lstrip().startswith(FORMULA) else cell


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """Lines of CSV (RFC 4180) with a header."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for entry in entries:
        texts = (entry.actor, entry.kind, entry.subject, entry.tier, entry.sentence, bytes(entry.body).decode())
        hashes = (bytes(entry.prev_hash).hex(), bytes(entry.hash).hex())
        yield writer.writerow([entry.seq, instant(entry.at), *(guarded(text) for text in texts), *hashes])


def as_json(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A JSON array, one entry a line; `body` is copied byte for byte from what was hashed."""
    yield b"["
    for number, entry in enumerate(entries):
        head = {
            "seq": entry.seq,
            "at": instant(entry.at),
            "actor": entry.actor,
            "kind": entry.kind,
            "subject": entry.subject,
            "tier": entry.tier,
            "prev_hash": bytes(entry.prev_hash).hex(),
            "hash": bytes(entry.hash).hex(),
        }
        yield (b",\n" if number else b"\n") + orjson.dumps(head)[:-1] + b',"body":' + bytes(entry.body) + b"}"
    yield b"\n]\n"
