"""What happened to a tier, as marks on its charts: alerts opened and closed, and the ledger's entries of the kinds declared with a mark.

A room of any floor has its deeds drawn by declaring their kind in the ledger with `mark=…` (apps/ledger/kinds.py); nothing here knows
which rooms there are. One query brings all marks of a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.db import connection
from django.utils.translation import gettext as _

from apps.ledger import kinds
from apps.metrics.kernel import State
from apps.metrics.models import Tier
from apps.metrics.ranges import Range
from apps.metrics.registry import checks

MOST = 40
TOLD = 3  # in the words for those who do not see the chart
LABEL_LENGTH = 15
LABEL_SHARE = 3  # of a chart's width one label takes: within it one stands for all


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment: `label` is short, for the chart; `text` is the whole. `state` of an alert that opened, else empty."""

    at: datetime
    label: str
    text: str
    state: str = ""


def marks(tier: Tier, within: Range) -> list[Mark]:
    """The marks of a range in time's order, of more than MOST the newest; one query."""
    drawn = {kind.id: kind for kind in kinds.every() if kind.mark}
    span = [within.start, within.end]
    values: list[Any] = [tier.slug, list(drawn), *span, tier.pk, *span, *span, MOST]
    with connection.cursor() as cursor:
        cursor.execute(_statement(), values)
        rows = cursor.fetchall()
    return [
        _entered(at, kind, actor, bytes(body))
        if body is not None
        else _alerted(at, kind, state, check_id, f"{node} {of}")
        for at, kind, state, check_id, node, of, actor, body in reversed(rows)
    ]


@cache
def _statement() -> str:
    return (Path(__file__).parent / "sql" / "marks.sql").read_text(encoding="utf-8")


def _entered(at: datetime, kind: str, actor: str, body: bytes) -> Mark:
    values = {**orjson.loads(body), "actor": actor}
    return Mark(at, kinds.mark(kind, values), kinds.sentence(kind, values))


def _alerted(at: datetime, kind: str, state: str, check_id: str, where: str) -> Mark:
    check = checks().get(check_id)
    title = check.title if check else check_id
    what = f"{title} {where}".strip()
    if kind == "alert.open":
        return Mark(at, title, _("Alert opened: %s") % what, state if state in {State.WARN, State.FAIL} else "")
    return Mark(at, _("%s over") % title, _("Alert closed: %s") % what)


def labelled(found: Sequence[Mark], within: Range) -> list[tuple[datetime, str]]:
    """Where a label stands and what it says: marks so near each other that their labels would touch share one."""
    room = (within.end - within.start) / LABEL_SHARE
    groups: list[list[Mark]] = []
    for one in found:
        if groups and one.at - groups[-1][0].at < room:
            groups[-1].append(one)
        else:
            groups.append([one])
    return [(g[0].at, _short(g[0].label) + (f" +{len(g) - 1}" if len(g) > 1 else "")) for g in groups]


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else f"{label[: LABEL_LENGTH - 1]}…"


def in_words(found: Sequence[Mark]) -> str:
    """The newest marks in one sentence; empty without any."""
    if not found:
        return ""
    told = "; ".join(f"{one.at.astimezone(UTC):%d %b %H:%M} UTC {one.text}" for one in reversed(found[-TOLD:]))
    more = _(" and %d earlier") % (len(found) - TOLD) if len(found) > TOLD else ""
    return _("Marked: %(told)s%(more)s") % {"told": told, "more": more}
