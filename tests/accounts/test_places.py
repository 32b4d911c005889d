"""Where somebody is signed in: asked for and ended all at once, however many sessions there are."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.places import places
from tests.people import PASSWORD

LIST = "/accounts/sessions/"


@pytest.fixture(autouse=True)
def no_attempts_yet() -> None:
    cache.clear()


def signed_in(name: str = "viewer", program: str = "A Browser") -> Client:
    client = Client(headers={"user-agent": program})
    assert client.post("/accounts/login/", {"login": name, "password": PASSWORD}).status_code == 302
    return client


def asked(client: Client, url: str, data: dict[str, str] | None = None) -> tuple[int, int]:
    """How many statements a request takes, and how often the most frequent of them."""
    with CaptureQueriesContext(connection) as found:
        client.get(url) if data is None else client.post(url, data)
    told = [
        str(query["sql"]).partition("WHERE")[0]
        for query in found.captured_queries
        if "SAVEPOINT" not in str(query["sql"])
    ]
    return len(told), max(map(told.count, told))


def test_signing_in_takes_as_many_statements_with_twelve_old_sessions_as_with_one(viewer: Person) -> None:
    credentials = {"login": "viewer", "password": PASSWORD}
    signed_in()
    few, _ = asked(Client(), "/accounts/login/", credentials)
    for _ in range(12):
        signed_in()
    many, _ = asked(Client(), "/accounts/login/", credentials)
    assert many == few
    assert UserSession.objects.filter(user=viewer).count() == 15


def test_the_list_and_ending_the_others_take_as_many_statements_with_twelve_sessions_as_with_two(
    viewer: Person,
) -> None:
    here = signed_in()
    signed_in()
    here.get(LIST)  # now this process has seen the session
    few = asked(here, LIST), asked(here, "/people/me/")
    for _ in range(10):
        signed_in()
    assert (asked(here, LIST), asked(here, "/people/me/")) == few
    with CaptureQueriesContext(connection) as found:
        here.post(LIST)
    assert len([query for query in found.captured_queries if "SAVEPOINT" not in str(query["sql"])]) <= 12
    assert [one.session_key for one in UserSession.objects.filter(user=viewer)] == [here.session.session_key]


def test_who_ends_other_sessions_is_out_everywhere_else_and_stays_in_here(viewer: Person, qa: Person) -> None:
    here, there, another = signed_in(), signed_in(program="Other Browser"), signed_in("qa")
    assert "Other Browser" in here.get(LIST).content.decode()
    here.post(LIST)
    assert here.get("/people/").status_code == another.get("/people/").status_code == 200
    assert there.get("/people/").status_code == 302
    assert "Other Browser" not in here.get(LIST).content.decode()


def test_sessions_that_ended_are_forgotten_at_the_next_log_in_and_others_are_not(viewer: Person, qa: Person) -> None:
    over, deleted, stays, others = signed_in(), signed_in(), signed_in(), signed_in("qa")
    Session.objects.filter(pk=over.session.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))
    Session.objects.filter(pk=deleted.session.session_key).delete()
    UserSession.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    now, fresh = signed_in(), signed_in()
    fresh_key = fresh.session.session_key
    Session.objects.filter(pk=fresh_key).delete()  # as if it were not written yet
    places(viewer)
    kept = {one.session_key for one in UserSession.objects.all()}
    assert kept == {client.session.session_key for client in (stays, others, now)} | {fresh_key}


def test_a_session_of_an_old_password_is_no_place_any_more(viewer: Person) -> None:
    there = signed_in(program="Old Browser")
    viewer.set_password(PASSWORD)  # of another salt, as any change is
    viewer.save()
    here = signed_in(program="New Browser")
    page = here.get("/people/me/").content.decode()
    assert "New Browser" in page
    assert "Old Browser" not in page
    assert there.get("/people/").status_code == 302


def test_who_is_given_another_password_is_out_of_all_sessions_in_as_many_statements_as_of_one(viewer: Person) -> None:
    clients = [signed_in() for _ in range(12)]
    with CaptureQueriesContext(connection) as found:
        grants.set_password(viewer, "another long sentence")
    assert len([query for query in found.captured_queries if "session" in str(query["sql"])]) <= 3
    assert {client.get("/people/").status_code for client in clients} == {302}
