"""All that is known of the partitioned tables, put together from answers of different age, and judged in time.

Bounds are kept from poll to poll: a partition that DDL has locked keeps the bounds it had, and is shown as locked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.metrics.kernel import NodeKind, NodeRole, NodeView, Row, Rows, Sample, TierView
from apps.partitions import coverage
from apps.partitions.bounds import Bound, BoundUnread, Default, parse, times
from apps.partitions.coverage import Cadence, Span
from apps.partitions.targets import PREMAKE, target_of

TABLES, PARTS = "partitions.tables", "partitions.parts"


@dataclass(frozen=True, slots=True)
class Table:
    """One partitioned table at one moment, as far as its bounds are ranges in time."""

    name: str
    now: datetime
    spans: tuple[Span, ...]

    @property
    def cadence(self) -> Cadence:
        """How long its partitions are."""
        return coverage.cadence(self.spans)

    def samples(self, rows: Sequence[float], last_added: datetime | None) -> Iterable[tuple[str, float | None]]:
        """Name and value of what is judged; only for a table with ranges in time."""
        if not self.spans:
            return
        until = coverage.covered_until(self.spans, self.now)
        ahead = coverage.ahead(self.spans, self.now)
        yield "ahead", float(ahead)
        yield "missing_ahead", float(max(0, PREMAKE - ahead))
        yield "hours_left", (until - self.now).total_seconds() / 3600
        yield "gaps", float(len(coverage.gaps(self.spans)))
        yield "overlaps", float(len(coverage.overlaps(self.spans)))
        yield "past_retention", float(len(self.past_retention()))
        yield "skew", coverage.skew(rows)
        length = self.cadence.length
        yield "periods_since_maintenance", (self.now - last_added) / length if length and last_added else None

    def past_retention(self) -> list[Span]:
        """Partitions still attached whose rows are all older than is kept; none where nothing was decided."""
        target = target_of(self.name)
        if target is None or target.keep_months is None:
            return []
        return coverage.past(self.spans, coverage.months_before(self.now, target.keep_months))


def read_bound(text: str | None) -> Bound | None:
    """The bound, or None when it is not known now or is none that we can read."""
    try:
        return parse(text) if text else None
    except BoundUnread:
        return None


def the_primary(view: TierView) -> NodeView | None:
    """The primary that answered what partitioned tables it has."""
    found = view.of(NodeKind.POSTGRES, NodeRole.PRIMARY)
    return next((node for node in found if node.rows("partitions.parents") is not None), None)


def parts(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each partition: bounds, rows, size, age, flags. No samples. What was not asked now is kept from the poll before."""
    primary = the_primary(view)
    if primary is None:
        return view.previous, ()
    before = {row["object"]: row for row in view.previous}
    bounds, sizes = primary.rows("partitions.bounds"), primary.rows("partitions.sizes")
    listed: Iterable[Row] = view.previous if bounds is None else bounds
    measured = {row["object"]: row for row in sizes or ()}
    parents = {row["object"] for row in primary.rows("partitions.parents") or ()}
    return [
        _part(row, before.get(row["object"], {}), measured, view.at) for row in listed if row["parent"] in parents
    ], ()


def _part(row: Row, before: Row, sizes: Mapping[str, Row], now: datetime) -> dict[str, Any]:
    text = row["bound"] or before.get("bound")
    bound = read_bound(text)
    span = times(bound) if bound else None
    size = sizes.get(row["object"], before)
    kept = {
        "object": row["object"],
        "parent": row["parent"],
        "bound": text,
        "locked": row["locked"],
        "detach_pending": row["detach_pending"],
        "live_rows": row["live_rows"],
        "last_analysed": row["last_analysed"],
        "total_bytes": before.get("total_bytes") if size.get("total_bytes") is None else size["total_bytes"],
        "from": span[0].isoformat() if span else None,
        "to": span[1].isoformat() if span else None,
    }
    return kept | {"flags": ", ".join(_flags(kept, bound, span, now))}


def _flags(row: Row, bound: Bound | None, span: Span | None, now: datetime) -> Iterable[str]:
    if row["locked"]:
        yield "locked by DDL"
    if row["detach_pending"]:
        yield "detach pending"
    if isinstance(bound, Default):
        yield "default"
        if row["live_rows"]:
            yield "holds rows"
    if span and span[0] <= now < span[1]:
        yield "current"
    if span and span[0] > now:
        yield "ahead"
    if span and span in Table(row["parent"], now, (span,)).past_retention():
        yield "past retention"
    if row["bound"] is None:
        yield "bounds not read yet"


