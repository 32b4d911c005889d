"""The password again before a signature: right, wrong, too often wrong."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.recent import ATTEMPTS, TooManyAttempts, WrongPassword, recently_confirmed, require_password
from tests.people import PASSWORD


def request_of(person: Person) -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = person
    request.session = SessionStore()
    return request


def test_the_right_password_counts_for_five_minutes_in_this_session_only(lead: Person) -> None:
    request = request_of(lead)
    assert not recently_confirmed(request)
    require_password(request, PASSWORD)
    assert recently_confirmed(request)
    assert not recently_confirmed(request, timedelta(seconds=-1))
    assert not recently_confirmed(request_of(lead))
    request.session["password_confirmed_at"] -= 301
    assert not recently_confirmed(request)


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " ", "x" * 5000, "\x00"])
def test_a_wrong_one_is_refused_in_words_that_can_be_shown(lead: Person, password: str) -> None:
    request = request_of(lead)
    with pytest.raises(WrongPassword, match=r"not your password\. Nothing was changed\. 4 attempts are left"):
        require_password(request, password)
    assert not recently_confirmed(request)


def test_after_five_wrong_ones_even_the_right_one_is_refused_for_a_while_from_any_session(lead: Person) -> None:
    for _ in range(ATTEMPTS - 1):
        with pytest.raises(WrongPassword):
            require_password(request_of(lead), "wrong")
    with pytest.raises(TooManyAttempts, match="try again in 5 minutes"):
        require_password(request_of(lead), "wrong")
    request = request_of(lead)
    with pytest.raises(TooManyAttempts):
        require_password(request, PASSWORD)
    assert not recently_confirmed(request)
    Person.objects.filter(pk=lead.pk).update(password_locked_until=timezone.now() - timedelta(seconds=1))
    require_password(request, PASSWORD)
    assert recently_confirmed(request)


def test_the_right_password_forgives_the_wrong_ones_before(lead: Person) -> None:
    for _ in range(3):
        for _ in range(ATTEMPTS - 1):
            with pytest.raises(WrongPassword):
                require_password(request_of(lead), "wrong")
        require_password(request_of(lead), PASSWORD)


def test_who_was_disabled_meanwhile_confirms_nothing(lead: Person) -> None:
    Person.objects.filter(pk=lead.pk).update(is_active=False)
    with pytest.raises(WrongPassword):
        require_password(request_of(lead), PASSWORD)
