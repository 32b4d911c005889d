"""Upkeep of logins."""

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.batch import delete


@shared_task
def forget_expired_sessions() -> None:
    """Delete sessions that expired, and what is known of sessions that are gone: nobody logs out of all of them."""
    delete(
        Session, Session.objects.filter(expire_date__lt=timezone.now()).values_list("session_key", flat=True).iterator()
    )
    kept = Session.objects.values("session_key")
    delete(UserSession, UserSession.objects.exclude(session_key__in=kept).values_list("pk", flat=True).iterator())