def tables(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each partitioned table and for the largest plain ones; samples of the primary, one object a partitioned table."""
    primary = the_primary(view)
    if primary is None:
        return view.previous, ()
    now = view.at
    sizes = primary.rows("partitions.sizes")
    kept = {row["object"]: row for row in view.previous}
    bounds = _bounds_by_parent(primary.rows("partitions.bounds"), view.previous)
    rows: list[Row] = []
    samples: list[Sample] = []
    for parent in primary.rows("partitions.parents") or ():
        name = parent["object"]
        known = bounds.get(name, [])
        spans = tuple(span for bound in known if (span := _span(bound)))
        table = Table(name, now, spans)
        added = datetime.fromisoformat(parent["last_added_at"]) if parent["last_added_at"] else None
        full = [bound["live_rows"] or 0 for bound in known if (s := _span(bound)) and s[1] <= now]
        told = dict(table.samples(full, added))
        samples += [Sample(f"{TABLES}.{key}", value, name, primary.name) for key, value in told.items()]
        rows.append({"node": primary.name} | _table(parent, table, told, _size(name, sizes, kept), known))
    rows += _plain(sizes, view.previous)
    return rows, samples


def _span(bound: Row) -> Span | None:
    parsed = read_bound(bound["bound"])
    return times(parsed) if parsed else None


def _bounds_by_parent(fresh: Rows | None, previous: Rows) -> dict[str, list[Row]]:
    """Bounds by table; a locked partition's are those read before."""
    kept = {row["object"]: list(row["bounds"]) for row in previous if row["bounds"]}
    if fresh is None:
        return kept
    before = {bound["object"]: bound["bound"] for bounds in kept.values() for bound in bounds}
    found: dict[str, list[Row]] = {}
    for row in fresh:
        bound = {
            "object": row["object"],
            "bound": row["bound"] or before.get(row["object"]),
            "live_rows": row["live_rows"],
        }
        found.setdefault(row["parent"], []).append(bound)
    return found


def _size(name: str, sizes: Rows | None, kept: Mapping[str, Row]) -> float | None:
    if sizes is None:
        return kept[name]["total_bytes"] if name in kept else None
    mine = [row["total_bytes"] for row in sizes if row["parent"] == name]
    return None if any(size is None for size in mine) else sum(mine)


def _table(
    parent: Row, table: Table, told: Mapping[str, float | None], size: float | None, bounds: Sequence[Row]
) -> dict[str, Any]:
    target = target_of(table.name)
    return {
        "object": table.name,
        "partitioned": True,
        "how": f"{parent['key']}, {table.cadence.word}" if table.spans else parent["key"],
        "wanted": target.cadence.word if target else "",
        "keep_months": target.keep_months if target else None,
        "partitions": parent["partitions"],
        "default_partition": parent["default_partition"],
        "default_rows": parent["default_rows"],
        "ahead": told.get("ahead"),
        "hours_left": told.get("hours_left"),
        "total_bytes": size,
        "bounds": list(bounds),
    }


def _plain(sizes: Rows | None, previous: Rows) -> list[Row]:
    """The largest tables that are not partitioned, those that the mission wants partitioned among them."""
    if sizes is None:
        return [row for row in previous if not row["partitioned"]]
    plain = [row for row in sizes if not row["parent"]]
    wanted = [row for row in plain if target_of(row["object"])]
    rest = sorted((r for r in plain if not target_of(r["object"])), key=lambda r: -(r["total_bytes"] or 0))
    return [_plain_row(row) for row in (*wanted, *rest[:5])]


def _plain_row(row: Row) -> dict[str, Any]:
    target = target_of(row["object"])
    return {
        "object": row["object"],
        "partitioned": False,
        "how": "not partitioned",
        "wanted": target.cadence.word if target else "",
        "keep_months": target.keep_months if target else None,
        "partitions": None,
        "default_partition": None,
        "default_rows": None,
        "ahead": None,
        "hours_left": None,
        "total_bytes": row["total_bytes"],
        "bounds": [],
    }
