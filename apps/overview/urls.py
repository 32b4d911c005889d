"""Addresses of the first page, of the portal itself and of the tier's health."""

from django.urls import path

from apps.overview import own_partition_views, own_query_views, own_views, views

app_name = "overview"
urlpatterns = [
    path("", views.overview, name="page"),
    path("t/<slug:tier>/away/dismiss/", views.dismiss, name="away-dismiss"),
    path("portal/", own_views.portal, name="portal"),
    path("portal/partitions/", own_partition_views.partitions, name="own-partitions"),
    path("portal/queries/", own_query_views.queries, name="queries"),
    path("portal/queries/tables/statements.<str:form>", own_query_views.queries_file, name="queries-file"),
    path("portal/queries/<slug:fingerprint>/", own_query_views.query, name="query"),
    path(
        "portal/queries/<slug:fingerprint>/tables/<slug:table>.<str:form>",
        own_query_views.query_file,
        name="query-file",
    ),
    path("health", views.health, name="health"),
    path("health/detailed", views.health_detailed, name="health-detailed"),
]
