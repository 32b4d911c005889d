"""Charts as plain Plotly figures (dicts for orjson) and as sentences; colours and theme are put in by charts.js.

A trace's `meta` bears its label as it is and the number of its colour: the place of its node among the tier's nodes by
name, so that one node has one colour on every page. Shapes and annotations carry a `name` (`warn`, `fail`, `limits`, `end-2`)
from which charts.js colours them. `layout.meta.marks` are the moments that marks.js draws, gathered as the width allows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import orjson
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from apps.metrics.board import Chart
from apps.metrics.curves import DRAWN, Curve, curves, summarise
from apps.metrics.kernel import Unit
from apps.metrics.limits_drawn import LABEL_HEIGHT, PLOT_HEIGHT, Judged, escape, labels, limits_of, shapes
from apps.metrics.lines import Line
from apps.metrics.marks import Mark, in_words, on
from apps.metrics.ranges import Range
from apps.metrics.units import show

Figure: TypeAlias = dict[str, Any]

_IN_SECONDS = {Unit.SECONDS: 1.0, Unit.MILLISECONDS: 0.001, Unit.HOURS: 3600.0}
_TIMES = ((172_800, 86_400, " d"), (7_200, 3_600, " h"), (180, 60, " min"), (1, 1, " s"), (-math.inf, 0.001, " ms"))
_BYTES = (" B", " kB", " MB", " GB", " TB")


@dataclass(frozen=True, slots=True)
class Axis:
    """How values are written on an axis: divided by `factor`, `suffix` behind; the axis goes from `low` to `high` (divided)."""

    factor: float
    suffix: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart ready for a page: the declaration, the figure, the sentence; `empty` when nothing was measured in the range.

    `grain`: what one point of its lines is.
    """

    chart: Chart
    figure: Figure
    summary: str
    empty: bool
    last_at: datetime | None
    marked: str = ""  # the marks in words
    grain: str = ""

    @property
    def island(self) -> SafeString:
        """The figure as JSON that is safe inside `<script type="application/json">`."""
        text = orjson.dumps(self.figure).decode()
        return mark_safe(text.translate({ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}))  # noqa: S308


def axis_of(unit: Unit, values: Sequence[float], thresholds: Sequence[float]) -> Axis:
    """The axis for these values: thresholds are shown when the values come near them; ratios go from 0 to 1.

    >>> axis_of(Unit.SECONDS, [0.2, 0.05], [5.0])
    Axis(factor=0.001, suffix=' ms', low=0.0, high=230.0)
    """
    top, bottom = max(values, default=0.0), min(values, default=0.0)
    near = [t for t in thresholds if t <= max(top * 2.5, 0)]
    top = max([top, *near])
    factor, suffix = scale_of(unit, top)
    if unit is Unit.YES_NO:
        return Axis(1, "", -0.1, 1.2)
    if unit is Unit.RATIO and top <= 1:
        return Axis(1, "", 0.0, 1.05)
    high = top * 1.15 / factor if top > 0 else 1.0
    return Axis(factor, suffix, min(bottom * 1.15 / factor, 0.0), round(high, 6))


def scale_of(unit: Unit, top: float) -> tuple[float, str]:
    """What to divide by and what to write behind, for the largest value shown.

    >>> scale_of(Unit.BYTES, 61_000_000), scale_of(Unit.SECONDS, 400), scale_of(Unit.MILLISECONDS, 512)
    ((1000000.0, ' MB'), (60.0, ' min'), (1.0, ' ms'))
    """
    if unit in _IN_SECONDS:
        base = _IN_SECONDS[unit]
        size, suffix = next((size, suffix) for least, size, suffix in _TIMES if top * base >= least)
        return round(size / base, 9), suffix
    if unit is Unit.BYTES:
        step = 0 if top < 1000 else min(int(math.log(top, 1000)), len(_BYTES) - 1)
        return 1000.0**step, _BYTES[step]
    if unit in {Unit.DAYS, Unit.PER_SECOND, Unit.PER_MINUTE}:
        return 1.0, f" {unit.value}"
    return 1.0, ""


