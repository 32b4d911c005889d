"""Charts: valid for Plotly, honest about gaps, one colour a node, and told in a sentence."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.metrics.board import Chart
from apps.metrics.curves import DRAWN, curves
from apps.metrics.figures import Drawing, apart, draw
from apps.metrics.kernel import Check, NodeRole, Unit
from apps.metrics.limits_drawn import LABEL_HEIGHT, PLOT_HEIGHT, Judged
from apps.metrics.lines import Line
from apps.metrics.ranges import Range

START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
END = datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
WITHIN = Range(START, END, "1h")
NODES = ["lab-primary", "lab-replica-1", "lab-replica-2"]
LAG = Chart("lag", "Replay lag", Unit.SECONDS, ("replicas.lag.seconds",), check="replicas.replay_lag")
CHECK = Check("replicas.replay_lag", "", "replicas.lag.seconds", "replicas.lag", Unit.SECONDS, "", "", warn=5, fail=30)


def line(node: str, values: list[float | None], of: str = "", metric: str = "replicas.lag.seconds") -> Line:
    start = START.timestamp()
    return Line(metric, node, of, [start + 10 * place for place in range(len(values))], values)


@pytest.mark.parametrize("unit", Unit)
def test_plotly_accepts_every_unit(unit: Unit) -> None:
    chart = Chart("c", "C", unit, ("replicas.lag.seconds",), check="replicas.replay_lag")
    drawing = draw(
        chart,
        [line("lab-replica-1", [0.2, None, 0.4]), line("lab-replica-2", [0.1, 7.4])],
        WITHIN,
        NODES,
        Judged(CHECK),
    )
    go.Figure(drawing.figure)  # type: ignore[attr-defined,no-untyped-call]  # ValueError for what plotly.js does not know


def test_a_gap_stays_a_gap_and_is_told() -> None:
    values: list[float | None] = [1.0, 2.0, *[None] * 90, 3.0]
    drawing = draw(LAG, [line("lab-replica-1", values)], WITHIN, NODES, Judged(CHECK))
    trace = drawing.figure["data"][0]
    assert trace["y"].count(None) == 90
    assert trace["connectgaps"] is False
    assert "No data 10:00–10:15 UTC." in drawing.summary


def test_a_node_has_its_colour_whatever_else_is_drawn() -> None:
    alone = curves(LAG, [line("lab-replica-2", [1.0])], NODES)
    together = curves(LAG, [line(name, [1.0]) for name in reversed(NODES)], NODES)
    assert alone[0].colour == {c.label: c.colour for c in together}["lab-replica-2"] == 2


def test_the_last_value_is_written_at_the_end_of_its_line_and_the_threshold_beside_its_own() -> None:
    drawing = draw(
        LAG, [line("lab-replica-1", [0.2, 0.2]), line("lab-replica-2", [4.0, 7.4])], WITHIN, NODES, Judged(CHECK)
    )
    texts = {label["name"]: label["text"] for label in drawing.figure["layout"]["annotations"]}
    assert texts["end-2"] == "replica-2 7.4\xa0s"
    assert texts["warn"] == "warn 5\xa0s"
    assert "fail" not in texts  # 30 s lies far above what was measured
    assert [shape["y0"] for shape in drawing.figure["layout"]["shapes"]] == [5.0]
    assert drawing.summary.startswith("lab-replica-2 7.4\xa0s, lab-replica-1 200\xa0ms.")


def test_a_ratio_goes_from_nothing_to_all() -> None:
    chart = Chart("hits", "Hit rate", Unit.RATIO, ("replicas.lag.seconds",))
    layout = draw(chart, [line("lab-redis", [0.84, 0.85])], WITHIN, NODES, Judged(None)).figure["layout"]
    assert layout["yaxis"]["range"] == [0.0, 1.05]
    assert layout["yaxis"]["tickformat"] == ".0%"


def test_the_axis_takes_a_unit_that_fits() -> None:
    trace = draw(LAG, [line("lab-replica-1", [0.05, 0.2])], WITHIN, NODES, Judged(CHECK)).figure
    assert trace["layout"]["yaxis"]["ticksuffix"] == " ms"
    assert trace["data"][0]["y"] == [50.0, 200.0]


def test_more_lines_than_colours_are_cut_to_the_highest_and_that_is_said() -> None:
    chart = Chart("t", "Tables", Unit.COUNT, ("replicas.lag.seconds",), lines="object")
    lines = [line("lab-primary", [float(n)], of=f"table_{n:02}") for n in range(12)]
    drawing = draw(chart, lines, WITHIN, NODES, Judged(None))
    assert sorted(t["meta"]["label"] for t in drawing.figure["data"]) == [
        f"table_{n:02}" for n in range(12 - DRAWN, 12)
    ]
    assert f"Drawn: the {DRAWN} highest of 12." in drawing.summary


def test_nothing_measured_is_said_and_nothing_drawn() -> None:
    drawing = draw(LAG, [], WITHIN, NODES, Judged(CHECK))
    assert drawing.empty
    assert drawing.summary == "Nothing was measured in this range."


def test_a_hostile_name_is_text_in_the_chart_and_in_the_page() -> None:
    chart = Chart("t", "T", Unit.COUNT, ("replicas.lag.seconds",), lines="object")
    drawing = draw(chart, [line("lab-primary", [1.0], of="</script><a href=//x>")], WITHIN, NODES, Judged(None))
    assert "<" not in drawing.island
    figure = json.loads(drawing.island)
    assert "&lt;/script&gt;" in figure["layout"]["annotations"][0]["text"]
    assert figure["data"][0]["name"] == "&lt;/script&gt;&lt;a href=//x&gt;"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine proves nothing
@given(st.lists(st.floats(0, 100), max_size=8).map(sorted))
def test_labels_never_cover_each_other(wanted: list[float]) -> None:
    height = 100 * LABEL_HEIGHT / PLOT_HEIGHT
    places = apart(wanted, height, 0.0, 100.0)
    assert all(b - a >= height * 0.999 for a, b in pairwise(places))
    assert all(place <= 100.0 for place in places)


def test_limits_that_lie_close_together_are_one_label() -> None:
    chart = Chart("slow", "Share of slow queries", Unit.RATIO, ("replicas.lag.seconds",))
    check = replace(CHECK, unit=Unit.RATIO, warn=0.05, fail=0.10)
    layout = draw(chart, [line("lab-primary", [0.2])], WITHIN, NODES, Judged(check)).figure["layout"]
    assert [label["text"] for label in layout["annotations"][:-1]] == ["warn 5\xa0% · fail 10\xa0%"]
    assert [shape["y0"] for shape in layout["shapes"]] == [0.05, 0.10]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(1, 100), st.floats(1, 100), st.floats(50, 100))
def test_labels_of_limits_never_cover_each_other_nor_leave_the_chart(warn: float, fail: float, top: float) -> None:
    check = replace(CHECK, warn=min(warn, fail), fail=max(warn, fail))
    layout = draw(LAG, [line("lab-primary", [top])], WITHIN, NODES, Judged(check)).figure["layout"]
    low, high = layout["yaxis"]["range"]
    height = (high - low) * LABEL_HEIGHT / PLOT_HEIGHT
    taken = sorted(
        (label["y"] - height, label["y"]) if label["yanchor"] == "top" else (label["y"], label["y"] + height)
        for label in layout["annotations"]
        if not label["name"].startswith("end-")
    )
    assert all(one[1] <= two[0] for one, two in pairwise(taken))
    assert not taken or taken[-1][1] <= high * 1.0001


def test_a_limit_of_the_primary_alone_says_so_where_replicas_are_drawn_too() -> None:
    roles = {"lab-primary": "primary", "lab-replica-1": "replica", "lab-replica-2": "replica"}
    judged = Judged(replace(CHECK, role=NodeRole.PRIMARY), roles=roles)
    lines = [line("lab-primary", [6.0]), line("lab-replica-1", [1.0])]
    assert _limits(draw(LAG, lines, WITHIN, NODES, judged)) == ["warn 5\xa0s, primary"]
    assert _limits(draw(LAG, lines[:1], WITHIN, NODES, judged)) == ["warn 5\xa0s"]
    assert not _limits(draw(LAG, lines[1:], WITHIN, NODES, judged))


def test_a_node_s_own_limit_is_a_line_with_its_name() -> None:
    judged = Judged(CHECK, {"lab-replica-2": replace(CHECK, warn=12, fail=None)})
    lines = [line("lab-replica-1", [14.0]), line("lab-replica-2", [1.0])]
    assert _limits(draw(LAG, lines, WITHIN, NODES, judged)) == [
        "warn 5\xa0s, replica-1",
        "warn 12\xa0s, replica-2",
        "fail 30\xa0s, replica-1",
    ]


def test_a_limit_of_one_of_several_metrics_names_it() -> None:
    chart = Chart(
        "memory", "Memory", Unit.SECONDS, ("replicas.lag.seconds", "b"), lines="metric", names=("used", "given")
    )
    lines = [line("lab-redis", [6.0]), line("lab-redis", [7.0], metric="b")]
    assert _limits(draw(chart, lines, WITHIN, NODES, Judged(CHECK))) == ["warn 5\xa0s, used"]


def _limits(drawing: Drawing) -> list[str]:
    annotations = drawing.figure["layout"]["annotations"]
    return [label["text"] for label in annotations if not label["name"].startswith("end-")]
