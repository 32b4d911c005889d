"""What happened to a tier, as marks on its charts: the ledger's entries of the kinds declared with a mark, and alerts opened and closed.

A room of any floor has its deeds drawn by declaring their kind in the ledger with `mark=…` (apps/ledger/kinds.py); nothing here knows
which rooms there are. One query brings all marks of a page; each chart shows the deeds, and of the alerts those that are of what it
shows. Which marks come so close together in the drawn width that one stands for all is known in the browser (static/marks.js).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.db import connection
from django.utils.translation import gettext as _

from apps.ledger import kinds
from apps.metrics.board import Chart
from apps.metrics.dependence import OF_NODES
from apps.metrics.kernel import State
from apps.metrics.lines import Line
from apps.metrics.models import Tier
from apps.metrics.ranges import Range
from apps.metrics.registry import checks

MOST = 80
TOLD = 3  # in the words for those who do not see the chart


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment: `label` is short, for the chart; `text` is the whole; `of` says what kind of thing it is, for counting.

    `state` of an alert that opened, else empty. `small`: it may stand without its words. `check_id`, `node`: of an alert.
    """

    at: datetime
    label: str
    text: str
    state: str = ""
    of: str = ""
    small: bool = False
    check_id: str = ""
    node: str = ""

    @property
    def drawn(self) -> dict[str, Any]:
        """As the chart's figure carries it."""
        at = round(self.at.timestamp() * 1000)
        return {
            "at": at,
            "label": self.label,
            "text": self.text,
            "state": self.state,
            "of": self.of,
            "small": self.small,
        }


def marks(tier: Tier, within: Range, charts: Iterable[Chart]) -> list[Mark]:
    """The marks of a range that any of these charts shows, in time's order, of more than MOST the great and the newest; one query."""
    drawn = [kind for kind in kinds.every() if kind.mark]
    span = [within.start, within.end]
    wanted = sorted({check_id for chart in charts for check_id in checks_of(chart)})
    great = [kind.id for kind in drawn if not kind.small]
    values: list[Any] = [tier.slug, [kind.id for kind in drawn], *span, tier.pk, wanted, *span, *span, great, MOST]
    with connection.cursor() as cursor:
        cursor.execute(_statement(), values)
        rows = cursor.fetchall()
    found = [
        _entered(at, kind, actor, bytes(body)) if body is not None else _alerted(at, kind, state, check_id, node, of)
        for at, kind, state, check_id, node, of, actor, body in rows
    ]
    return sorted(found, key=lambda mark: mark.at)


def checks_of(chart: Chart) -> set[str]:
    """The checks whose alerts a chart shows: of its thresholds and its metrics, and that a node answers, which explains a gap."""
    return {OF_NODES, chart.check, *(check.id for check in checks().values() if check.metric in chart.metrics)} - {""}


def on(chart: Chart, found: Sequence[Mark], lines: Sequence[Line]) -> list[Mark]:
    """The marks that a chart of these lines shows: all deeds, and the alerts of its own checks on the nodes it shows."""
    own, nodes = checks_of(chart), {line.node for line in lines if line.metric in chart.metrics}
    return [one for one in found if not one.check_id or (one.check_id in own and one.node in nodes | {""})]


@cache
def _statement() -> str:
    return (Path(__file__).parent / "sql" / "marks.sql").read_text(encoding="utf-8")


def _entered(at: datetime, kind: str, actor: str, body: bytes) -> Mark:
    values, declared = {**orjson.loads(body), "actor": actor}, kinds.known(kind)
    text = kinds.sentence(kind, values)
    return Mark(at, kinds.mark(kind, values), text, of=str(declared.label), small=declared.small)


def _alerted(at: datetime, kind: str, state: str, check_id: str, node: str, of: str) -> Mark:
    check = checks().get(check_id)
    title = check.title if check else check_id
    what = f"{title} {node} {of}".strip()
    if kind == "alert.open":
        shown = state if state in {State.WARN, State.FAIL} else ""
        return Mark(at, title, _("Alert opened: %s") % what, shown, _("Alert opened"), True, check_id, node)
    return Mark(at, _("%s over") % title, _("Alert closed: %s") % what, "", _("Alert closed"), True, check_id, node)


def in_words(found: Sequence[Mark]) -> str:
    """The newest marks in one sentence; empty without any."""
    if not found:
        return ""
    told = "; ".join(f"{one.at.astimezone(UTC):%d %b %H:%M} UTC {one.text}" for one in reversed(found[-TOLD:]))
    more = _(" and %d earlier") % (len(found) - TOLD) if len(found) > TOLD else ""
    return _("Marked: %(told)s%(more)s") % {"told": told, "more": more}
