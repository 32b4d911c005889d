"""The dashboard page of a tier room, made from its Board: page, live fragment, and its tables as files.

A room's `urls.py`, whole::

    from django.urls import path

    from apps.metrics.pages import board_page, board_table
    from apps.pools.charts import BOARD

    app_name = "pools"
    urlpatterns = [
        path("", board_page(BOARD), name="page"),
        path("tables/<slug:table>.<str:form>", board_table(BOARD), name="table"),
    ]

Its template `<room>/page.html` begins with `{% extends "metrics/board.html" %}` and may add words in the blocks `above` and
`below`, which stay as they are while the rest refreshes. Ids of charts and tables are slugs, unique within a board.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.metrics import context, shell
from apps.metrics.board import Board, Chart, Fact, Table
from apps.metrics.exports import csv_file, json_file
from apps.metrics.figures import Drawing, draw
from apps.metrics.kept import kept
from apps.metrics.marks import marks, on
from apps.metrics.models import Tier
from apps.metrics.ranges import CHOICES, LABELS, BadRange, Range, read_range
from apps.metrics.readings import Readings, readings_now
from apps.metrics.rows import CheckRow, DrawnTable, check_rows, tables
from apps.metrics.unchanged import polled

View: TypeAlias = Callable[..., HttpResponse]
LIVE, BODY = "metrics/board.html#live", "metrics/board.html#body"


def board_page(board: Board) -> View:
    """A view `(request, tier)`: the page; asked by htmx, its live fragment, or 204 when nothing changed."""

    @polled
    @allow(Permission.VIEW)
    @require_GET
    def page(request: HttpRequest, tier: str) -> HttpResponse:
        try:
            within = read_range(request.GET, timezone.now())
        except BadRange as problem:
            return refuse(request, problem)
        found = tier_of(request, tier)
        data = readings_now(found, board, context.present_of(request, found))
        htmx = bool(getattr(request, "htmx", False))
        if htmx and request.GET.get("version") == data.version:
            return HttpResponse(status=204)
        templates = LIVE if htmx else [f"{board.room}/page.html", "metrics/board.html"]
        page = Shown(board, within, [(name, str(LABELS[name])) for name in CHOICES])
        return shell.answer(request, templates, {"page": page}, body_of(request, board, data, within), within.query)

    return page


def board_table(board: Board) -> View:
    """A view `(request, tier, table, form)`: a table or the figures of a chart as CSV or JSON; 404 for other names."""
    declared: dict[str, Table | Chart] = {t.id: t for t in board.tables} | {c.id: c for c in board.charts}

    @allow(Permission.VIEW)
    @require_GET
    def table(request: HttpRequest, tier: str, table: str, form: str) -> HttpResponse:
        item = declared.get(table)
        if item is None or form not in {"csv", "json"}:
            raise Http404(f"There is no {table}.{form} here.")
        found = tier_of(request, tier)
        if isinstance(item, Table):
            return _table_file(found, board, item, form)
        try:
            within = read_range(request.GET, timezone.now())
        except BadRange as problem:
            return refuse(request, problem)
        return _chart_file(found, board, item, within, form)

    return table


@dataclass(frozen=True, slots=True)
class Shown:
    """What a dashboard's page says around the part that refreshes; it depends on board and range alone (`shell.answer`)."""

    board: Board
    within: Range
    ranges: Sequence[tuple[str, str]]


def body_of(request: HttpRequest, board: Board, data: Readings, within: Range) -> bytes:
    """The part of a board's page that refreshes; what everybody sees alike is drawn once between two polls."""
    known = context.present_of(request, data.tier)
    key = (board.room, request.path, within.query, get_language(), known.version, known.mark)
    page = {"path": request.path}
    return kept(key, lambda: render_to_string(BODY, page | {"page": drawn(board, data, within)}).encode())


@dataclass(frozen=True, slots=True)
class DrawnBoard:
    """A board as its template shows it."""

    board: Board
    data: Readings
    verdict: str
    facts: Sequence[Fact]
    drawings: Sequence[Drawing]
    tables: Sequence[DrawnTable]
    checks: Sequence[CheckRow]
    within: Range


def drawn(board: Board, data: Readings, within: Range) -> DrawnBoard:
    """Everything a board shows, read and laid out."""
    lines = data.lines(board.charts, within)
    nodes = data.in_colour
    marked = marks(data.tier, within, board.charts)
    return DrawnBoard(
        board=board,
        data=data,
        verdict=board.verdict(data),
        facts=board.facts(data),
        drawings=[
            draw(chart, lines, within, nodes, data.judged(chart), marked=marked, unreadable=data.unreadable)
            for chart in board.charts
        ],
        tables=tables(data, board.tables),
        checks=check_rows(data),
        within=within,
    )


def tier_of(request: HttpRequest, slug: str) -> Tier:
    """The tier of an address, without a further query. Raises Http404 when the person does not see it."""
    found = next((tier for tier in context.visible_tiers(request) if tier.slug == slug), None)
    if found is None:
        raise Http404("There is no such tier for you.")
    return found


def refuse(request: HttpRequest, problem: ValueError) -> HttpResponse:
    """400: the address asks for something that cannot be; the problem says what and what to write instead."""
    return render(request, "400.html", {"problem": problem}, status=400)


def _table_file(tier: Tier, board: Board, table: Table, form: str) -> HttpResponse:
    data = Readings(tier, board.room, ())
    name = f"{tier.slug}-{board.room}-{table.id}"
    columns = [column for column in table.columns if column.key != "node"]
    keys = ["node", "at", *(column.key for column in columns)]
    # A tier probe's rows tell their node themselves.
    rows = [
        {**row, "node": answer.node or row.get("node"), "at": answer.at}
        for answer in data.rows(table.source)
        for row in table.of(answer.rows)
    ]
    if form == "json":
        shown = [{key: row.get(key) for key in keys} for row in rows]
        document = {"tier": tier.slug, "table": table.id, "taken": data.now, "units": _units(table), "rows": shown}
        return json_file(name, document)
    head = ["node", "at", *(f"{c.key} ({c.unit.value})" if c.unit else c.key for c in columns)]
    return csv_file(name, head, ([row.get(key) for key in keys] for row in rows))


def _units(table: Table) -> dict[str, str]:
    return {column.key: column.unit.value for column in table.columns if column.unit}


def _chart_file(tier: Tier, board: Board, chart: Chart, within: Range, form: str) -> HttpResponse:
    name = f"{tier.slug}-{board.room}-{chart.id}"
    data = Readings(tier, board.room, ())
    lines = data.lines([chart], within)
    marked = on(chart, marks(tier, within, [chart]), lines)
    if data.unreadable:
        return HttpResponse(data.unreadable, status=503, content_type="text/plain; charset=utf-8")
    if form == "json":
        series: list[dict[str, Any]] = [
            {
                "metric": line.metric,
                "node": line.node,
                "object": line.object,
                "times": line.times,
                "values": line.values,
            }
            for line in lines
        ]
        told = [{"at": mark.at, "text": mark.text} for mark in marked]
        document = {"tier": tier.slug, "chart": chart.id, "unit": chart.unit.value, "series": series, "marks": told}
        return json_file(name, document)
    rows: list[list[Any]] = [
        [line.metric, line.node, line.object, datetime.fromtimestamp(at, UTC), value]
        for line in lines
        for at, value in zip(line.times, line.values, strict=True)
    ]
    rows += [["mark", "", mark.text, mark.at, None] for mark in marked]
    return csv_file(name, ["metric", "node", "object", "at", f"value ({chart.unit.value})"], rows)
