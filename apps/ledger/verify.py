"""Reading the ledger against itself: every number, every hash, every link, and the head.

What this can find: a changed, removed, added, reordered or cut-off entry, by whomever. What it cannot: someone who may do
anything in the database rewriting everything from an entry to the head. For that, compare with a checkpoint noted elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from apps.ledger.leaf import GENESIS, Leaf
from apps.ledger.models import Entry
from apps.ledger.tree import Frontier

# One statement, so that entries and head are of the same instant.
READ = """
SELECT h.seq, h.hash, e.seq, e.at, e.actor, e.kind, e.subject, e.tier, e.prev_hash, e.body, e.hash
FROM ledger_head AS h LEFT JOIN ledger_entry AS e ON true ORDER BY e.seq
"""


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
class Report:
    """How many entries are whole, the last of them as a checkpoint, and where the ledger breaks, if it does."""

    whole: int
    checkpoint: Checkpoint
    broken: Broken | None

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return self.broken is None


def verify(
    checkpoint: Checkpoint | None = None, *, grown: Frontier | None = None, using: str = DEFAULT_DB_ALIAS
) -> Report:
    """
    Read the whole ledger in constant memory.

    Args:
        checkpoint: what the ledger is known to have been at some time; it must still contain exactly that.
        grown: a Merkle tree to which every whole entry is added.
        using: the connection to read over.

    Returns:
        The report; reading stops at the first broken entry.
    """
    last, last_hash, head = 0, GENESIS, None
    for recorded, leaf, stored in _read(using):
        head = recorded
        if leaf is None:
            break
        broken = _step(last, last_hash, leaf, stored, checkpoint)
        if broken:
            return Report(last, Checkpoint(last, last_hash), broken)
        last, last_hash = leaf.seq, stored
        if grown is not None:
            grown.add(stored)
    return Report(last, Checkpoint(last, last_hash), _end(last, last_hash, head, checkpoint))


def _read(using: str) -> Iterator[tuple[Checkpoint, Leaf | None, bytes]]:
    with transaction.atomic(using), connections[using].chunked_cursor() as cursor:
        cursor.execute(READ)
        for head_seq, head_hash, seq, at, actor, kind, subject, tier, prev_hash, body, stored in cursor:
            head = Checkpoint(head_seq, bytes(head_hash))
            if seq is None:
                yield head, None, b""
            else:
                yield head, Leaf(seq, at, actor, kind, subject, tier, bytes(prev_hash), bytes(body)), bytes(stored)


def _step(last: int, last_hash: bytes, leaf: Leaf, stored: bytes, checkpoint: Checkpoint | None) -> Broken | None:
    if leaf.seq != last + 1:
        missing = f"entry {last + 1} is" if leaf.seq == last + 2 else f"entries {last + 1} to {leaf.seq - 1} are"
        return Broken(last + 1, Fault.GAP, f"{missing} missing: entry {leaf.seq} follows entry {last}.")
    if leaf.hash != stored:
        return Broken(
            leaf.seq, Fault.ALTERED, f"the content of entry {leaf.seq} is not what was hashed when it was written."
        )
    if leaf.prev_hash != last_hash:
        reason = f"entry {leaf.seq} links to another entry {last} than the one that stands there; one of the two was rewritten."
        return Broken(leaf.seq, Fault.RELINKED, reason)
    if checkpoint and checkpoint.seq == leaf.seq and checkpoint.hash != stored:
        reason = (
            f"entry {leaf.seq} is not the one of the checkpoint: an entry up to here was rewritten, and all after it."
        )
        return Broken(leaf.seq, Fault.CHECKPOINT, reason)
    return None


def _end(last: int, last_hash: bytes, head: Checkpoint | None, checkpoint: Checkpoint | None) -> Broken | None:
    if head is None:
        return Broken(last, Fault.HEAD, "the record of the last entry is gone.")
    if head.seq > last:
        return Broken(last + 1, Fault.CUT_SHORT, f"entries {last + 1} to {head.seq} were written and are gone.")
    if head != Checkpoint(last, last_hash):
        return Broken(
            last, Fault.HEAD, f"the record of the last entry says {head.seq}, with another hash than entry {last}."
        )
    if checkpoint and checkpoint.seq > last:
        return Broken(
            last + 1, Fault.CHECKPOINT, f"the checkpoint knows {checkpoint.seq} entries, the ledger only {last}."
        )
    return None


@dataclass(frozen=True, slots=True)
class Links:
    """One entry and its neighbours: whether its content is as hashed, and whether both links hold."""

    content: bool
    before: bool
    after: bool

    @property
    def ok(self) -> bool:
        """Whether this entry is whole and in its place."""
        return self.content and self.before and self.after


def links(entry: Entry, previous: Entry | None, following: Entry | None) -> Links:
    """How one entry stands between its neighbours; a missing neighbour is only right at the ends."""
    leaf, stored = entry.leaf, bytes(entry.hash)
    expected = bytes(previous.hash) if previous else (GENESIS if entry.seq == 1 else b"")
    return Links(leaf.hash == stored, leaf.prev_hash == expected, not following or bytes(following.prev_hash) == stored)
