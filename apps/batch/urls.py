"""The pages of remembered runs; their policies stand in `apps.accounts.third_party`, a floor above."""

from django.urls import path

from apps.batch import views

app_name = "batch"
urlpatterns = [
    path("", views.index, name="index"),
    path("<int:job>/", views.job, name="job"),
    path("<int:job>/cancel/", views.cancel, name="cancel"),
]
