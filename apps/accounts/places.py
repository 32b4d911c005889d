"""Where a person is signed in: which of the sessions that are known of them still open the portal, and ending them, all at once.

django-allauth asks for each known session whether it is there, for its content and for its person, one after the other, at every log-in.
Here they are one statement, and those that ended are forgotten in another. `connect` puts this in the place of allauth's receiver.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from allauth.account.signals import user_logged_in
from allauth.usersessions import signals
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.sessions import SessionStore

SETTLED = timedelta(minutes=1)
"""After which a session that nobody opened is one that ended: a log-in, or a new password, is known before its session is written."""


def places(person: Person) -> list[UserSession]:
    """The sessions in which the person is signed in, oldest first; what is known of sessions that ended is forgotten."""
    known = list(UserSession.objects.filter(user=person).order_by("created_at"))
    opening = _opening(person, {one.session_key for one in known})
    before = timezone.now() - SETTLED
    if gone := [one.pk for one in known if one.session_key not in opening and one.created_at < before]:
        UserSession.objects.filter(pk__in=gone).delete()
    return [one for one in known if one.session_key in opening]


@transaction.atomic
def end(known: Iterable[UserSession]) -> None:
    """End these sessions: whoever uses one has to sign in again at the next request."""
    found = list(known)
    Session.objects.filter(session_key__in=[one.session_key for one in found]).delete()
    UserSession.objects.filter(pk__in=[one.pk for one in found]).delete()


def connect() -> None:
    """Keep the list of places at every log-in, instead of allauth's receiver, which asks for each session by itself."""
    user_logged_in.disconnect(receiver=signals.on_user_logged_in)
    user_logged_in.connect(receiver=_signed_in)


def _signed_in(request: HttpRequest, user: Person, **_: Any) -> None:
    places(user)
    UserSession.objects.create_from_request(request)


def _opening(person: Person, keys: set[str]) -> set[str]:
    """Those of the keys whose session has not ended and was opened for this person, with the password they have now."""
    if not keys or not person.is_active:
        return set()
    hashes = {person.get_session_auth_hash(), *person.get_session_auth_fallback_hash()}
    store, lasting = SessionStore(), Q(session_key__in=keys, expire_date__gt=timezone.now())
    contents = (
        (key, store.decode(data)) for key, data in Session.objects.filter(lasting).values_list("pk", "session_data")
    )
    return {
        key
        for key, content in contents
        if content.get(SESSION_KEY) == str(person.pk)
        and content.get(HASH_SESSION_KEY) in hashes
        and content.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    }
