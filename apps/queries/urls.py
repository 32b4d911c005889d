"""Addresses of this room."""

from django.urls import path

from apps.metrics.pages import board_page, board_table
from apps.queries.views import BOARD

app_name = "queries"
urlpatterns = [
    path("", board_page(BOARD), name="page"),
    path("tables/<slug:table>.<str:form>", board_table(BOARD), name="table"),
]
