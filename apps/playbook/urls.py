"""The address of what is written."""

from django.urls import path

from apps.playbook import views

app_name = "playbook"
urlpatterns = [path("", views.index, name="index")]
