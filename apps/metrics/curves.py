"""The lines of a chart: which there are, how each is named and coloured, and what they say in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import Chart
from apps.metrics.kernel import Unit
from apps.metrics.lines import Line
from apps.metrics.units import show

DAY = 86_400  # seconds
DRAWN = 8
"""Lines drawn at most, and the number of colours; those with the highest last values are drawn, the summary says so."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line to draw: its label, colour number, points, and its last measured number with its time."""

    label: str
    colour: int
    times: Sequence[float]
    values: Sequence[float | None]
    last: float | None
    last_at: float | None


@dataclass(frozen=True, slots=True)
class Several:
    """Whether the lines of a chart come from several nodes, and are of several objects."""

    nodes: bool
    objects: bool


def curves(chart: Chart, lines: Sequence[Line], nodes: Sequence[str]) -> list[Curve]:
    """The lines of a chart, labelled and coloured, in the order of their labels. `nodes`: the tier's nodes as they were added."""
    names = dict(zip(chart.metrics, chart.names, strict=False))
    found = [line for line in lines if line.metric in chart.metrics]
    several = Several(len({line.node for line in found}) > 1, len({line.object for line in found}) > 1)
    labelled = sorted(((_label(chart, line, names, several), line) for line in found), key=lambda pair: pair[0])
    if chart.lines == "metric":
        labelled.sort(key=lambda pair: chart.metrics.index(pair[1].metric))
    made = []
    for place, (label, line) in enumerate(labelled):
        by_node = chart.lines == "node" and line.node in nodes
        colour = (nodes.index(line.node) if by_node else place) % DRAWN
        last_at, last = next(
            ((t, v) for t, v in zip(reversed(line.times), reversed(line.values), strict=True) if v is not None),
            (None, None),
        )
        made.append(Curve(label, colour, line.times, line.values, last, last_at))
    return made


def _label(chart: Chart, line: Line, names: Mapping[str, str], several: Several) -> str:
    """What names a line; node and object are added where there are several of them."""
    if chart.lines == "node":
        return " ".join(filter(None, [line.node or _("tier"), line.object if several.objects else ""]))
    own = line.object if chart.lines == "object" else names.get(line.metric, line.metric.rpartition(".")[2])
    own = own or line.node or line.metric.rpartition(".")[2]
    if chart.lines == "metric" and line.object and several.objects:
        own = f"{own} {line.object}"
    return f"{own} {line.node}" if several.nodes and line.node and line.node != own else own


def summarise(found: Sequence[Curve], unit: Unit, drawn: int) -> str:
    """One sentence for those who do not see the chart: last values, the direction of the first ones, gaps."""
    measured = [curve for curve in found if curve.last is not None]
    if not measured:
        return _("Nothing was measured in this range.")
    named = sorted(measured, key=lambda curve: curve.last or 0.0, reverse=True)[:3]
    text = ", ".join(f"{curve.label} {show(curve.last, unit)}{_trend(curve)}" for curve in named) + "."
    if len(measured) > len(named):
        text += " " + ngettext("One more is lower.", "%(count)d more are lower.", len(measured) - len(named)) % {
            "count": len(measured) - len(named)
        }
    if len(found) > drawn:
        text += " " + _("Drawn: the %(drawn)d highest of %(all)d.") % {"drawn": drawn, "all": len(found)}
    return text + _gaps(measured[0])


def _trend(curve: Curve) -> str:
    """Whether the last sixth of a line lies clearly above or below the sixth before it."""
    values = [v for v in curve.values if v is not None]
    part = len(values) // 6
    if part < 3:
        return ""
    late, before = sum(values[-part:]) / part, sum(values[-2 * part : -part]) / part
    if abs(late - before) <= max(0.25 * max(abs(before), abs(late)), 0.1 * max(map(abs, values))):
        return ""
    return " " + (_("and rising") if late > before else _("and falling"))


def _gaps(curve: Curve) -> str:
    """The longest stretch without a number within a line, in words."""
    longest, before, missing = (0.0, 0.0), None, False
    for at, value in zip(curve.times, curve.values, strict=True):
        if value is None:
            missing = True
            continue
        if missing and before is not None:
            longest = max(longest, (at - before, before))
        before, missing = at, False
    if not longest[0]:
        return ""
    start, end = (datetime.fromtimestamp(t, UTC) for t in (longest[1], longest[1] + longest[0]))
    written = "%H:%M" if curve.times[-1] - curve.times[0] <= DAY else "%d %b %H:%M"
    return " " + _("No data %(start)s–%(end)s UTC.") % {"start": f"{start:{written}}", "end": f"{end:{written}}"}
