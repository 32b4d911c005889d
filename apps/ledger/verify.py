"""Reading the ledger against itself: every number, every hash, every link, and the head.

What this can find: a changed, removed, added, reordered or cut-off entry, by whomever. What it cannot: someone who may do
anything in the database rewriting everything from an entry to the head. For that, compare with a checkpoint noted elsewhere.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, connections

from apps.ledger.abreast import Way, abreast
from apps.ledger.examine import ENTRIES, LEVEL, Broken, Checkpoint, Examined, Fault, Range, gap, relinked
from apps.ledger.leaf import GENESIS
from apps.ledger.models import Entry
from apps.ledger.tree import Frontier

__all__ = ["Broken", "Checkpoint", "Fault", "Links", "Report", "links", "verify"]

PROCESSES = min(2, os.cpu_count() or 1)
ALONE = 300_000  # entries that one process has examined before another has started
# One statement, so that entries and head are of the same instant; what is appended afterwards is not looked at.
ENDS = """
SELECT (SELECT seq FROM ledger_head), (SELECT hash FROM ledger_head), min(seq), max(seq) FROM ledger_entry
"""
AFTER = "SELECT min(seq) FROM ledger_entry WHERE seq > %s"


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
    checkpoint: Checkpoint | None = None,
    *,
    grown: Frontier | None = None,
    using: str = DEFAULT_DB_ALIAS,
    processes: int = PROCESSES,
) -> Report:
    """
    Read the whole ledger, a range of ENTRIES at a time.

    Args:
        checkpoint: what the ledger is known to have been at some time; it must still contain exactly that.
        grown: a Merkle tree, empty yet, to which every whole entry is added.
        using: the connection to read over.
        processes: so many examine a ledger of more than ALONE entries. Within a transaction it is one, which alone sees what was not
            committed; and where processes may have none of their own.

    Returns:
        The report; reading stops at the first broken entry.
    """
    head, first, last = _ends(using)
    start = Checkpoint(0, GENESIS)
    if head is None:
        return Report(0, start, Broken(0, Fault.HEAD, "the record of the last entry is gone."))
    if first < 1:
        return Report(0, start, Broken(first, Fault.GAP, f"entry {first} stands before the first."))
    reached, wanted = start, _ranges(last, grown)
    examined = _examined(Way(checkpoint, grown is not None), wanted, _hands(processes, last, using), using)
    for one, found in zip(wanted, examined, strict=True):
        reached, broken = _joined(reached, one, found, using)
        if broken:
            return Report(reached.seq, reached, broken)
        if grown is not None:
            for part in found.tree:
                grown.add(part, LEVEL if one.subtree else 0)
    return Report(reached.seq, reached, _end(reached, head, checkpoint))


def _ends(using: str) -> tuple[Checkpoint | None, int, int]:
    """The head as it is recorded, and the numbers of the first and the last entry: 1 and 0 of an empty ledger."""
    with connections[using].cursor() as cursor:
        cursor.execute(ENDS)
        seq, reached, first, last = cursor.fetchone()
    head = None if seq is None else Checkpoint(seq, bytes(reached))
    return head, 1 if first is None else first, 0 if last is None else last


def _ranges(last: int, grown: Frontier | None) -> list[Range]:
    """All entries in ranges that end where a subtree does, and where the tree's root is to be remembered."""
    stops = {*range(ENTRIES, last, ENTRIES), last, *(grown.roots if grown else ())}
    ends = sorted(stop for stop in stops if 0 < stop <= last)
    return [Range(before + 1, end) for before, end in zip([0, *ends], ends, strict=False)]


def _hands(processes: int, last: int, using: str) -> int:
    alone = last <= ALONE or connections[using].in_atomic_block or multiprocessing.current_process().daemon
    return 1 if alone else processes


def _examined(way: Way, wanted: Sequence[Range], processes: int, using: str) -> Iterator[Examined]:
    connections[using].ensure_connection()
    raw = connections[using].connection
    if processes == 1:
        return (found for one in wanted for found in way.over(raw, [one]))
    return abreast(way, raw, wanted, processes)


def _joined(reached: Checkpoint, one: Range, found: Examined, using: str) -> tuple[Checkpoint, Broken | None]:
    """How far all is well, and what is wrong, once a range stands behind the ones before it."""
    broken = found.broken
    if broken and broken.seq == one.first and broken.fault in {Fault.GAP, Fault.ALTERED}:
        return reached, _told(broken, reached, using)
    if found.opens != reached.hash:
        return reached, relinked(one.first)
    return found.last, broken and _told(broken, found.last, using)


def _told(broken: Broken, reached: Checkpoint, using: str) -> Broken:
    """A gap with what stands behind it, which the range may not know."""
    if broken.fault is not Fault.GAP:
        return broken
    with connections[using].cursor() as cursor:
        cursor.execute(AFTER, [reached.seq])
        (following,) = cursor.fetchone()
    return broken if following in {None, broken.seq} else gap(reached.seq, following)


def _end(reached: Checkpoint, head: Checkpoint, checkpoint: Checkpoint | None) -> Broken | None:
    last = reached.seq
    if head.seq > last:
        return Broken(last + 1, Fault.CUT_SHORT, f"entries {last + 1} to {head.seq} were written and are gone.")
    if head != reached:
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
