"""Django's sessions, whose row comes together with the person it was opened for and their roles: one statement instead of three.

`settings.SESSION_ENGINE` names this module. A session's content is signed and says itself whose it is; the store cannot read it. So this
process remembers for whom a session was opened when it last saw it, and asks for that person's row along with the session's. The
memory only chooses which row to fetch: what the session says and what the rows say now decides, at every request.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.db import connection
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.accounts.statements import first

SQL = Path(__file__).parent / "sql"
MOST = 4096  # sessions whose person a process remembers

_persons: OrderedDict[str, int] = OrderedDict()
_lock = Lock()


class SessionStore(db.SessionStore):
    """A session and, once it was loaded, the person's row that came with it."""

    beside: Any = None
    _person: Person | None = None

    def load(self) -> dict[str, Any]:
        """The content of the session; empty, and no session any more, where it has ended or never was."""
        return self.ask()

    def ask(self, beside: str = "NULL", **parameters: Any) -> dict[str, Any]:
        """Load the session. `beside`: one more value to ask in the same statement, kept in `self.beside`; SQL of ours, never a user's."""
        key = self.session_key or ""
        asked = parameters | {"key": key, "person": _persons.get(key), "now": timezone.now()}
        row = first(_statement(beside), asked)
        if row is None:
            self._session_key = None
            self._session_cache: dict[str, Any] = {}
            return self._session_cache
        data, self.beside, grants, *values = row
        self._person = _person_of(values, grants or ())
        self._session_cache = self.decode(data)
        return self._session_cache

    def opened_for(self) -> Person | None:
        """The person, where everything that Django asks of a session holds; None wherever there is anything else to decide.

        Whoever gets None asks Django (`auth.get_user`), which refuses, ends a session, or finds the person by itself.
        """
        whose, person = self.get(SESSION_KEY), self._person  # in this order: the person comes with the session
        if person is None or whose != str(person.pk):
            return None
        path = self.get(BACKEND_SESSION_KEY)
        backend = load_backend(path) if path in settings.AUTHENTICATION_BACKENDS else None
        if not isinstance(backend, ModelBackend) or not backend.user_can_authenticate(person):
            return None
        opened_with = self.get(HASH_SESSION_KEY) or ""
        return person if constant_time_compare(opened_with, person.get_session_auth_hash()) else None

    def remember(self, person_id: int) -> None:
        """Remember for whom this session was opened."""
        if self.session_key is None:
            return
        with _lock:
            _persons[self.session_key] = person_id
            _persons.move_to_end(self.session_key)
            while len(_persons) > MOST:
                _persons.popitem(last=False)


def _person_of(values: Sequence[Any], grants: Sequence[Sequence[str]]) -> Person | None:
    if values[0] is None:
        return None
    found = Person.from_db(connection.alias, [field.attname for field in _fields()], values)
    found.held = tuple((Role(role), slug) for role, slug in grants)
    return found


@cache
def _fields() -> tuple[Any, ...]:
    """The person's columns in the order in which Django makes a Person of them, which begins with its key."""
    return tuple(Person._meta.concrete_fields)  # noqa: SLF001  Django's documented way to a model's fields


@cache
def _statement(beside: str) -> str:
    columns = ", ".join(f'p."{field.column}"' for field in _fields())
    text = (SQL / "asker.sql").read_text(encoding="utf-8")
    return text.replace("/*beside*/", beside).replace("/*person*/", columns)
