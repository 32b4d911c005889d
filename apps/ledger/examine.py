"""A range of entries read from the store and computed anew: every number, every hash, every link; no Django.

Ranges can be examined apart from each other, by several processes at once. What is compared is what PostgreSQL sends, byte for byte:
no entry becomes an object, because a ledger has millions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from apps.ledger.leaf import DOMAIN, GENESIS
from apps.ledger.tree import fold

LEVEL = 11
ENTRIES = 1 << LEVEL  # of one range: read at once, and one subtree of the ledger's tree
READ = b"""
SELECT seq, at, actor, kind, subject, tier, prev_hash, body, hash FROM ledger_entry WHERE seq BETWEEN %s AND %s ORDER BY seq
"""
# RFC 6962's mark of a leaf, then the netstrings of leaf.py.
LEAF = b"\x00%d:%b," % (len(DOMAIN), DOMAIN) + b"%d:%d,27:%bZ,%d:%b,%d:%b,%d:%b,%d:%b,32:%b,%d:%b,"
POSTGRES_EPOCH = np.datetime64("2000-01-01", "us").astype(np.int64)
DAY = 86_400_000_000  # microseconds
INSTANT = np.dtype([("date", "S10"), ("clock", "S10"), ("milli", "S3"), ("micro", "S3")])
Row = Sequence[Any]  # seq, at in microseconds since 2000, then bytes: actor, kind, subject, tier, prev_hash, body, hash


class Fault(Enum):
    """What can be wrong with the ledger."""

    GAP = "gap"
    ALTERED = "altered content"
    RELINKED = "altered link"
    CUT_SHORT = "cut short"
    HEAD = "altered head"
    CHECKPOINT = "not the checkpoint's ledger"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry at which the ledger stops being whole."""

    seq: int
    fault: Fault
    explanation: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A number and a hash noted outside the database, written `<seq>:<64 hexadecimal digits>`."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Raises ValueError, with the remedy, for anything else than the form above."""
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
        if not found:
            raise ValueError(
                f"{text!r} is no checkpoint. Write it as `ledger verify` prints it: <number>:<64 hex digits>."
            )
        return cls(int(found[1]), bytes.fromhex(found[2]))


