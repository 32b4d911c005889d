"""Who blocks whom, as a tree for each server: those who hold a lock first, below them those who wait for it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.metrics.kernel import NodeKind, Row, Rows, Sample, TierView
from apps.metrics.units import duration

BLOCKS, BLOCKING = "queries.blocks", "queries.blocking"
BRANCH, NARROW = "\N{BOX DRAWINGS LIGHT UP AND RIGHT}", "\N{NO-BREAK SPACE}"
DEEPEST = 20


def blocks(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each session of the trees of all servers, in the order in which they are read. No samples."""
    return [
        {"node": node.name, **row} for node in view.of(NodeKind.POSTGRES) for row in tree(node.rows(BLOCKING) or ())
    ], ()


def tree(rows: Rows) -> list[dict[str, Any]]:
    """The sessions below those that block them, each once: whoever waits for several stands below the first, and names all.

    Sessions that wait for each other in a circle have no root; the one that has waited longest stands for it.
    """
    sessions = {str(row["object"]): row for row in rows}
    waits_for = {pid: [str(by) for by in row["blocked_by"] if str(by) in sessions] for pid, row in sessions.items()}
    below: dict[str, list[str]] = {}
    for pid, blockers in waits_for.items():
        for by in blockers:
            below.setdefault(by, []).append(pid)
    seen: set[str] = set()
    found: list[dict[str, Any]] = []
    longest = sorted(sessions, key=lambda pid: -(sessions[pid]["waited"] or 0.0))
    roots = sorted((pid for pid in sessions if not waits_for[pid]), key=lambda pid: -_behind(pid, below))
    for pid in (*roots, *longest):
        found += _branch(pid, 0, sessions, below, seen)
    return found


def _behind(pid: str, below: Mapping[str, list[str]]) -> int:
    """How many sessions wait for this one, directly or not."""
    reached, ahead = {pid}, [pid]
    while ahead:
        new = [other for other in below.get(ahead.pop(), ()) if other not in reached]
        reached.update(new)
        ahead += new
    return len(reached) - 1


def _branch(
    pid: str, depth: int, sessions: Mapping[str, Row], below: Mapping[str, list[str]], seen: set[str]
) -> Iterator[dict[str, Any]]:
    if pid in seen or depth > DEEPEST:
        return
    seen.add(pid)
    row, behind = sessions[pid], _behind(pid, below)
    yield {
        **row,
        "depth": depth,
        "tree": f"{NARROW * 3 * (depth - 1)}{BRANCH}{NARROW}{pid}" if depth else pid,
        "behind": behind,
        "by": ", ".join(str(by) for by in row["blocked_by"]),
        "what": _what(row, behind),
    }
    waiting = sorted(below.get(pid, ()), key=lambda other: -(sessions[other]["waited"] or 0.0))
    for other in waiting:
        yield from _branch(other, depth + 1, sessions, below, seen)


def _what(row: Row, behind: int) -> str:
    """What a session does in the tree, in words."""
    if row["waited"] is not None or row["lock"]:
        on = f" on {row['relation']}" if row["relation"] else f" ({row['lock']})"
        return f"waits {duration(row['waited'] or 0.0)} for {row['mode'] or 'a lock'}{on}"
    held = f" for {duration(row['in_transaction'])}" if row["in_transaction"] else ""
    idle = "does nothing and " if str(row["state"] or "").startswith("idle") else ""
    return f"{idle}holds it{held}" if behind else "holds nothing any more"
