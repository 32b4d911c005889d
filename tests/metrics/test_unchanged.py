"""An open page asks whether there is news: one statement where there is none, and nobody gets even that who may not see it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.metrics.models import LatestAnswer, Standing, Tier
from apps.metrics.registry import checks
from tests.conftest import Until
from tests.metrics.test_pages import PAGE, refresh_url, text, tier, viewing  # noqa: F401  fixtures
from tests.people import PASSWORD, Browser, MakePerson

LOGIN = "/accounts/login/"
Ask = Callable[[], Any]


@pytest.fixture(params=[PAGE, "/"], ids=["dashboard", "overview"])
def ask(viewing: Client, request: pytest.FixtureRequest) -> Ask:  # noqa: F811
    """The poll of an open page in the viewer's browser; it has just been answered that nothing changed, by one statement."""
    url = refresh_url(text(viewing, request.param))

    def poll() -> Any:
        return viewing.get(url, headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{PAGE}"})

    with request.getfixturevalue("django_assert_num_queries")(1):
        answer = poll()
    assert (answer.status_code, answer.content, "HX-Redirect" in answer.headers) == (204, b"", False)
    return poll


def sent_to_login(answer: Any) -> bool:
    return bool(answer.status_code == 204 and answer.headers.get("HX-Redirect", "").startswith(LOGIN))


def test_the_answer_bears_the_headers_of_what_is_not_public(ask: Ask) -> None:
    headers = ask().headers
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Vary"] == "Cookie"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Correlation-ID"]


def test_who_was_disabled_is_refused_at_the_very_next_poll(ask: Ask, viewer: Person) -> None:
    Person.objects.filter(pk=viewer.pk).update(is_active=False)
    assert sent_to_login(ask())


def test_whose_session_was_ended_is_refused_at_the_very_next_poll(ask: Ask) -> None:
    Session.objects.all().delete()
    assert sent_to_login(ask())


def test_whose_session_has_run_out_is_refused_at_the_very_next_poll(ask: Ask) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert sent_to_login(ask())


def test_whose_password_was_changed_is_refused_at_the_very_next_poll(ask: Ask, viewer: Person) -> None:
    viewer.set_password(PASSWORD + " changed")
    viewer.save()
    assert sent_to_login(ask())


def test_whose_role_was_revoked_is_refused_at_the_very_next_poll(ask: Ask, viewer: Person) -> None:
    grants.revoke(viewer, Role.VIEWER)
    assert ask().status_code in {403, 404}


def test_a_role_that_is_left_on_another_tier_does_not_do(ask: Ask, viewer: Person) -> None:
    grants.grant(viewer, Role.VIEWER, "staging")
    grants.revoke(viewer, Role.VIEWER)
    answer = ask()
    assert answer.status_code == 404 or b"lab-pgbouncer" not in answer.content


def test_a_person_is_not_another_because_both_were_seen(ask: Ask, browser: Browser, person: MakePerson) -> None:
    elsewhere = browser(person("eve", [Role.DBA], tier_slug="staging"))
    elsewhere.get("/people/me/")
    for _ in range(2):
        asked = elsewhere.get(ask().wsgi_request.get_full_path(), headers={"HX-Request": "true"})
        assert asked.status_code == 404 or b"lab-pgbouncer" not in asked.content
        assert asked.status_code != 204


def test_a_stranger_is_sent_to_log_in(ask: Ask) -> None:
    path = ask().wsgi_request.get_full_path()
    assert sent_to_login(Client().get(path, headers={"HX-Request": "true"}))
    forged = Client(headers={"cookie": "sessionid=abcdefghijklmnopqrstuvwxyz012345"})
    assert sent_to_login(forged.get(path, headers={"HX-Request": "true"}))


@pytest.mark.parametrize("model", [Standing, LatestAnswer])
def test_whatever_is_written_is_news(viewing: Client, model: type[Standing] | type[LatestAnswer]) -> None:  # noqa: F811
    url = refresh_url(text(viewing, PAGE))
    model.objects.filter(pk=model.objects.latest("pk").pk).update(at=timezone.now())
    if model is Standing:
        model.objects.filter(check_id__startswith="pools.").update(state="fail")
    answer = viewing.get(url, headers={"HX-Request": "true"})
    assert answer.status_code == (200 if model is Standing else 204)


def test_what_turns_stale_by_the_clock_alone_is_news(viewing: Client, until: Until) -> None:  # noqa: F811
    standing = Standing.objects.filter(check_id="pools.waiting").earliest("pk")
    stale_after = checks()[standing.check_id].stale_after
    Standing.objects.filter(pk=standing.pk).update(state="pass", at=timezone.now() - stale_after + timedelta(seconds=1))
    url = refresh_url(text(viewing, PAGE))
    until(lambda: viewing.get(url, headers={"HX-Request": "true"}).status_code == 200, 5)


def test_an_address_that_cannot_be_is_refused_though_nothing_changed(viewing: Client) -> None:  # noqa: F811
    url = refresh_url(text(viewing, PAGE))
    wrong = url.replace("range=1h", "range=5y")
    assert wrong != url
    assert viewing.get(wrong, headers={"HX-Request": "true"}).status_code == 400
    assert viewing.get(url, headers={"HX-Request": "true", "host": "evil.example"}).status_code == 400
    assert viewing.post(url, headers={"HX-Request": "true"}).status_code == 405


def test_a_tier_that_is_gone_is_not_found(viewing: Client, tier: Tier) -> None:  # noqa: F811
    url = refresh_url(text(viewing, PAGE))
    Tier.objects.filter(pk=tier.pk).update(slug="renamed")
    assert viewing.get(url, headers={"HX-Request": "true"}).status_code == 404


def test_without_htmx_the_page_is_shown(viewing: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:  # noqa: F811
    url = refresh_url(text(viewing, PAGE))
    with django_assert_max_num_queries(2):  # who asks; the tiers with the mark
        assert "<html" in text(viewing, url)
