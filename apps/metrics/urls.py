"""Addresses of what is measured: nodes, alerts, the catalogue of checks."""

from django.urls import path

from apps.metrics import (
    alert_views,
    catalogue_views,
    channel_views,
    exposition_views,
    mute_views,
    node_views,
    threshold_views,
)

app_name = "metrics"
urlpatterns = [
    path("metrics", exposition_views.metrics, name="metrics"),
    path("metrics/pool", exposition_views.metrics_pool, name="metrics-pool"),
    path("t/<slug:tier>/nodes/", node_views.nodes, name="nodes"),
    path("t/<slug:tier>/nodes/add/", node_views.add, name="node-add"),
    path("t/<slug:tier>/nodes/<slug:name>/remove/", node_views.remove, name="node-remove"),
    path("t/<slug:tier>/mutes/", mute_views.mutes, name="mutes"),
    path("t/<slug:tier>/mutes/begin/", mute_views.begin, name="mute"),
    path("t/<slug:tier>/mutes/<int:mute>/end/", mute_views.end, name="mute-end"),
    path("t/<slug:tier>/channels/", channel_views.channels, name="channels"),
    path("t/<slug:tier>/channels/add/", channel_views.add, name="channel-add"),
    path("t/<slug:tier>/channels/<int:channel>/test/", channel_views.test, name="channel-test"),
    path("t/<slug:tier>/channels/<int:channel>/removing/", channel_views.removing, name="channel-removing"),
    path("t/<slug:tier>/channels/<int:channel>/remove/", channel_views.remove, name="channel-remove"),
    path("t/<slug:tier>/checks/<str:check>/", threshold_views.check, name="check"),
    path("t/<slug:tier>/checks/<str:check>/change/", threshold_views.change, name="check-change"),
    path("t/<slug:tier>/checks/<str:check>/<int:threshold>/revert/", threshold_views.revert, name="check-revert"),
    path("catalogue/checks/", catalogue_views.catalogue, name="checks"),
    path("catalogue/checks/<str:check>/", catalogue_views.one, name="catalogue-check"),
    path("alerts/", alert_views.alerts, name="alerts"),
    path("alerts/history/", alert_views.history, name="alert-history"),
    path("alerts/<int:alert>/", alert_views.alert, name="alert"),
    path("alerts/<int:alert>/acknowledge/", alert_views.acknowledge, name="acknowledge"),
]
