"""The rate limits page: its verdict in one sentence, its facts, and the board made of them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import Board, BoardData, Fact
from apps.metrics.facts import fact
from apps.metrics.kernel import Rows, State
from apps.metrics.noticed import noticed
from apps.metrics.units import number, show
from apps.ratelimits.charts import CHARTS, TABLES
from apps.ratelimits.probes import NEAR

BAD = {State.WARN, State.FAIL}


def _keys(data: BoardData) -> Rows:
    return tuple(row for part in data.rows("ratelimits.keys") for row in part.rows)


def near(rows: Rows) -> Rows:
    """The keys that used most of their limit, most used first."""
    found = [row for row in rows if row["share"] is not None and row["share"] >= NEAR]
    return tuple(sorted(found, key=lambda row: -float(row["share"])))


def verdict(data: BoardData) -> str:
    """The worst that is known of the limits, in words that can be read aloud."""
    told = _degraded(data) or _unknown(data) or _refused(data) or _near(data)
    return told or noticed(data) or _well(data)


def _degraded(data: BoardData) -> str:
    if data.state("ratelimits.degraded") is not State.FAIL:
        return ""
    count = number(data.value("ratelimits.degraded") or 0)
    return _("The limiter decides without Redis, %(count)s times a minute: no limit is kept.") % {"count": count}


def _unknown(data: BoardData) -> str:
    if data.state("ratelimits.near_limit").known:
        return ""
    return _("Nothing is known of the limits at present.")


def _refused(data: BoardData) -> str:
    part = data.value("ratelimits.blocked")
    if part is None or data.state("ratelimits.blocked") not in BAD:
        return ""
    worst = max(
        (v for v in data.verdicts if v.check_id == "ratelimits.blocked_tier" and v.value is not None),
        key=lambda v: v.value or 0.0,
        default=None,
    )
    if worst is None:
        return _("%(share)s of the requests are refused.") % {"share": show(part, "ratio")}
    return _("%(share)s of the requests are refused, most of all in the tier %(tier)s (%(worst)s).") % {
        "share": show(part, "ratio"),
        "tier": worst.object,
        "worst": show(worst.value, "ratio"),
    }


def _near(data: BoardData) -> str:
    keys, part = near(_keys(data)), data.value("ratelimits.blocked")
    if data.state("ratelimits.near_limit") not in BAD or not keys:
        return ""
    refused = (
        _("%(share)s of the requests are refused, and") % {"share": show(part, "ratio")}
        if part
        else _("No request is refused yet, but")
    )
    return ngettext(
        "%(refused)s %(count)d key is near its limit.", "%(refused)s %(count)d keys are near their limits.", len(keys)
    ) % {"refused": refused, "count": len(keys)}


def _well(data: BoardData) -> str:
    part, keys = data.value("ratelimits.blocked"), near(_keys(data))
    if part is None:
        return _("No requests were limited or counted since the last poll.")
    refused = (
        _("No request is refused")
        if not part
        else _("%(share)s of the requests are refused") % {"share": show(part, "ratio")}
    )
    if not keys:
        return _("%(refused)s; no key is near its limit.") % {"refused": refused}
    return ngettext(
        "%(refused)s; %(count)d key is near its limit.", "%(refused)s; %(count)d keys are near their limits.", len(keys)
    ) % {"refused": refused, "count": len(keys)}


def facts(data: BoardData) -> Sequence[Fact]:
    """The state row."""
    return (
        fact(data, _("Requests refused"), "ratelimits.blocked"),
        fact(data, _("Refused in the worst tier"), "ratelimits.blocked_tier"),
        fact(data, _("Passed by the burst"), "ratelimits.burst"),
        fact(data, _("Keys near their limit"), "ratelimits.near_limit"),
        fact(data, _("Enforced"), "ratelimits.enforced"),
        fact(data, _("Decisions without Redis"), "ratelimits.degraded"),
    )


BOARD = Board("ratelimits", "Rate limits", verdict, facts, CHARTS, TABLES)
