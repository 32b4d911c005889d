"""Second factors: enrolled on the portal's pages, on the record, and asked for where somebody confirms who they are."""

import io
import json
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError, call_command
from django.http import HttpRequest
from django.test import Client, RequestFactory

from apps.accounts.assertion import to_text
from apps.accounts.factors import use_code
from apps.accounts.models import Person
from apps.accounts.recent import ATTEMPTS, TooManyAttempts, WrongPassword, recently_confirmed, require_password
from apps.ledger.models import Entry
from tests.authenticator import Passkey, challenge_in
from tests.people import PASSWORD, Browser

SECRET = generate_totp_secret()


def code(step: int = 0, secret: str = SECRET) -> str:
    """What the app shows now, or some steps of 30 s away."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


@pytest.fixture
def app(lead: Person) -> Authenticator:
    """The lead's authenticator app."""
    made: Authenticator = TOTP.activate(lead, SECRET).instance
    return made


def request_of(person: Person) -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = person
    request.session = SessionStore()
    return request


def sure(client: Client) -> Client:
    """The same browser after it confirmed the password."""
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    return client


def test_password_and_code_confirm_together_and_a_code_serves_once(lead: Person, app: Authenticator) -> None:
    used = code()
    request = request_of(lead)
    for wrong in ("", "000000" if used != "000000" else "111111", "not digits", "１２３４５６"):
        with pytest.raises(WrongPassword, match=r"Password or code is wrong\. Nothing was changed\."):
            require_password(request, PASSWORD, wrong)
    assert not recently_confirmed(request)
    require_password(request, PASSWORD, f"{used[:3]} {used[3:]}")
    assert recently_confirmed(request)
    with pytest.raises(WrongPassword):
        require_password(request_of(lead), PASSWORD, used)


def test_wrong_codes_count_like_wrong_passwords(lead: Person, app: Authenticator) -> None:
    for _ in range(ATTEMPTS - 1):
        with pytest.raises(WrongPassword):
            require_password(request_of(lead), PASSWORD, "x")
    with pytest.raises(TooManyAttempts):
        require_password(request_of(lead), PASSWORD, "x")
    with pytest.raises(TooManyAttempts):
        require_password(request_of(lead), PASSWORD, code())


def test_a_code_of_long_ago_or_of_nobody_is_none(lead: Person, dba: Person, app: Authenticator) -> None:
    assert not use_code(lead, code(-3))
    assert not use_code(dba, code())
    assert use_code(lead, code(-1))
    assert use_code(lead, code())
    assert not use_code(lead, code(-1))


def test_the_secret_of_an_app_is_stored_encrypted(app: Authenticator) -> None:
    assert SECRET not in json.dumps(app.data)


def test_a_passkey_is_enrolled_after_confirming_and_recorded_with_its_key(lead: Person, browser: Browser) -> None:
    client = browser(lead)
    assert client.get("/accounts/2fa/webauthn/add/")["Location"].startswith("/accounts/reauthenticate/")
    page = sure(client).get("/accounts/2fa/webauthn/add/")
    asked = page.context["js_data"]["creation_options"]
    assert asked["publicKey"]["rp"]["id"] == "localhost", "of OPSPORTAL_ORIGIN, not of the request"
    assert asked["publicKey"]["authenticatorSelection"]["userVerification"] == "required"
    key = Passkey()
    credential = key.enrolment(challenge_in(asked))
    assert client.post("/accounts/2fa/webauthn/add/", {"name": "Blue", "credential": credential}).status_code == 302
    entry = Entry.objects.get(kind="people.factor")
    assert entry.content["name"] == "Blue"
    assert to_text(key.public_key) == entry.content["public_key"]
    assert entry.sentence == "lead added a second factor: passkey “Blue”."
    made = Authenticator.objects.get(type="webauthn")
    assert client.post(f"/accounts/2fa/webauthn/keys/{made.pk}/remove/").status_code == 302
    assert Entry.objects.get(kind="people.factor-removed").content["public_key"] == entry.content["public_key"]


def test_an_app_is_enrolled_with_the_code_that_it_shows_and_recorded(lead: Person, browser: Browser) -> None:
    client, where = sure(browser(lead)), "/accounts/2fa/totp/activate/"
    secret = client.get(where).context["form"].secret
    assert client.post(where, {"code": "not a code"}).status_code == 200
    assert not Entry.objects.filter(kind="people.factor").exists()
    assert client.post(where, {"code": code(secret=secret)}).status_code == 302
    entry = Entry.objects.get(kind="people.factor")
    assert entry.content["what"] == "authenticator app"
    assert secret not in json.dumps(entry.content)
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert Entry.objects.filter(kind="people.factor-removed").count() == 1


def test_a_factor_that_cannot_be_recorded_is_not_enrolled(
    lead: Person, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sure(browser(lead))
    key = Passkey()
    asked = client.get("/accounts/2fa/webauthn/add/").context["js_data"]["creation_options"]
    credential = key.enrolment(challenge_in(asked))
    client.raise_request_exception = False
    monkeypatch.setattr("apps.ledger.kinds._kinds", {})
    assert client.post("/accounts/2fa/webauthn/add/", {"name": "Blue", "credential": credential}).status_code == 500
    assert not Authenticator.objects.exists()


def test_who_has_nothing_to_confirm_with_enrols_nothing(lead: Person, browser: Browser) -> None:
    Person.objects.filter(pk=lead.pk).update(password="!unusable")
    client = browser(Person.objects.get(pk=lead.pk))
    for where in ("webauthn/add/", "totp/activate/"):
        answer = client.get(f"/accounts/2fa/{where}")
        assert answer.status_code == 403
        assert "manage.py people password lead" in answer.content.decode()


def test_what_was_lost_is_taken_away_on_the_host_and_recorded(lead: Person, app: Authenticator) -> None:
    Passkey().enrol(lead, "Blue")
    call_command("people", "unenrol", "lead", stdout=io.StringIO())
    assert not Authenticator.objects.exists()
    assert Entry.objects.latest("seq").sentence == (
        "system removed lead's second factors (authenticator app TOTP Authenticator, passkey Blue); their sessions ended."
    )
    assert not Entry.objects.filter(kind="people.factor-removed").exists(), "lead did not do it"
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("people", "unenrol", "lead")
