"""The partitions page: its verdict in one sentence, its facts, and the board made of them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import Board, BoardData, Fact
from apps.metrics.facts import fact
from apps.metrics.kernel import Row, State
from apps.metrics.noticed import noticed
from apps.metrics.units import duration, number, show
from apps.partitions.charts import CHARTS
from apps.partitions.charts import TABLES as LISTS
from apps.partitions.inventory import PARTS, TABLES

BAD = {State.WARN, State.FAIL}


def verdict(data: BoardData) -> str:
    """The worst that is known of the partitioned tables, in words that can be read aloud."""
    told = _unknown(data) or _spilling(data) or _ending(data) or _broken(data) or _locked(data)
    return told or noticed(data) or _well(data)


def _rows(data: BoardData, probe: str) -> list[Row]:
    return [row for part in data.rows(probe) for row in part.rows]


def _tables(data: BoardData) -> list[Row]:
    return [row for row in _rows(data, TABLES) if row["partitioned"]]


def _unknown(data: BoardData) -> str:
    if not data.rows(TABLES):
        return _("Nothing is known of the partitions at present.")
    if not _tables(data):
        return _("No table of this database is partitioned.")
    if not data.state("partitions.default_rows").known:
        return _("The primary does not answer; what is shown of its partitions is from before.")
    return ""


def _spilling(data: BoardData) -> str:
    if data.state("partitions.default_rows") not in BAD:
        return ""
    row = max(_tables(data), key=lambda row: row["default_rows"] or 0)
    count = int(row["default_rows"] or 0)
    return ngettext(
        "%(rows)s row of %(table)s lies in its default partition: no partition takes it.",
        "%(rows)s rows of %(table)s lie in its default partition: no partition takes them.",
        count,
    ) % {"rows": number(count), "table": row["object"]}


def _next_to_end(data: BoardData) -> Row | None:
    known = [row for row in _tables(data) if row["hours_left"] is not None]
    return min(known, key=lambda row: float(row["hours_left"]), default=None)


def _ending(data: BoardData) -> str:
    row = _next_to_end(data)
    if row is None or data.state("partitions.hours_left", "partitions.ahead") not in BAD:
        return ""
    if row["hours_left"] <= 0:
        return _("%(table)s has no partition for what is written now.") % {"table": row["object"]}
    return _("%(table)s has partitions for %(time)s more; the next are missing.") % {
        "table": row["object"],
        "time": duration(row["hours_left"] * 3600),
    }


def _broken(data: BoardData) -> str:
    if data.state("partitions.detach_pending") in BAD:
        return _("A partition is half detached: its rows do not show in its table.")
    if data.state("partitions.gaps", "partitions.overlaps") in BAD:
        return _("The partitions do not follow each other without gaps.")
    if data.state("partitions.invalid_indexes") in BAD:
        return _("Partitions lack an index, or have one that no query uses.")
    return ""


def _locked(data: BoardData) -> str:
    locked = [row["object"] for row in _rows(data, PARTS) if row["locked"]]
    if not locked:
        return ""
    return _("%(names)s: locked by DDL at present; bounds and sizes are from before.") % {"names": ", ".join(locked)}


def _well(data: BoardData) -> str:
    count = len(_tables(data))
    tables = ngettext("%(count)d table is partitioned", "%(count)d tables are partitioned", count) % {"count": count}
    row = _next_to_end(data)
    if row is None:
        return _("%(tables)s; default partitions are empty.") % {"tables": tables}
    return _("%(tables)s; the next partitions are there for %(time)s, and default partitions are empty.") % {
        "tables": tables,
        "time": duration(row["hours_left"] * 3600),
    }


def _size(data: BoardData) -> str:
    sizes = [row["total_bytes"] for row in _tables(data)]
    return show(sum(sizes), "B") if sizes and all(size is not None for size in sizes) else ""


def facts(data: BoardData) -> Sequence[Fact]:
    """The state row."""
    tables = _tables(data)
    lowest = min((int(row["ahead"]) for row in tables if row["ahead"] is not None), default=None)
    ahead = "" if lowest is None else ngettext("%(count)d ahead", "%(count)d ahead", lowest) % {"count": lowest}
    count = sum(row["partitions"] for row in tables)
    partitions = ngettext("%(count)d partition", "%(count)d partitions", count) % {"count": count}
    whole = ", ".join(filter(None, [partitions, _size(data)]))
    return (
        fact(data, _("Next partitions"), "partitions.ahead", ahead),
        fact(data, _("Until writes spill"), "partitions.hours_left"),
        fact(data, _("Rows in default"), "partitions.default_rows"),
        fact(data, _("Without gaps"), "partitions.gaps", whole),
        fact(data, _("Past retention"), "partitions.past_retention"),
        fact(data, _("Broken indexes"), "partitions.invalid_indexes"),
        fact(data, _("Locks of one unpruned query"), "partitions.lock_budget"),
    )


BOARD = Board("partitions", "Partitions", verdict, facts, CHARTS, LISTS)
