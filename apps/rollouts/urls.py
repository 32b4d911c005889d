"""Addresses of rollouts."""

from django.urls import path

from apps.rollouts import (
    act_views,
    compare_views,
    evidence_views,
    file_views,
    follow_views,
    record_views,
    sign_views,
    timeline_views,
    views,
)

app_name = "rollouts"
WEEK = "<int:rollout>/weeks/<slug:week>/"
urlpatterns = [
    path("", views.index, name="index"),
    path("start/<slug:tier>/", views.begin, name="start"),
    path("<int:rollout>/", views.rollout, name="rollout"),
    path("<int:rollout>/bundle.zip", evidence_views.rollout_bundle, name="bundle"),
    path("<int:rollout>/files/<slug:digest>/", file_views.attached, name="file"),
    path("<int:rollout>/timeline/", timeline_views.page, name="timeline"),
    path("<int:rollout>/timeline.json", timeline_views.as_json, name="timeline-json"),
    path("<int:rollout>/timeline/move/", timeline_views.move_start, name="move"),
    path("<int:rollout>/timeline/notes/", timeline_views.note, name="note"),
    path(WEEK, views.week, name="week"),
    path(WEEK + "bundle.zip", evidence_views.week_bundle, name="week-bundle"),
    path(WEEK + "items/<slug:item>/tick/", act_views.tick_item, name="tick"),
    path(WEEK + "items/<slug:item>/undo/", act_views.undo_item, name="undo"),
    path(WEEK + "items/<slug:item>/agree/", follow_views.agree_to, name="agree"),
    path(WEEK + "items/<slug:item>/decline/", follow_views.turn_down, name="decline"),
    path(WEEK + "news/", follow_views.news, name="news"),
    path(WEEK + "baseline/", act_views.capture_baseline, name="baseline"),
    path(WEEK + "comparison/", compare_views.comparison, name="comparison"),
    path(WEEK + "compare/", compare_views.compare, name="compare"),
    path(WEEK + "deployment/", act_views.record_deployment, name="deploy"),
    path(WEEK + "issues/", act_views.note, name="issue"),
    path(WEEK + "issues/<int:issue>/close/", act_views.resolve, name="resolve"),
    path(WEEK + "sign/<slug:slot>/", sign_views.sign_slot, name="sign"),
    path(WEEK + "sign/<slug:slot>/signed/", sign_views.signed, name="signed"),
    path("<int:rollout>/statements/<int:draft>/", sign_views.check, name="check"),
    path("<int:rollout>/signatures/<int:signature>/", record_views.signature, name="signature"),
    path("<int:rollout>/sign-offs/", record_views.sign_offs, name="sign-offs"),
    path("<int:rollout>/sign-offs/waive/", record_views.waive_duties, name="waive"),
    path("<int:rollout>/sign-offs/restore/", record_views.restore_duties, name="restore"),
    path(WEEK + "sign/<slug:slot>/revoke/", sign_views.revoke_signature, name="revoke"),
]
