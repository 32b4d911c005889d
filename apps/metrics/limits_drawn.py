"""The lines of a chart's limits: at which value, and for whom, said where that is not everybody whom the chart shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import Chart
from apps.metrics.kernel import Check, NodeRole, Unit
from apps.metrics.units import show

PLOT_HEIGHT, LABEL_HEIGHT = 176, 14  # pixels, as charts.js lays them out
NAMED = 2  # nodes; of more their number is told
WARN, FAIL, BOTH = "warn", "fail", "limits"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a chart's limits depend on: the check that counts on the tier, those that nodes have of their own, and who has which role."""

    check: Check | None
    of_nodes: Mapping[str, Check] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def on(self, node: str) -> Check | None:
        """The check that judges a node; None where its role is another than the check's. A node whose role is not known is judged."""
        if self.check is None:
            return None
        role = self.roles.get(node)
        if role is not None and self.check.role is not None and role != self.check.role:
            return None
        return self.of_nodes.get(node, self.check)


@dataclass(frozen=True, slots=True)
class Limit:
    """One line: `name` is warn or fail; `whom` in words, empty where it holds for all that is shown."""

    name: str
    value: float
    whom: str = ""


def limits_of(chart: Chart, judged: Judged, nodes: Sequence[str], prefix: str = "") -> list[Limit]:
    """The limits of a chart that shows these nodes, each once; `prefix`: what all names begin with, left out."""
    holding: dict[tuple[str, float], list[str]] = {}
    for node in nodes:
        check = judged.on(node)
        for name, value in ((WARN, check.warn), (FAIL, check.fail)) if check else ():
            if value is not None:
                holding.setdefault((name, value), []).append(node)
    return [
        Limit(name, value, _whom(chart, judged, nodes, held, prefix))
        for (name, value), held in sorted(holding.items(), key=lambda one: (one[0][0] != WARN, one[0][1]))
    ]


def _whom(chart: Chart, judged: Judged, nodes: Sequence[str], held: Sequence[str], prefix: str) -> str:
    if chart.lines == "metric" and len(chart.metrics) > 1 and judged.check:
        names = dict(zip(chart.metrics, chart.names, strict=False))
        return names.get(judged.check.metric, "")
    if len(held) == len(nodes):
        return ""
    meant = [node for node in nodes if judged.on(node)]
    if len(held) == len(meant) and judged.check and judged.check.role is not None:
        return {NodeRole.PRIMARY: _("primary"), NodeRole.REPLICA: _("replicas")}.get(judged.check.role, "")
    if len(held) <= NAMED:
        return ", ".join(node.removeprefix(prefix) for node in held)
    return ngettext("%d node", "%d nodes", len(held)) % len(held)


def shapes(limits: Sequence[Limit], low: float, high: float, factor: float) -> list[dict[str, Any]]:
    """A dashed line for each limit within the axis."""
    return [
        {"type": "line", "name": limit.name, "xref": "paper", "x0": 0, "x1": 1, "y0": place, "y1": place,
         "line": {"dash": "dash", "width": 1.2}, "layer": "below"}
        for limit in limits
        if low <= (place := limit.value / factor) <= high
    ]  # fmt: skip


@dataclass
class _Label:
    """Some limits that are labelled together, and the stretch of the axis that their label takes."""

    limits: list[Limit]
    bottom: float
    top: float
    below: bool


def labels(limits: Sequence[Limit], low: float, high: float, factor: float, unit: Unit) -> list[dict[str, Any]]:
    """At the left, above each line, or below it where the chart ends; those that would cover each other, or another's line, are one."""
    height = (high - low) * LABEL_HEIGHT / PLOT_HEIGHT
    shown = sorted((limit for limit in limits if low <= limit.value / factor <= high), key=lambda limit: limit.value)
    made: list[_Label] = []
    for limit in shown:
        place = limit.value / factor
        below = place + height > high
        one = _Label([limit], place - height if below else place, place if below else place + height, below)
        while made and made[-1].top > one.bottom:
            before = made.pop()
            one.limits = before.limits + one.limits
        made.append(one)
    return [
        {"name": one.limits[0].name if len(one.limits) == 1 else BOTH, "xref": "paper", "x": 0, "xanchor": "left",
         "y": one.top if one.below else one.bottom, "yanchor": "top" if one.below else "bottom",
         "text": _text(one.limits, unit), "showarrow": False}
        for one in made
    ]  # fmt: skip


def _text(limits: Sequence[Limit], unit: Unit) -> str:
    """As in "warn 5 % · fail 10 %, primary": whom they are for is said once where all are for the same."""
    words = {WARN: _("warn %s"), FAIL: _("fail %s")}
    told = [words[limit.name] % show(limit.value, unit) for limit in limits]
    whom = {limit.whom for limit in limits}
    if len(whom) == 1:
        text = " · ".join(told)
        return f"{text}, {escape(*whom)}" if whom != {""} else text
    return " · ".join(
        f"{text}, {escape(limit.whom)}" if limit.whom else text for text, limit in zip(told, limits, strict=True)
    )


def escape(label: str) -> str:
    """A name from the tier as Plotly text: Plotly reads a few tags, and none may come from outside.

    >>> escape('<a href="x">')
    '&lt;a href="x"&gt;'
    """
    return label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
