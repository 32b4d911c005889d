"""Whether this process lives, and whether it can serve."""

from django.urls import path

from apps.telemetry import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]
