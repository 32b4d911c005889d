"""The pools page: its verdict in one sentence, its facts, and the board made of them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import Board, BoardData, Fact
from apps.metrics.facts import fact
from apps.metrics.kernel import Row, Rows, State
from apps.metrics.noticed import noticed
from apps.metrics.units import duration, show
from apps.pools.charts import CHARTS, TABLES


def _rows(data: BoardData, probe: str) -> Rows:
    return tuple(row for part in data.rows(probe) for row in part.rows)


def _fullest(data: BoardData) -> Row | None:
    known = [row for row in _rows(data, "pools.use") if row["utilisation"] is not None]
    return max(known, key=lambda row: float(row["utilisation"]), default=None)


def verdict(data: BoardData) -> str:
    """The worst that is known of the pools, in words that can be read aloud."""
    told = _unreachable(data) or _stopped(data) or _crowded(data) or _held(data)
    return told or noticed(data) or _well(data)


def _unreachable(data: BoardData) -> str:
    nodes = _rows(data, "pools.reach")
    if data.rows("pools.reach") and not nodes:
        return _("This tier has no PgBouncer.")
    state = data.state("pools.up")
    if not state.known:
        return _("Nothing is known of the pools at present.")
    down = ", ".join(row["node"] for row in nodes if not row["up"])
    if state is State.FAIL and down:
        return _("%(nodes)s does not answer: nobody reaches the database through it.") % {"nodes": down}
    return ""


def _stopped(data: BoardData) -> str:
    if data.state("pools.paused") is not State.FAIL:
        return ""
    stopped = [v.object for v in data.verdicts if v.check_id == "pools.paused" and v.state is State.FAIL]
    return _("Database %(name)s is paused or disabled: its clients are not served.") % {"name": ", ".join(stopped)}


def _crowded(data: BoardData) -> str:
    waiting, pool = int(data.value("pools.waiting") or 0), _fullest(data)
    if not waiting and data.state("pools.utilisation") not in {State.WARN, State.FAIL}:
        return ""
    clients = _("nobody waits")
    if waiting:
        clients = ngettext("%(count)d client waits", "%(count)d clients wait", waiting) % {"count": waiting}
    if pool is None:
        return _("%(clients)s for a server.") % {"clients": clients}
    return _("Pool %(pool)s has %(used)s of %(size)s servers in use; %(clients)s.") % {
        "pool": pool["object"],
        "used": int(pool["in_use"]),
        "size": pool["size"],
        "clients": clients,
    }


def _held(data: BoardData) -> str:
    if data.state("pools.held_servers", "pools.leak") not in {State.WARN, State.FAIL}:
        return ""
    row = max(_rows(data, "pools.held"), key=lambda row: float(row["seconds"]), default=None)
    if row is None:
        return ""
    return _("A client of %(pool)s has kept a server for %(time)s without using it.") % {
        "pool": row["pool"],
        "time": duration(float(row["seconds"])),
    }


def _well(data: BoardData) -> str:
    pool = _fullest(data)
    if pool is None:
        return _("PgBouncer answers; nobody has connected through it yet.")
    return _("The fullest pool is %(used)s used and nobody waits.") % {
        "used": show(float(pool["utilisation"]), "ratio")
    }


def facts(data: BoardData) -> Sequence[Fact]:
    """The state row."""
    capacity = next(iter(_rows(data, "pools.capacity")), None)
    clients = ""
    if capacity and capacity["clients"] is not None and capacity["max_clients"]:
        clients = _("%(used)s of %(most)s") % {"used": capacity["clients"], "most": capacity["max_clients"]}
    return (
        fact(data, _("PgBouncer answers"), "pools.up"),
        fact(data, _("Fullest pool"), "pools.utilisation"),
        fact(data, _("Clients waiting"), "pools.waiting"),
        fact(data, _("Wait per transaction"), "pools.waits"),
        fact(data, _("Client connections"), "pools.clients", clients),
        fact(data, _("Server connections"), "pools.server_connections"),
        fact(data, _("Longest held server"), "pools.held_servers"),
    )


BOARD = Board("pools", "Pools", verdict, facts, CHARTS, TABLES)
