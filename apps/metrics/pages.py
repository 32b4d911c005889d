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

Its template `<room>/page.html` begins with `{% extends "metrics/board.html" %}` and may add words in the blocks `lead` (under
the verdict), `before_charts`, `after_charts` and `after_tables`. Ids of charts and tables are slugs, unique within a board.
"""

from collections.abc import Callable
from typing import TypeAlias

from django.http import HttpRequest, HttpResponse

from apps.metrics.board import Board

View: TypeAlias = Callable[..., HttpResponse]


def board_page(board: Board) -> View:
    """A view `(request, tier)`: the page; asked by htmx, its live fragment, or 204 when nothing changed."""

    def page(request: HttpRequest, tier: str) -> HttpResponse:
        raise NotImplementedError

    return page


def board_table(board: Board) -> View:
    """A view `(request, tier, table, form)`: a table or the figures of a chart as CSV or JSON; 404 for other names."""

    def table(request: HttpRequest, tier: str, table: str, form: str) -> HttpResponse:
        raise NotImplementedError

    return table
