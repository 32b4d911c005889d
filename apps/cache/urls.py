"""Addresses of this room."""

from django.urls import path

from apps.cache.views import BOARD
from apps.metrics.pages import board_page, board_table

app_name = "cache"
urlpatterns = [
    path("", board_page(BOARD), name="page"),
    path("tables/<slug:table>.<str:form>", board_table(BOARD), name="table"),
]
