"""Every address of the portal; a route without a declared policy fails at start-up."""

from django.conf import settings
from django.urls import include, path

urlpatterns = [
    path("", include("apps.overview.urls")),
    path("", include("apps.telemetry.urls")),
    path("", include("apps.metrics.urls")),
    path("accounts/2fa/", include("apps.accounts.factor_urls")),  # before allauth's, of the same names
    path("accounts/sessions/", include("apps.accounts.place_urls")),
    path("accounts/", include("allauth.urls")),
    path("people/", include("apps.accounts.urls")),
    *(path(f"t/<slug:tier>/{room}/", include(f"apps.{room}.urls")) for room in settings.TIER_ROOMS),
    path("playbook/", include("apps.playbook.urls")),
    path("runbooks/", include("apps.runbooks.urls")),
    path("trees/", include("apps.runbooks.tree_urls")),
    path("rollouts/", include("apps.rollouts.urls")),
    path("ledger/", include("apps.ledger.urls")),
    path("batches/", include("apps.batch.urls")),
]