def draw(
    chart: Chart,
    lines: Sequence[Line],
    within: Range,
    nodes: Sequence[str],
    judged: Judged,
    *,
    marked: Sequence[Mark] = (),
    unreadable: str = "",
) -> Drawing:
    """A chart of these lines within a range, with the limits that judge them and those of its page's marks that are of it.

    `unreadable`: why no lines could be read.
    """
    found = curves(chart, lines, nodes)
    shown = sorted(found, key=lambda curve: -math.inf if curve.last is None else curve.last, reverse=True)[:DRAWN]
    shown = [curve for curve in found if curve in shown]
    values = [v for curve in shown for v in curve.values if v is not None]
    own, prefix = [line for line in lines if line.metric in chart.metrics], common(nodes)
    limits = limits_of(chart, judged, list(dict.fromkeys(line.node for line in own)), prefix)
    axis = axis_of(chart.unit, values, [limit.value for limit in limits])
    last_at = max((curve.last_at for curve in shown if curve.last_at is not None), default=None)
    marked = on(chart, marked, lines)
    figure = {
        "data": [_trace(curve, axis, chart.unit) for curve in shown],
        "layout": _layout(chart, axis, within)
        | {
            "shapes": shapes(limits, axis.low, axis.high, axis.factor),
            "meta": {"marks": [mark.drawn for mark in marked]},
            "annotations": labels(limits, axis.low, axis.high, axis.factor, chart.unit)
            + _end_labels(shown, axis, chart.unit, prefix),
        },
    }
    summary = unreadable or summarise(found, chart.unit, len(shown))
    moment = datetime.fromtimestamp(last_at, UTC) if last_at else None
    grain = next((str(line.grain) for line in own if line.grain), "")
    return Drawing(chart, figure, summary, not values, moment, in_words(marked), grain)


def _trace(curve: Curve, axis: Axis, unit: Unit) -> Figure:
    number = "%{y:.1%}" if unit is Unit.RATIO else "%{y:.4~g}" + axis.suffix
    return {
        "type": "scatter",
        "mode": "lines",
        "name": escape(curve.label),
        "meta": {"colour": curve.colour, "label": curve.label},
        "x": [round(t * 1000) for t in curve.times],
        "y": [None if v is None or not math.isfinite(v) else round(v / axis.factor, 5) for v in curve.values],
        "connectgaps": False,
        "line": {"width": 1.8, "shape": "hv" if unit is Unit.YES_NO else "linear"},
        "hovertemplate": f"%{{fullData.name}} {number}<extra></extra>",
    }


def _layout(chart: Chart, axis: Axis, within: Range) -> Figure:
    y: Figure = {
        "range": [axis.low, axis.high],
        "fixedrange": True,
        "ticksuffix": axis.suffix,
        "nticks": 5,
        "zeroline": False,
    }
    if chart.unit is Unit.RATIO:
        y |= {"tickformat": ".0%"}
    if chart.unit is Unit.YES_NO:
        y |= {"tickvals": [0, 1], "ticktext": [_("no"), _("yes")]}
    return {
        "xaxis": {
            "type": "date",
            "tickformat": _clock(within),
            "range": [round(within.start.timestamp() * 1000), round(within.end.timestamp() * 1000)],
        },
        "yaxis": y,
        "showlegend": False,
        "hovermode": "x",
        "dragmode": "zoom",
        "uirevision": within.name or within.query,
    }


def _clock(within: Range) -> str:
    """How moments are written below a chart."""
    length = within.end - within.start
    if length < timedelta(minutes=5):
        return "%H:%M:%S"
    return "%H:%M" if length <= timedelta(hours=24) else "%d %b"


def common(nodes: Sequence[str]) -> str:
    """What the names of all nodes begin with, up to their first hyphen: left out where room is short.

    >>> common(["lab-primary", "lab-replica-1"]), common(["primary", "replica-1"])
    ('lab-', '')
    """
    heads = {name.partition("-")[0] for name in nodes if "-" in name}
    return f"{heads.pop()}-" if len(heads) == 1 and len(nodes) > 1 and all("-" in name for name in nodes) else ""


def _end_labels(shown: Sequence[Curve], axis: Axis, unit: Unit, prefix: str) -> list[Figure]:
    """Name and last value at the right edge, pushed apart so that none covers another, nor a mark's words above the chart."""
    ended = sorted((c for c in shown if c.last is not None), key=lambda c: c.last or 0.0)
    height = (axis.high - axis.low) * LABEL_HEIGHT / PLOT_HEIGHT
    places = apart([(c.last or 0.0) / axis.factor for c in ended], height, axis.low, axis.high - height / 2)
    return [
        {"name": f"end-{curve.colour}", "xref": "paper", "x": 1.01, "xanchor": "left", "y": place, "yanchor": "middle",
         "text": f"{escape(shorten(curve.label.removeprefix(prefix)))} {show(curve.last, unit)}", "showarrow": False, "align": "left"}
        for curve, place in zip(ended, places, strict=True)
    ]  # fmt: skip


def apart(wanted: Sequence[float], height: float, low: float, high: float) -> list[float]:
    """Places (given in rising order) moved apart to at least `height`, within [low, high] as far as they fit.

    >>> apart([0.0, 0.1, 5.0], 1.0, 0.0, 6.0)
    [0.0, 1.0, 5.0]
    """
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + height) if places else max(place, low))
    for index in range(len(places) - 1, -1, -1):
        ceiling = high if index == len(places) - 1 else places[index + 1] - height
        places[index] = min(places[index], ceiling)
    return places


def shorten(label: str, most: int = 18) -> str:
    """A label that fits beside a chart."""
    return label if len(label) <= most else f"{label[: most - 1]}…"
