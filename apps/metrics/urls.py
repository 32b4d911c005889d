"""Addresses of what is measured: nodes, alerts, the catalogue of checks."""

from django.urls import path

from apps.metrics import node_views

app_name = "metrics"
urlpatterns = [
    path("t/<slug:tier>/nodes/", node_views.nodes, name="nodes"),
    path("t/<slug:tier>/nodes/add/", node_views.add, name="node-add"),
    path("t/<slug:tier>/nodes/<slug:name>/remove/", node_views.remove, name="node-remove"),
]
