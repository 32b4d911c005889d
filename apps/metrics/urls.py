"""Addresses of what is measured: nodes, alerts, the catalogue of checks."""

from django.urls import path

from apps.metrics import alert_views, catalogue_views, node_views

app_name = "metrics"
urlpatterns = [
    path("t/<slug:tier>/nodes/", node_views.nodes, name="nodes"),
    path("t/<slug:tier>/nodes/add/", node_views.add, name="node-add"),
    path("t/<slug:tier>/nodes/<slug:name>/remove/", node_views.remove, name="node-remove"),
    path("catalogue/checks/", catalogue_views.catalogue, name="checks"),
    path("alerts/", alert_views.alerts, name="alerts"),
    path("alerts/<int:alert>/", alert_views.alert, name="alert"),
    path("alerts/<int:alert>/acknowledge/", alert_views.acknowledge, name="acknowledge"),
]
