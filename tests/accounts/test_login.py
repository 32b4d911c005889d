"""Signing in and out, the password, and what ends a session."""

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import Role
from tests.people import PASSWORD, Browser, MakePerson

LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def no_attempts_yet() -> None:
    cache.clear()


def log_in(client: Client, password: str = PASSWORD, username: str = "viewer", **more: str) -> int:
    return client.post(LOGIN, {"login": username, "password": password, **more}).status_code


def test_with_name_and_password_one_is_in_and_where_one_wanted_to_go(viewer: Person) -> None:
    client = Client()
    response = client.post(LOGIN + "?next=/people/", {"login": "viewer", "password": PASSWORD, "next": "/people/"})
    assert (response.status_code, response.headers["Location"]) == (302, "/people/")
    assert client.get("/people/").status_code == 200


def test_the_page_asks_for_login_and_password_and_offers_no_sign_up(db: None) -> None:
    page = Client().get(LOGIN).content.decode()
    assert 'name="login"' in page
    assert 'name="password"' in page
    assert "signup" not in page
    assert "password/reset" not in page


def test_nobody_is_sent_to_another_site_after_signing_in(viewer: Person) -> None:
    response = Client().post(LOGIN, {"login": "viewer", "password": PASSWORD, "next": "https://evil.example/"})
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("username", "password"), [("viewer", "wrong"), ("nobody", PASSWORD), ("viewer", ""), ("", "")]
)
def test_a_wrong_name_or_password_is_refused_alike(viewer: Person, username: str, password: str) -> None:
    client = Client()
    assert log_in(client, password, username) == 200
    assert client.get("/people/").status_code == 302


def test_guessing_is_slowed_down(viewer: Person) -> None:
    client = Client()
    for _ in range(5):
        log_in(client, "wrong guess")
    response = client.post(LOGIN, {"login": "viewer", "password": PASSWORD})
    assert response.status_code == 200
    assert "Too many failed login attempts" in response.content.decode()
    assert client.get("/people/").status_code == 302


def test_the_session_is_another_after_signing_in(viewer: Person) -> None:
    client = Client()
    client.get(LOGIN)
    before = client.session.session_key
    log_in(client)
    assert client.session.session_key != before


def test_signing_out_takes_a_post(viewer: Person, browser: Browser) -> None:
    client = browser(viewer)
    assert client.get("/accounts/logout/").status_code == 200
    assert client.get("/people/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/people/").status_code == 302


def test_who_is_disabled_is_out_at_the_next_request_everywhere(viewer: Person, browser: Browser) -> None:
    here, there = browser(viewer), browser(viewer)
    assert here.get("/people/").status_code == there.get("/people/").status_code == 200
    grants.disable(viewer)
    assert here.get("/people/").headers["Location"].startswith(LOGIN)
    assert there.get("/people/", headers={"HX-Request": "true"}).status_code == 204
    again = Client()
    response = again.post(LOGIN, {"login": "viewer", "password": PASSWORD})
    assert response.headers["Location"] == "/accounts/inactive/"
    assert "disabled" in again.get("/accounts/inactive/").content.decode()
    assert again.get("/people/").status_code == 302


def test_a_revoked_role_is_gone_at_the_next_request(viewer: Person, browser: Browser) -> None:
    client = browser(viewer)
    assert client.get("/people/").status_code == 200
    grants.revoke(viewer, Role.VIEWER)
    assert client.get("/people/").status_code == 403


def test_changing_the_password_asks_for_the_old_one_and_a_good_new_one(viewer: Person, browser: Browser) -> None:
    client = browser(viewer)
    url = "/accounts/password/change/"
    new = "another long sentence"
    assert client.post(url, {"oldpassword": "wrong", "password1": new, "password2": new}).status_code == 200
    assert client.post(url, {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}).status_code == 200
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)
    assert client.post(url, {"oldpassword": PASSWORD, "password1": new, "password2": new}).status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password(new)


def test_ones_own_page_shows_roles_and_sessions(viewer: Person, browser: Browser) -> None:
    client = Client(headers={"user-agent": "Old Browser"})
    log_in(client)
    page = browser(viewer).get("/people/me/").content.decode()
    assert "Viewer" in page
    assert "Old Browser" in page


def test_a_stranger_has_a_page_of_their_own_and_learns_what_to_do(stranger: Person, browser: Browser) -> None:
    response = browser(stranger).get("/people/me/")
    assert response.status_code == 200
    assert "You hold no role yet" in response.content.decode()


@pytest.mark.parametrize("url", ["/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/", "/accounts/sessions/",
                                 "/accounts/password/change/", "/accounts/logout/", "/accounts/reauthenticate/"])  # fmt: skip
def test_every_page_of_the_account_stands_in_the_portals_frame(viewer: Person, url: str) -> None:
    client = Client()
    log_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get(url).content.decode()
    assert 'class="brand"' in page
    assert "<h1>" in page


def test_the_list_of_people_shows_roles_and_how_to_reach_them(
    viewer: Person, person: MakePerson, browser: Browser
) -> None:
    person("ann", ["dba"], tier_slug="staging", display_name="<b>Ann</b>", phone="+49 30 1", chat="@ann")
    page = browser(viewer).get("/people/").content.decode()
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert "DBA · staging" in page
    assert 'href="tel:+49%2030%201"' in page


def test_without_redis_nobody_signs_in_and_who_is_in_goes_on(
    viewer: Person, browser: Browser, settings: Settings
) -> None:
    inside = browser(viewer)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/1"}}
    response = Client().post(LOGIN, {"login": "viewer", "password": PASSWORD})
    assert response.status_code == 503
    assert "Signing in is closed" in response.content.decode()
    assert "_auth_user_id" not in response.client.session
    assert inside.get("/people/").status_code == 200
