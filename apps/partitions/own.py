"""The portal's own partitioned tables, by the same tools as the tier's: pure functions of what its store was asked (`own_store`).

History is cut by time, a day or more to a partition. What is judged is what is there, not what the upkeep says that it did.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from apps.metrics.kernel import Row, Sample, TierView
from apps.partitions import coverage
from apps.partitions.bounds import times
from apps.partitions.coverage import Span
from apps.partitions.inventory import read_bound

PORTAL, PROBE = "partitions", "portal.partitions"
GRACE = timedelta(days=1)
"""For how long a partition past retention may still be there: the upkeep tries six times an hour."""

Told: TypeAlias = Mapping[str, Sequence[Row]]
"""`bounds` and `sizes` as the questions of this room answer, `kept` as `own_store` completes the record of upkeep."""


@dataclass(frozen=True, slots=True)
class OwnTable:
    """One partitioned table of the portal's store at one moment; `kept`: how it is kept, empty for a table that nobody keeps.

    `unread`: partitions that DDL holds at this moment, whose bounds cannot be read: then what they cover is not known.
    """

    name: str
    now: datetime
    spans: tuple[Span, ...]
    partitions: int
    unread: int
    rows: int | None
    total_bytes: int | None
    kept: Row = field(default_factory=dict)

    @property
    def length(self) -> timedelta | None:
        """How long its partitions are."""
        return coverage.length(self.spans)

    @property
    def first(self) -> datetime | None:
        """Where the oldest partition begins."""
        return min((start for start, _end in self.spans), default=None)

    @property
    def oldest_end(self) -> datetime | None:
        """Where the oldest partition ends: from then on its youngest row grows older."""
        return min((end for _start, end in self.spans), default=None)

    @property
    def last(self) -> datetime | None:
        """Up to when there are partitions, gaps or not."""
        return max((end for _start, end in self.spans), default=None)

    @property
    def ahead(self) -> int | None:
        """How many partitions lie in the future without a gap from now."""
        return None if self.unread else coverage.ahead(self.spans, self.now)

    @property
    def hours_left(self) -> float | None:
        """For how long what is written finds a partition; 0 when not even what is written now does."""
        until = coverage.covered_until(self.spans, self.now)
        return None if self.unread else (until - self.now).total_seconds() / 3600

    @property
    def gaps(self) -> list[Span]:
        """Stretches that no partition covers, those too of a time in which nobody kept the table and nothing was written."""
        return [] if self.unread else coverage.gaps(self.spans)

    @property
    def gaps_ahead(self) -> list[Span]:
        """Those in which something will yet be written."""
        return [gap for gap in self.gaps if gap[1] > self.now]

    @property
    def overdue(self) -> list[Span]:
        """Partitions that are past retention and should have been dropped more than a day ago."""
        before = self.kept.get("past_before")
        return coverage.past(self.spans, before - GRACE) if before else []

    @property
    def failing_seconds(self) -> float:
        """For how long its upkeep has been failing; 0 when its last try went well."""
        since = self.kept.get("failing_since")
        return max((self.now - since).total_seconds(), 0.0) if since else 0.0


def tables(told: Told, now: datetime) -> list[OwnTable]:
    """Every partitioned table of the store, and every one that should be there, by name."""
    kept = {row["name"]: row for row in told["kept"]}
    sizes = {row["object"]: row["total_bytes"] for row in told.get("sizes", ())}
    parts: dict[str, list[Row]] = {name: [] for name in kept}
    for row in told["bounds"]:
        parts.setdefault(row["parent"].removeprefix("public."), []).append(row)
    return [_table(name, parts[name], sizes, kept.get(name, {}), now) for name in sorted(parts)]


def _table(name: str, parts: Sequence[Row], sizes: Mapping[str, Any], kept: Row, now: datetime) -> OwnTable:
    bounds = [read_bound(part["bound"]) for part in parts]
    spans = tuple(span for bound in bounds if bound and (span := times(bound)))
    return OwnTable(
        name=name,
        now=now,
        spans=spans,
        partitions=len(parts),
        unread=sum(bound is None for bound in bounds),
        rows=_sum(part["live_rows"] for part in parts),
        total_bytes=_sum(sizes.get(part["object"]) for part in parts),
        kept=kept,
    )


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)


def summary(found: Sequence[OwnTable]) -> dict[str, float | None]:
    """What is judged, over all tables that are kept; None where a partition could not be read."""
    kept = [table for table in found if table.kept]
    known = not any(table.unread for table in kept)
    hours = [table.hours_left for table in kept if table.hours_left is not None]
    return {
        "hours_left": min(hours) if known and hours else None,
        "gaps_ahead": float(sum(len(table.gaps_ahead) for table in kept)) if known else None,
        "overdue": float(sum(len(table.overdue) for table in kept)),
        "failing_seconds": max((table.failing_seconds for table in kept), default=0.0),
    }


def derive(view: TierView) -> tuple[Iterable[Row], Iterable[Sample]]:
    """A row for each table; samples of all together. Nothing where the store was not asked."""
    told = view.portal.get("also", {}).get(PORTAL)
    if told is None:
        return (), ()
    found = tables(told, view.at)
    return [row(table) for table in found], [Sample(f"{PROBE}.{key}", value) for key, value in summary(found).items()]


def row(table: OwnTable) -> dict[str, Any]:
    """What is known of a table, for a machine or as evidence."""
    return {
        "object": table.name,
        "partitions": table.partitions,
        "unread": table.unread,
        "from": table.first,
        "to": table.last,
        "ahead": table.ahead,
        "hours_left": table.hours_left,
        "gaps": [list(gap) for gap in table.gaps],
        "overdue": len(table.overdue),
        **{key: value for key, value in table.kept.items() if key != "name"},
    }
