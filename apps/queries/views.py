"""The queries page: its verdict in one sentence, its facts, and the board made of them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import Board, BoardData, Fact
from apps.metrics.facts import fact
from apps.metrics.kernel import NodeRole, State
from apps.metrics.noticed import noticed
from apps.metrics.units import duration, number, show
from apps.queries.blocking import BLOCKS
from apps.queries.charts import CHARTS, TABLES
from apps.queries.servers import SERVERS

BAD = {State.WARN, State.FAIL}


def verdict(data: BoardData) -> str:
    """The worst that is known of queries and servers, in words that can be read aloud."""
    told = _unreachable(data) or _blocked(data) or _slow(data) or _crowded(data) or _long(data)
    return told or noticed(data) or _well(data)


def primary_of(data: BoardData) -> str:
    """The name of the primary that answered last, empty when none did."""
    rows = (row for part in data.rows(SERVERS) for row in part.rows)
    return next((row["node"] for row in rows if row["up"] and row["role"] == NodeRole.PRIMARY.value), "")


def _unreachable(data: BoardData) -> str:
    state = data.state("queries.primary_up")
    if not state.known:
        return _("Nothing is known of the queries at present.")
    if state is State.FAIL:
        return _("No primary answers: nothing can be written.")
    return ""


def _blocked(data: BoardData) -> str:
    count = int(data.value("queries.blocked") or 0)
    if data.state("queries.blocked") not in BAD or not count:
        return ""
    waits = ngettext("%(count)d request waits for a lock", "%(count)d requests wait for a lock", count) % {
        "count": count
    }
    trees = (row for part in data.rows(BLOCKS) for row in part.rows)
    culprits = [(row["object"], row["node"]) for row in trees if row["depth"] == 0 and row["behind"]]
    longest = duration(data.value("queries.lock_wait") or 0.0)
    if not culprits:
        return _("%(waits)s, the longest for %(time)s.") % {"waits": waits, "time": longest}
    if len(culprits) == 1:
        told = _("process %(pid)s") % {"pid": culprits[0][0]}
    else:  # a number alone does not say on which server it is
        told = ", ".join(_("process %(pid)s of %(node)s") % {"pid": pid, "node": node} for pid, node in culprits)
    return _("%(waits)s, the longest for %(time)s, behind %(behind)s.") % {
        "waits": waits,
        "time": longest,
        "behind": told,
    }


def _slow(data: BoardData) -> str:
    p95, slow = data.value("queries.p95_health"), data.value("queries.slow_share")
    if data.state("queries.p95_health") not in BAD and data.state("queries.slow_share") not in BAD:
        return ""
    return _(
        "Queries are slow: counted at their statement’s mean, 95 %% of the calls take up to %(p95)s, and %(slow)s take 100 ms or more."
    ) % {
        "p95": show(p95, "ms"),
        "slow": show(slow, "ratio"),
    }


def _crowded(data: BoardData) -> str:
    if data.state("queries.connections") not in BAD:
        return ""
    worst = max(
        (v for v in data.verdicts if v.check_id == "queries.connections" and v.value is not None),
        key=lambda v: v.value or 0,
    )
    return _("%(node)s has %(used)s of its connections in use.") % {
        "node": worst.node,
        "used": show(worst.value, "ratio"),
    }


def _long(data: BoardData) -> str:
    if data.state("queries.longest_transaction") not in BAD:
        return ""
    return _("A transaction has lasted for %(time)s: vacuum cannot remove dead rows.") % {
        "time": duration(data.value("queries.longest_transaction") or 0.0)
    }


def _well(data: BoardData) -> str:
    primary, p95 = primary_of(data), data.value("queries.p95")
    rows = (row for part in data.rows("queries.top") for row in part.rows)
    calls = sum(row["recent_calls"] for row in rows if row["node"] == primary and row["object"] == "")
    if p95 is None:  # the first poll has none to compare with, or nothing ran
        return _("%(node)s answers; of its queries nothing was measured since the poll before.") % {"node": primary}
    if not calls:
        return _("%(node)s answers; no statement was executed since the poll before.") % {"node": primary}
    return _(
        "Queries are quick: counted at their statement’s mean, 95 %% of the %(calls)s calls on %(node)s took up to %(p95)s."
    ) % {
        "calls": number(calls),
        "node": primary,
        "p95": show(p95, "ms"),
    }


def _connections(data: BoardData) -> str:
    primary = primary_of(data)
    row = next((row for part in data.rows("queries.sessions") if part.node == primary for row in part.rows), None)
    if row is None:
        return ""
    return _("%(used)d of %(usable)d on %(node)s") % {
        "used": row["used_connections"],
        "usable": row["usable_connections"],
        "node": primary,
    }


def facts(data: BoardData) -> Sequence[Fact]:
    """The state row."""
    return (
        fact(data, _("Primary reachable"), "queries.primary_up", primary_of(data)),
        fact(data, _("Query time, p95"), "queries.p95_health"),
        fact(data, _("Slow queries"), "queries.slow_share"),
        fact(data, _("Connections"), "queries.connections", _connections(data)),
        fact(data, _("Locks waited for"), "queries.blocked"),
        fact(data, _("Longest transaction"), "queries.longest_transaction"),
        fact(data, _("Blocks found in buffers"), "queries.buffer_hit"),
    )


BOARD = Board("queries", "Queries", verdict, facts, CHARTS, TABLES)
