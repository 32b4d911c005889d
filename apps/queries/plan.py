"""A plan as a person reads it: what is done, what each part costs, and which is the dearest. Pure functions of EXPLAIN's JSON.

Costs are the planner's own unit, a page read in order being 1: they compare plans, they are no milliseconds. A part that is repeated counts
as often as the planner expects it, and a part of which a LIMIT needs only the beginning counts as far as it is needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Node = Mapping[str, Any]
CONDITIONS = (
    *("Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter"),
    *("Sort Key", "Group Key", "One-Time Filter"),
)
LONGEST_DETAIL = 600


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a plan: its depth in the tree, what it does and with what, its own cost and that with all below it, rows it gives."""

    depth: int
    does: str
    on: str
    details: tuple[tuple[str, str], ...]
    own_cost: float
    total_cost: float
    share: float
    rows: int
    dearest: bool = False


def steps(plan: Node) -> list[Step]:
    """The parts of a plan from the top, each below the one that uses it; the dearest is marked."""
    whole = float(plan["Total Cost"])
    found = list(_steps(plan, 0, whole, whole or 1.0))
    dearest = max(range(len(found)), key=lambda place: found[place].own_cost)
    found[dearest] = replace(found[dearest], dearest=True)
    return found


def _steps(node: Node, depth: int, cost: float, whole: float) -> Iterator[Step]:
    parts: Sequence[Node] = node.get("Plans", ())
    costs = _costs(node, parts, cost)
    own = max(0.0, cost - sum(costs))
    details = tuple((name, _words(node[name])[:LONGEST_DETAIL]) for name in CONDITIONS if name in node)
    yield Step(depth, _does(node), _on(node), details, own, cost, own / whole, int(node["Plan Rows"]))
    for part, of_part in zip(parts, costs, strict=True):
        yield from _steps(part, depth + 1, of_part, whole)


def _costs(node: Node, parts: Sequence[Node], cost: float) -> list[float]:
    """What each part costs within its user, as often and as far as that needs it."""
    found = [float(part["Total Cost"]) for part in parts]
    if node["Node Type"] == "Nested Loop" and len(parts) >= 2:
        outer = next(place for place, part in enumerate(parts) if part.get("Parent Relationship") == "Outer")
        inner = next(place for place, part in enumerate(parts) if part.get("Parent Relationship") == "Inner")
        found[inner] = min(found[inner] * max(1, parts[outer]["Plan Rows"]), max(found[inner], cost - found[outer]))
    if sum(found) > cost > 0:
        scale = cost / sum(found)
        found = [of_part * scale for of_part in found]
    return found


def _does(node: Node) -> str:
    kind = str(node["Node Type"])
    if kind == "ModifyTable":
        kind = str(node.get("Operation", kind))
    if node.get("Strategy") in {"Hashed", "Sorted"} and kind == "Aggregate":
        kind = f"{node['Strategy']} aggregate"
    if node.get("Join Type", "Inner") != "Inner":
        kind = f"{kind} ({node['Join Type']})"
    if node.get("Parallel Aware"):
        kind = f"Parallel {kind}"
    name = node.get("Subplan Name")
    return f"{name}: {kind}" if name else kind


def _on(node: Node) -> str:
    relation = node.get("Relation Name") or node.get("CTE Name") or node.get("Function Name") or ""
    relation = f"{node['Schema']}.{relation}" if relation and node.get("Schema") else str(relation)
    index = node.get("Index Name")
    return f"{relation} by {index}" if index and relation else str(index or relation)


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
