"""Whether this process lives and can serve; what the portal logs; how its own queries do, for machines."""

from django.urls import include, path

from apps.telemetry import log_views, query_views, views

portal = [
    path("portal/logs/", log_views.logs, name="logs"),
    path("metrics/queries", query_views.metrics_queries, name="metrics-queries"),
]
urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("", include((portal, "telemetry"))),
]
