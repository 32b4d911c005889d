"""Addresses of rollouts."""

from django.urls import path

from apps.rollouts import act_views, evidence_views, follow_views, sign_views, views

app_name = "rollouts"
WEEK = "<int:rollout>/weeks/<slug:week>/"
urlpatterns = [
    path("", views.index, name="index"),
    path("start/<slug:tier>/", views.begin, name="start"),
    path("<int:rollout>/", views.rollout, name="rollout"),
    path("<int:rollout>/bundle.zip", evidence_views.rollout_bundle, name="bundle"),
    path(WEEK, views.week, name="week"),
    path(WEEK + "bundle.zip", evidence_views.week_bundle, name="week-bundle"),
    path(WEEK + "items/<slug:item>/tick/", act_views.tick_item, name="tick"),
    path(WEEK + "items/<slug:item>/undo/", act_views.undo_item, name="undo"),
    path(WEEK + "items/<slug:item>/agree/", follow_views.agree_to, name="agree"),
    path(WEEK + "items/<slug:item>/decline/", follow_views.turn_down, name="decline"),
    path(WEEK + "news/", follow_views.news, name="news"),
    path(WEEK + "baseline/", act_views.capture_baseline, name="baseline"),
    path(WEEK + "deployment/", act_views.record_deployment, name="deploy"),
    path(WEEK + "issues/", act_views.note, name="issue"),
    path(WEEK + "issues/<int:issue>/close/", act_views.resolve, name="resolve"),
    path(WEEK + "sign/<slug:slot>/", sign_views.sign_slot, name="sign"),
    path(WEEK + "sign/<slug:slot>/revoke/", sign_views.revoke_signature, name="revoke"),
]
