"""Addresses of the first page and of the tier's health."""

from django.urls import path

from apps.overview import views

app_name = "overview"
urlpatterns = [
    path("", views.overview, name="page"),
    path("t/<slug:tier>/away/dismiss/", views.dismiss, name="away-dismiss"),
    path("health", views.health, name="health"),
    path("health/detailed", views.health_detailed, name="health-detailed"),
]
