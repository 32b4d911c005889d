"""Addresses of runbooks."""

from django.urls import path

from apps.runbooks import views

app_name = "runbooks"
urlpatterns = [
    path("", views.index, name="index"),
    path("<slug:runbook>/", views.runbook, name="runbook"),
]
