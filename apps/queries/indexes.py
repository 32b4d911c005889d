"""What the indexes of all servers tell together: which are invalid, made twice, covered by another, or never used. Pure functions of rows.

An index counts as unused only when neither the primary nor any replica has used it, each since its own statistics began; reads may go to
replicas only. Partitions' indexes are judged through the partitioned index that they belong to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.metrics.kernel import NodeKind, NodeRole, Row, Rows, Sample, TierView

INDEXES, USE = "queries.indexes", "queries.index_use"
SMALL = 1_000_000  # bytes: an unused index below this is no matter


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of an index: `problem` is invalid, twice, covered or unused; `why` in words."""

    index: Row
    problem: str
    why: str


def index_use(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each finding, and their counts on the primary, whenever its indexes were read; else what was found before.

    The first row, without a problem, remembers which indexes each server has used: not all of them are read at the same poll.
    """
    memory = next((row for row in view.previous if not row["problem"]), None)
    used: dict[str, list[str]] = dict(memory["used"]) if memory else {}
    nodes = view.of(NodeKind.POSTGRES)
    for node in nodes:
        read = node.rows(INDEXES)
        if read is not None:
            used[node.name] = [row["object"] for row in read if row["scans"]]
    used = {node.name: used[node.name] for node in nodes if node.name in used}
    primary = next((n for n in view.of(NodeKind.POSTGRES, NodeRole.PRIMARY) if n.rows(INDEXES) is not None), None)
    if primary is None:
        return [*({**row, "used": used} if row is memory else row for row in view.previous)], ()
    indexes = whole(primary.rows(INDEXES) or ())
    known_of_all = len(used) == len(nodes)
    somewhere = {name for names in used.values() for name in names}
    found = list(findings(indexes, somewhere if known_of_all else None))
    rows = [{"node": primary.name, **_row(finding)} for finding in found]
    return [{"node": primary.name, "object": "", "problem": "", "used": used}, *rows], _samples(found, primary.name)


def _samples(found: Sequence[Finding], node: str) -> Iterator[Sample]:
    counted = {
        problem: [f for f in found if f.problem == problem] for problem in ("invalid", "twice", "covered", "unused")
    }
    yield Sample(f"{USE}.invalid", len(counted["invalid"]), node=node)
    yield Sample(f"{USE}.redundant", len(counted["twice"]) + len(counted["covered"]), node=node)
    yield Sample(f"{USE}.unused_bytes", sum(f.index["bytes"] for f in counted["unused"]), node=node)


def whole(rows: Rows) -> list[dict[str, Any]]:
    """Indexes as they can be dropped: those of partitions are added to the partitioned index they belong to."""
    found = {row["object"]: {**row, "parts": [row["object"]]} for row in rows}
    for name, row in found.items():
        top, seen = name, {name}
        while (parent := found[top]["parent"]) in found and parent not in seen:
            top = parent
            seen.add(parent)
        if top != name:
            above = found[top]
            above["bytes"] += row["bytes"]
            above["parts"].append(name)
    return [row for row in found.values() if row["parent"] not in found]


def findings(indexes: Sequence[Mapping[str, Any]], used: set[str] | None) -> Iterator[Finding]:
    """All that is to be said, the worst first. `used`: those that some server has used; None when one of them is not known."""
    for index in indexes:
        if not index["valid"] and not index["building"] and not index["partitioned"]:
            yield Finding(index, "invalid", "Invalid: it was left half made; it slows down writes and serves no read.")
    sound = [index for index in indexes if index["valid"]]
    for index in sound:
        other = next((other for other in sound if stands_in(other, index)), None)
        if other is not None:
            same = same_columns(index, other)
            words = "Twice: the same columns as" if same else "Covered: these are the first columns of"
            yield Finding(index, "twice" if same else "covered", f"{words} {other['object']} ({other['shown']}).")
    if used is None:
        return
    for index in sound:
        if not (used & set(index["parts"]) or index["is_unique"] or index["constrained"] or index["bytes"] < SMALL):
            yield Finding(
                index, "unused", "Unused: neither the primary nor a replica has used it since counting began."
            )


def stands_in(other: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    """Whether every read that `index` serves is served by `other` as well, so that `index` can go; of two alike only one can."""
    if other["object"] == index["object"] or index["constrained"] or index["is_unique"]:
        return False
    alike = all(other[key] == index[key] for key in ("relation", "method", "predicate", "expressions"))
    if not alike:
        return False
    if same_columns(index, other):
        keep_other = (bool(other["constrained"] or other["is_unique"]), -len(other["object"]), other["object"])
        keep_this = (False, -len(index["object"]), index["object"])
        return keep_other > keep_this
    return index["method"] == "btree" and not index["included"] and _begins_with(other, index)


def same_columns(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two indexes have the same columns in the same order, sorted and compared alike."""
    return all(
        one[key] == other[key] for key in ("columns", "classes", "collations", "options", "included", "expressions")
    )


def _begins_with(longer: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    keys = len(index["classes"].split())
    if index["expressions"] or longer["expressions"] or len(longer["classes"].split()) <= keys:
        return False
    return all(
        longer[key].split()[:keys] == index[key].split()[:keys]
        for key in ("columns", "classes", "collations", "options")
    )


def _row(finding: Finding) -> dict[str, Any]:
    index = finding.index
    return {
        "object": index["object"],
        "relation": index["relation"],
        "shown": index["shown"],
        "problem": finding.problem,
        "why": finding.why,
        "bytes": index["bytes"],
        "scans": index["scans"],
        "since": index["stats_since"] or "the beginning",
        "remedy": index["drop"] if not index["partitioned"] else index["drop"].replace(" CONCURRENTLY", ""),
    }