@dataclass(frozen=True, slots=True)
class Range:
    """Entries first … last, both there, at most ENTRIES of them."""

    first: int
    last: int

    @property
    def subtree(self) -> bool:
        """Whether it is one whole subtree of the ledger's tree."""
        return (self.first - 1) % ENTRIES == 0 and self.last - self.first + 1 == ENTRIES


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of a range: how far it is whole, what it links to, and its part of the tree.

    `opens`: the hash that its first entry links to; `last`: its last whole entry. `tree`: the subtree's root of a whole range, the
    entries' hashes of another; empty where none was asked for.
    """

    opens: bytes
    last: Checkpoint
    tree: tuple[bytes, ...]
    broken: Broken | None


def examine(
    connection: psycopg.Connection[Any], wanted: Range, known: Checkpoint | None = None, *, grow: bool = False
) -> Examined:
    """
    Read a range and compute every hash from what the columns say.

    Args:
        connection: over which it is read, in one statement; UTF-8, as all of the portal's.
        wanted: the range.
        known: what one entry is known to have been; it matters if it lies in the range.
        grow: also compute the range's part of the tree.
    """
    rows = _read(connection, wanted)
    stored = [row[8] for row in rows]
    found = [sha256(leaf).digest() for leaf in _leaves(rows)]
    whole = (
        found == stored
        and [row[0] for row in rows] == list(range(wanted.first, wanted.last + 1))
        and [row[6] for row in rows[1:]] == stored[:-1]
    )
    opens = rows[0][6] if rows else GENESIS
    if not whole:
        return _broken(wanted, rows, found, opens)
    if known and wanted.first <= known.seq <= wanted.last and stored[known.seq - wanted.first] != known.hash:
        reason = (
            f"entry {known.seq} is not the one of the checkpoint: an entry up to here was rewritten, and all after it."
        )
        before = _before(wanted, rows, known.seq - wanted.first, opens)
        return Examined(opens, before, (), Broken(known.seq, Fault.CHECKPOINT, reason))
    tree = () if not grow else (fold(found),) if wanted.subtree else tuple(found)
    return Examined(opens, Checkpoint(wanted.last, stored[-1]), tree, None)


def _read(connection: psycopg.Connection[Any], wanted: Range) -> list[Row]:
    cursor = psycopg.Cursor(connection)
    cursor.adapters.register_loader("text", ByteaBinaryLoader)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    return cursor.execute(READ, [wanted.first, wanted.last], binary=True).fetchall()


def _leaves(rows: Sequence[Row]) -> list[bytes]:
    """What is hashed of each entry (see leaf.py), from its columns."""
    return [
        LEAF % (len(str(seq)), seq, at, len(actor), actor, len(kind), kind, len(subject), subject, len(tier), tier,
                before, len(body), body)
        for at, (seq, _at, actor, kind, subject, tier, before, body, _hash) in zip(_instants(rows), rows, strict=True)
    ]  # fmt: skip


def _instants(rows: Sequence[Row]) -> list[bytes]:
    """Each entry's time as leaf.instant writes it, without its Z; put together from tables, five times as quick as one by one."""
    days, rest = np.divmod(np.array([row[1] for row in rows], np.int64) + POSTGRES_EPOCH, DAY)
    seconds, micros = np.divmod(rest, 1_000_000)
    clock, thousand = _tables()
    distinct, which = np.unique(days, return_inverse=True)
    texts = np.empty(len(rows), INSTANT)
    texts["date"] = np.datetime_as_string(distinct.view("datetime64[D]")).astype("S10")[which]
    texts["clock"], texts["milli"], texts["micro"] = clock[seconds], thousand[micros // 1000], thousand[micros % 1000]
    found: list[bytes] = texts.view("S26").tolist()
    return found


@cache
def _tables() -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
    """Every second of a day, `T03:04:05.`, and every number of three digits."""
    seconds = np.datetime_as_string(np.arange(86_400).view("datetime64[s]")).astype("S").tolist()
    return np.array([b"%b." % text[10:] for text in seconds], "S10"), np.array([b"%03d" % n for n in range(1000)], "S3")


def _broken(wanted: Range, rows: Sequence[Row], found: Sequence[bytes], opens: bytes) -> Examined:
    """The first entry that is not as it should be, and how far all is well."""
    for place, (row, leaf) in enumerate(zip(rows, found, strict=True)):
        before = _before(wanted, rows, place, opens)
        if (fault := _fault(row, leaf, before)) is not None:
            return Examined(opens, before, (), fault)
    end = _before(wanted, rows, len(rows), opens)
    return Examined(opens, end, (), gap(end.seq, end.seq + 2))


def _before(wanted: Range, rows: Sequence[Row], place: int, opens: bytes) -> Checkpoint:
    """The entry before the one at `place`, which is whole."""
    return Checkpoint(wanted.first + place - 1, rows[place - 1][8] if place else opens)


def _fault(row: Row, leaf: bytes, before: Checkpoint) -> Broken | None:
    seq = row[0]
    if seq != before.seq + 1:
        return gap(before.seq, seq)
    if leaf != row[8]:
        return Broken(seq, Fault.ALTERED, f"the content of entry {seq} is not what was hashed when it was written.")
    return None if row[6] == before.hash else relinked(seq)


def gap(last: int, seq: int) -> Broken:
    """Entry `seq` follows entry `last`, which is not its neighbour; or stands there again."""
    missing = f"entry {last + 1} is" if seq == last + 2 else f"entries {last + 1} to {seq - 1} are"
    reason = f"{missing} missing: entry {seq} follows entry {last}." if seq > last else f"entry {seq} stands twice."
    return Broken(last + 1, Fault.GAP, reason)


def relinked(seq: int) -> Broken:
    """Entry `seq` has not the hash of the one before it."""
    reason = (
        f"entry {seq} links to another entry {seq - 1} than the one that stands there; one of the two was rewritten."
    )
    return Broken(seq, Fault.RELINKED, reason)
