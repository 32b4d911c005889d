"""Addresses of this room."""

from django.urls import path

from apps.metrics.pages import board_page, board_table
from apps.queries.compare_views import comparing
from apps.queries.plan_views import plan
from apps.queries.statement_views import statement, statement_file
from apps.queries.views import BOARD

app_name = "queries"
urlpatterns = [
    path("", board_page(BOARD), name="page"),
    path("tables/<slug:table>.<str:form>", board_table(BOARD), name="table"),
    path("compare/", comparing, name="compare"),
    path("<slug:queryid>/", statement, name="statement"),
    path("<slug:queryid>/tables/<slug:chart>.<str:form>", statement_file, name="statement-file"),
    path("<slug:queryid>/plan/", plan, name="plan"),
]
