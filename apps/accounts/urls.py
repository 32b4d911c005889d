"""People and one's own profile."""

from django.urls import path

from apps.accounts import views

app_name = "people"
urlpatterns = [
    path("", views.index, name="index"),
    path("me/", views.me, name="me"),
    path("me/notices/", views.choose_notices, name="notices"),
]
