"""The replicas page: its verdict in one sentence, its facts, and the board made of them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.metrics.board import Board, BoardData, Fact
from apps.metrics.facts import fact
from apps.metrics.kernel import Row, State
from apps.metrics.noticed import noticed
from apps.metrics.units import duration
from apps.replicas.charts import CHARTS, TABLES
from apps.replicas.lag import LAG, Cause, Standing
from apps.replicas.topology import TOPOLOGY

CAUSES = {
    Cause.NO_ANSWER: gettext_lazy("%(node)s does not answer"),
    Cause.NO_PRIMARY: gettext_lazy("%(node)s answers, but without a primary its lag is unknown"),
    Cause.NO_RECEIVER: gettext_lazy("%(node)s is not connected to the primary and %(behind)s"),
    Cause.SILENT: gettext_lazy("%(node)s hears nothing from the primary and %(behind)s"),
    Cause.PAUSED: gettext_lazy("%(node)s has its replay paused and %(behind)s"),
}
WORST_FIRST = (Standing.BROKEN, Standing.UNKNOWN, Standing.CATCHING_UP, Standing.STREAMING, Standing.IDLE)


def verdict(data: BoardData) -> str:
    """How replication stands, the worst first, in words that can be read aloud."""
    if not data.state("replicas.one_primary").known:
        return _("Nothing is known of the replicas at present.")
    primaries = _primaries(data)
    if len(primaries) > 1:
        return _("%(nodes)s all accept writes: stop writing to all but one before anything else.") % {
            "nodes": ", ".join(primaries)
        }
    rows = sorted(_rows(data, LAG), key=lambda row: WORST_FIRST.index(Standing(row["standing"])))
    if not rows:
        return _("This tier has no replicas: all reads go to the primary.")
    if all(row["standing"] == Standing.IDLE.value for row in rows):
        return noticed(data) or _("All replicas are up to date, and nothing is being written.")
    if primaries and all(_current(row) for row in rows) and len(rows) == 2:
        return noticed(data) or _("Both replicas are up to date.")
    if primaries and all(_current(row) for row in rows):
        return noticed(data) or ngettext(
            "The replica is up to date.", "All %(n)d replicas are up to date.", len(rows)
        ) % {"n": len(rows)}
    return _words(data, rows, primaries)


def _words(data: BoardData, rows: Sequence[Row], primaries: Sequence[str]) -> str:
    words = "; ".join(_replica(row) for row in rows)
    if not primaries:
        return _("No primary answers; %(replicas)s.") % {"replicas": words}
    calm = all(Cause(row["cause"]) not in CAUSES and row["standing"] != Standing.CATCHING_UP.value for row in rows)
    return (noticed(data) if calm else "") or f"{words}."


def _current(row: Row) -> bool:
    return Cause(row["cause"]) not in CAUSES and row["standing"] != Standing.CATCHING_UP.value and not row["lag_bytes"]


def _rows(data: BoardData, probe: str) -> list[Row]:
    return [row for part in data.rows(probe) for row in part.rows]


def _primaries(data: BoardData) -> list[str]:
    return [row["node"] for row in _rows(data, TOPOLOGY) if row["up"] and row["role"] == "primary"]


def _behind(row: Row) -> str:
    if row["lag_seconds"] is None:
        return _("is behind by an unknown time")
    if not row["lag_bytes"]:
        return _("lacks nothing yet")
    return _("is %(time)s behind") % {"time": duration(row["lag_seconds"])}


def _replica(row: Row) -> str:
    """One replica in words, as part of a sentence."""
    node, cause = {"node": row["node"]}, Cause(row["cause"])
    if cause in CAUSES:
        return str(CAUSES[cause]) % (node | {"behind": _behind(row)})
    if row["standing"] == Standing.CATCHING_UP.value:
        if cause is Cause.GROWING:
            return _("%(node)s %(behind)s and falling further behind") % (node | {"behind": _behind(row)})
        return _("%(node)s %(behind)s and catching up") % (node | {"behind": _behind(row)})
    if row["lag_bytes"]:
        return _("%(node)s streams %(time)s behind") % (node | {"time": duration(row["lag_seconds"])})
    return _("%(node)s is up to date") % node


def _in_service(data: BoardData) -> str:
    rows = _rows(data, TOPOLOGY)
    declared = sum(row["declared"] == "replica" for row in rows)
    return _("%(up)d of %(all)d") % {"up": sum(bool(row["replicating"]) for row in rows), "all": declared}


def _slots(data: BoardData) -> str:
    rows = _rows(data, "replicas.slots")
    return _("%(used)d of %(all)d in use") % {"used": sum(row["active"] for row in rows), "all": len(rows)}


def facts(data: BoardData) -> Sequence[Fact]:
    """The state row."""
    primaries = _primaries(data)
    drift = data.state("replicas.settings_drift")
    agree = _("as the primary's") if drift is State.PASS else ""
    return (
        fact(data, _("Primary"), "replicas.one_primary", ", ".join(primaries)),
        fact(data, _("Replicas in service"), "replicas.count", _in_service(data)),
        fact(data, _("Longest replay lag"), "replicas.lag_health"),
        fact(data, _("WAL not yet replayed"), "replicas.lag_bytes"),
        fact(data, _("Slots"), "replicas.slot_active", _slots(data)),
        fact(data, _("Settings"), "replicas.settings_drift", agree),
    )


BOARD = Board("replicas", "Replicas", verdict, facts, CHARTS, TABLES)
