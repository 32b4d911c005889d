"""The ledger's pages; their policies stand in `apps.accounts.third_party`, a floor above."""

from django.urls import path

from apps.ledger import views

app_name = "ledger"
urlpatterns = [
    path("", views.index, name="index"),
    path("export.<str:form>", views.export, name="export"),
    path("checkpoint", views.checkpoint, name="checkpoint"),
    path("consistency/<int:old>/<int:new>/", views.consistency, name="consistency"),
    path("<int:seq>/", views.entry, name="entry"),
]
