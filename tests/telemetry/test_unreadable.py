"""Requests that no view could make sense of: each is refused on the portal's own page, whoever asks and whatever for."""

import httpx
import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import Person
from apps.metrics.models import Tier
from tests.people import PASSWORD, Browser

NULL = "There is a null character in"
FORM = "application/x-www-form-urlencoded; charset="


@pytest.fixture
def tier(db: None) -> Tier:
    return Tier.objects.create(slug="lab", name="Lab")


@pytest.mark.parametrize(
    "address",
    [
        "/?tier=%00",
        "/ledger/?tier=%00",
        "/alerts/?tier=a%00b",
        "/people/?tier=%00",
        "/portal/?tier=%00",
        "/metrics/pool?tier=%00",
        "/t/lab/checks/%00/",
        "/nowhere/%00/",
        "/?%00=1",
        "/accounts/login/?next=%00",
    ],
)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_null_character_in_the_address_is_refused(
    tier: Tier, lead: Person, browser: Browser, address: str, htmx: bool
) -> None:
    headers = {"HX-Request": "true"} if htmx else {}
    for client in (browser(lead), Client()):
        answer = client.get(address, headers=headers)
        assert answer.status_code == 400
        assert NULL in answer.content.decode()
        assert "\0" not in answer.content.decode()
        assert "default-src" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Correlation-ID"]


@pytest.mark.parametrize("address", ["/health?tier=%00", "/health/detailed?tier=%00", "/metrics/pool?tier=%00"])
def test_machines_are_refused_too(tier: Tier, address: str) -> None:
    assert Client().get(address).status_code == 400


def test_nothing_is_changed_at_an_address_with_a_null_character(tier: Tier, lead: Person, browser: Browser) -> None:
    answer = browser(lead).post("/t/lab/checks/%00/1/revert/")
    assert (answer.status_code, NULL in answer.content.decode()) == (400, True)


def test_a_null_character_in_a_cookie_is_refused(db: None) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "\0" * 32
    answer = client.get("/")
    assert (answer.status_code, NULL in answer.content.decode()) == (400, True)


def test_forms_refuse_null_characters_themselves(db: None) -> None:
    answer = Client().post("/accounts/login/", {"login": "ann\0", "password": PASSWORD})
    assert answer.status_code == 200
    assert "Null characters are not allowed" in answer.content.decode()


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "nonsense"])
@pytest.mark.parametrize("checked", [False, True], ids=["form", "form-with-token-checked"])
def test_text_that_is_not_utf_8_is_refused(db: None, lead: Person, charset: str, checked: bool) -> None:
    client = Client(enforce_csrf_checks=checked)
    client.force_login(lead, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.generic("POST", "/accounts/login/", b"login=ann", FORM + charset)
    assert answer.status_code == 415
    assert f"in {charset}; the portal reads UTF-8 only" in answer.content.decode()


def test_an_address_that_claims_to_be_in_another_charset_is_refused_where_it_is_served(transactional_db: None) -> None:
    from opsportal.wsgi import application  # noqa: PLC0415  wants settings that are configured

    with httpx.Client(transport=httpx.WSGITransport(app=application), base_url="http://localhost") as client:
        for charset, status in {"utf-16": 415, "base64": 415, "punycode": 415, "utf-8": 200}.items():
            answer = client.get("/healthz?of=x", headers={"Content-Type": f"text/plain; charset={charset}"})
            assert answer.status_code == status, charset


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8"])
def test_utf_8_is_read_however_it_is_spelled(db: None, charset: str) -> None:
    answer = Client().generic("POST", "/accounts/login/", b"login=%C3%A4nn&password=x", FORM + charset)
    assert answer.status_code == 200
    assert "änn" in answer.content.decode()
