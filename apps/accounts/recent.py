"""Asking again who it is before something that matters, such as a signature: password, and the one-time code of who enrolled one.

Wrong passwords are counted at the person, in the database: Redis may be gone and signing must go on, throttled.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.factors import has_codes, use_code
from apps.accounts.models import Person

RECENT = timedelta(minutes=5)
ATTEMPTS = 5
LOCKED_FOR = timedelta(minutes=5)
_SESSION_KEY = "password_confirmed_at"


@dataclass(frozen=True, slots=True)
class NotConfirmed(Exception):
    """The password was not confirmed and nothing may be done; `message` is for the person, ready to be shown."""

    message: str

    def __str__(self) -> str:
        return self.message


class WrongPassword(NotConfirmed):
    """The password is not theirs."""


class TooManyAttempts(NotConfirmed):
    """Too many wrong passwords; even the right one is refused for a while."""


def require_password(request: HttpRequest, password: str, code: str = "") -> None:
    """
    Confirm the password of the person who is logged in; call it before the transaction that it protects.

    `code`: the one-time code, which whoever enrolled an authenticator app gives with the password. After five wrong ones in a row
    the person can confirm nothing for five minutes, whatever session tries.

    Raises:
        WrongPassword: password or code is wrong or empty; says how many attempts are left.
        TooManyAttempts: says until when.
    """
    person = Person.objects.get(username=request.user.get_username())
    now = timezone.now()
    _refuse_while_locked(person, now)
    # Counted before it is compared, in one statement: attempts made at the same moment all count.
    tried = Person.objects.filter(pk=person.pk).filter(password_failures__lt=ATTEMPTS)
    if not tried.update(password_failures=F("password_failures") + 1):
        Person.objects.filter(pk=person.pk).update(password_failures=0, password_locked_until=now + LOCKED_FOR)
        person.refresh_from_db()
        _refuse_while_locked(person, now)
    coded = has_codes(person)
    right = bool(person.is_active and password and check_password(password, person.password))
    if right and (not coded or use_code(person, code)):
        Person.objects.filter(pk=person.pk).update(password_failures=0, password_locked_until=None)
        confirmed(request)
        return
    person.refresh_from_db()
    _wrong(person, now, coded)


def confirmed(request: HttpRequest) -> None:
    """Note that the person proved just now that it is them, by password or passkey."""
    request.session[_SESSION_KEY] = timezone.now().timestamp()


def recently_confirmed(request: HttpRequest, within: timedelta = RECENT) -> bool:
    """Whether this session confirmed its person within the time (5 minutes unless told)."""
    at = request.session.get(_SESSION_KEY)
    return isinstance(at, float) and 0 <= timezone.now().timestamp() - at <= within.total_seconds()


def _refuse_while_locked(person: Person, now: datetime) -> None:
    until = person.password_locked_until
    if until and until > now:
        minutes = max(1, round((until - now).total_seconds() / 60))
        raise TooManyAttempts(
            ngettext(
                "Too many wrong passwords. Nothing was changed. You can try again in %(minutes)d minute.",
                "Too many wrong passwords. Nothing was changed. You can try again in %(minutes)d minutes.",
                minutes,
            )
            % {"minutes": minutes}
        )


def _wrong(person: Person, now: datetime, coded: bool) -> None:
    left = ATTEMPTS - person.password_failures
    if left <= 0:
        until = now + LOCKED_FOR
        Person.objects.filter(pk=person.pk).update(password_failures=0, password_locked_until=until)
        person.password_locked_until = until
        _refuse_while_locked(person, now)
    attempts = ngettext("%(left)d attempt is left.", "%(left)d attempts are left.", left) % {"left": left}
    wrong = _("Password or code is wrong.") if coded else _("This is not your password.")
    raise WrongPassword(f"{wrong} {_('Nothing was changed.')} {attempts}")
