"""Addresses of what is measured: nodes, alerts, the catalogue of checks."""

from django.urls import URLPattern

app_name = "metrics"
urlpatterns: list[URLPattern] = []
