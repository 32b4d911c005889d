"""Addresses of decision trees and of walks through them."""

from django.urls import path

from apps.runbooks import walk_views

app_name = "trees"
urlpatterns = [
    path("", walk_views.index, name="index"),
    path("walks/<int:walk>/", walk_views.kept, name="walk"),
    path("walks/<int:walk>/answer/", walk_views.answer_node, name="answer"),
    path("walks/<int:walk>/end/", walk_views.end_walk, name="end"),
    path("<slug:tree>/", walk_views.tree, name="tree"),
    path("<slug:tree>/begin/<slug:tier>/", walk_views.begin_walk, name="begin"),
]
