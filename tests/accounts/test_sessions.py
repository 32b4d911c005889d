"""One statement says who asks, and says it anew at every request."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone
from psycopg.conninfo import conninfo_to_dict
from pytest_django import DjangoAssertNumQueries, Settings

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.lab.layout import Node
from apps.lab.tier import Lab
from tests.people import Browser

PAGE = "/people/me/"


@pytest.fixture
def seen(viewer: Person, browser: Browser) -> Client:
    """A viewer's browser that this process has seen before."""
    client = browser(viewer)
    assert client.get(PAGE).status_code == 200
    return client


def test_who_was_seen_before_is_known_from_one_statement(
    seen: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert seen.put("/people/").status_code == 405  # judged, and no view did any work


def test_each_browser_is_its_own_persons(viewer: Person, qa: Person, browser: Browser) -> None:
    first, second = browser(viewer), browser(qa)
    for _ in range(2):
        assert "Viewer" in first.get(PAGE).content.decode()
        assert "QA" in second.get(PAGE).content.decode()


def test_a_browser_in_which_somebody_else_logs_in_is_theirs(seen: Client, qa: Person) -> None:
    key = seen.session.session_key
    seen.force_login(qa, backend="django.contrib.auth.backends.ModelBackend")
    assert seen.session.session_key != key
    for _ in range(2):
        assert seen.get(PAGE).context["request"].user == qa


def test_a_granted_role_is_there_at_the_next_request(seen: Client, viewer: Person) -> None:
    assert "DBA" not in seen.get(PAGE).content.decode()
    grants.grant(viewer, Role.DBA, "staging")
    assert "DBA" in seen.get(PAGE).content.decode()


def test_a_session_ends_when_its_time_is_over(seen: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert seen.get(PAGE).status_code == 302


def test_a_session_whose_content_was_tampered_with_is_nobodys(seen: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_session SET session_data = session_data || 'x'")
    assert seen.get(PAGE).status_code == 302


def test_after_the_secret_key_was_changed_the_old_one_still_opens_sessions_made_with_it(
    seen: Client, settings: Settings
) -> None:
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another " * 8
    for _ in range(2):
        assert seen.get(PAGE).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert seen.get(PAGE).status_code == 200  # the session was sealed anew with the present key


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_between_two_requests_is_not_noticed(seen: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()
    assert seen.get(PAGE).status_code == 200


def test_the_statement_is_planned_once_for_a_connection(seen: Client) -> None:
    for _ in range(3):
        assert seen.get(PAGE).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%who asks%%' AND generic_plans >= 0"
        )
        (planned,) = cursor.fetchone()
    assert 1 <= planned <= 2  # with and without a person that is remembered


def test_behind_a_pooler_nothing_is_prepared(lab: Lab, db: None) -> None:
    assert connection.connection.prepare_threshold
    pooled = connection.copy()
    target = conninfo_to_dict(lab.layout.dsn(Node.PGBOUNCER, "app"))
    pooled.settings_dict |= {
        "NAME": target["dbname"], "USER": target["user"], "PASSWORD": target["password"], "HOST": target["host"], "PORT": target["port"],
    }  # fmt: skip
    try:
        pooled.ensure_connection()
        assert pooled.connection.prepare_threshold is None
    finally:
        pooled.close()
