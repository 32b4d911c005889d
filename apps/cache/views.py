"""The cache page: its verdict in one sentence, its facts, and the board made of them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from apps.cache.charts import CHARTS, TABLES
from apps.metrics.board import Board, BoardData, Fact
from apps.metrics.facts import fact
from apps.metrics.kernel import Row, Rows, State
from apps.metrics.noticed import noticed
from apps.metrics.units import number, show, size

BAD = {State.WARN, State.FAIL}


def _rows(data: BoardData, probe: str) -> Rows:
    return tuple(row for part in data.rows(probe) for row in part.rows)


def verdict(data: BoardData) -> str:
    """The worst that is known of the cache, in words that can be read aloud."""
    told = _unreachable(data) or _refusing(data) or _missing(data) or _full(data)
    return told or noticed(data) or _well(data)


def _unreachable(data: BoardData) -> str:
    nodes = _rows(data, "cache.reach")
    if data.rows("cache.reach") and not nodes:
        return _("This tier has no Redis.")
    state = data.state("cache.up")
    if not state.known:
        return _("Nothing is known of the cache at present.")
    down = ", ".join(row["node"] for row in nodes if not row["up"])
    if state is State.FAIL and down:
        return _("%(nodes)s does not answer: everything is loaded from the database.") % {"nodes": down}
    return ""


def _refusing(data: BoardData) -> str:
    if data.state("cache.save_failed") is State.FAIL:
        return _("Redis could not save to its disk, and may refuse writes until it can.")
    if data.state("cache.role") is State.FAIL:
        return _("Redis does not have the role it was declared with: writes may be refused.")
    if data.state("cache.rejected") is State.FAIL:
        return _("Redis refuses connections: its limit of clients is reached.")
    return ""


def _missing(data: BoardData) -> str:
    rate = data.value("cache.hit_rate")
    if rate is None or data.state("cache.hit_rate") not in BAD:
        return ""
    return _("Only %(rate)s of the lookups hit the cache; the others load from the database.") % {
        "rate": show(rate, "ratio")
    }


def _full(data: BoardData) -> str:
    evictions, part = data.value("cache.evictions"), data.value("cache.memory")
    if evictions is not None and data.state("cache.evictions") in BAD:
        return _("Memory is full: %(count)s entries a minute are evicted.") % {
            "count": number(max(1, round(evictions)))
        }
    if part is not None and data.state("cache.memory") in BAD:
        return _("Memory is %(share)s full; nothing is evicted yet.") % {"share": show(part, "ratio")}
    return ""


def _well(data: BoardData) -> str:
    rate, used = data.value("cache.hit_rate"), data.value("cache.memory_health")
    memory = size(used) if used is not None else _("an unknown amount")
    if rate is None:
        return _("Redis answers and uses %(memory)s; nothing was looked up since the last poll.") % {"memory": memory}
    return _("%(rate)s of the lookups hit the cache, which uses %(memory)s.") % {
        "rate": show(rate, "ratio"),
        "memory": memory,
    }


def saved(rows: Rows) -> Row | None:
    """The namespace that saved the most load time; None where nothing tells."""
    known = [row for row in rows if row.get("saved")]
    return max(known, key=lambda row: float(row["saved"]), default=None)


def facts(data: BoardData) -> Sequence[Fact]:
    """The state row."""
    found = [
        fact(data, _("Redis answers"), "cache.up"),
        fact(data, _("Hit rate"), "cache.hit_rate"),
        fact(data, _("Memory"), "cache.memory_health"),
        fact(data, _("Memory of its limit"), "cache.memory"),
        fact(data, _("Evictions since the start"), "cache.evictions_health"),
        fact(data, _("Cache entries"), "cache.keys"),
        fact(data, _("Slow commands"), "cache.slow_log"),
    ]
    best = saved(_rows(data, "cache.hits"))
    if best:
        words = _("%(name)s, %(time)s of loading") % {"name": best["object"], "time": show(best["saved"], "s")}
        found.append(Fact(_("Saves the most"), words, State.PASS, data.at("cache.hit_rate")))
    return found


BOARD = Board("cache", "Cache", verdict, facts, CHARTS, TABLES)
