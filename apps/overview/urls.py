"""Addresses of the first page and of the tier's health."""

from django.urls import path

from apps.overview import own_views, views

app_name = "overview"
urlpatterns = [
    path("", views.overview, name="page"),
    path("t/<slug:tier>/away/dismiss/", views.dismiss, name="away-dismiss"),
    path("portal/", own_views.portal, name="portal"),
    path("health", views.health, name="health"),
    path("health/detailed", views.health_detailed, name="health-detailed"),
]
