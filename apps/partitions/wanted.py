"""Whether the programme's tables are partitioned, and every replica shows the same partitions. Pure functions of one poll."""

from collections.abc import Iterable
from typing import Any

from apps.metrics.kernel import NodeKind, NodeRole, Row, Sample, TierView
from apps.partitions.bounds import times
from apps.partitions.inventory import read_bound, the_primary
from apps.partitions.targets import SUFFIX, target_of

WANTED, SAME = "partitions.wanted", "partitions.same"
OF_A_TABLE = ("partitioned", "periods")


def wanted(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each table that the programme wants partitioned: its partitioned parent (itself, or its twin before both are renamed), and
    in how many stretches of time. Plain tables and bounds are asked less often and kept from the poll before.
    """
    primary = the_primary(view)
    if primary is None:
        return view.previous, ()
    parents = {row["object"] for row in primary.rows("partitions.parents") or ()}
    bounds, sizes = primary.rows("partitions.bounds"), primary.rows("partitions.sizes")
    before = {row["object"]: row for row in view.previous}
    named = {name.removesuffix(SUFFIX) for name in parents if target_of(name)}
    if sizes is None:
        named |= before.keys() - parents
    else:
        named |= {row["object"].removesuffix(SUFFIX) for row in sizes if not row["parent"] and target_of(row["object"])}
    rows: list[dict[str, Any]] = []
    for name in sorted(named):
        parent = next((known for known in (name, name + SUFFIX) if known in parents), "")
        known = before.get(name, {})
        periods = known.get("periods") if parent == known.get("parent") else None
        if bounds is not None:
            periods = sum(_in_time(row) for row in bounds if row["parent"] == parent)
        rows.append(
            {
                "node": primary.name,
                "object": name,
                "parent": parent,
                "partitioned": float(bool(parent)),
                "periods": periods if parent else 0,
            }
        )
    return rows, [
        Sample(f"{WANTED}.{metric}", row[metric], row["object"], primary.name) for row in rows for metric in OF_A_TABLE
    ]


def _in_time(row: Row) -> bool:
    bound = read_bound(row["bound"])
    return row["locked"] or (bound is not None and times(bound) is not None)


def same(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each server that answered with its partitions; of each replica, how many parents differ from the primary's."""
    primary = the_primary(view)
    model = primary.rows("partitions.names") if primary else None
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in view.of(NodeKind.POSTGRES):
        answer = node.rows("partitions.names")
        if answer is None:
            continue
        rows += [{"node": node.name, **row} for row in answer]
        if model is not None and node.role is NodeRole.REPLICA:
            ours, theirs = ({row["object"]: row["names"] for row in part} for part in (model, answer))
            differing = sum(ours.get(name) != theirs.get(name) for name in ours.keys() | theirs.keys())
            samples.append(Sample(f"{SAME}.differing", float(differing), node=node.name))
    return rows, samples
