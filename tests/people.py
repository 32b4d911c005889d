"""The cast: one person for every role, a stranger without any, and browsers in which they are logged in.

    def test_only_qa_ticks(qa, viewer, browser):
        assert browser(qa).post(url).status_code == 200
        assert browser(viewer).post(url).status_code == 403

`tests/conftest.py` loads this module as a plugin. Everybody's password is `PASSWORD`.
"""

from collections.abc import Callable, Iterable, Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client, override_settings
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

from apps.accounts.models import Person, RoleGrant
from apps.accounts.roles import EVERY_TIER, Role

PASSWORD = "correct horse battery staple"


class OneRound(PBKDF2PasswordHasher):
    """Tests log in often and have nothing to protect."""

    iterations = 1


_HASHED = OneRound().encode(PASSWORD, "salt-salt-salt-salt-salt")

MakePerson = Callable[..., Person]
Browser = Callable[[Person], Client]


def make_person(username: str, roles: Iterable[Role] = (), tier_slug: str = EVERY_TIER, **contact: str) -> Person:
    """A person with these roles on one tier, or on every tier."""
    contact.setdefault("display_name", username.replace("-", " ").title())
    person = Person.objects.create(username=username, password=_HASHED, **contact)
    RoleGrant.objects.bulk_create(RoleGrant(person=person, role=role, tier_slug=tier_slug) for role in roles)
    return person


def log_in(person: Person) -> Client:
    """A browser in which the person is logged in."""
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Passwords are hashed once, not a million times."""
    with override_settings(PASSWORD_HASHERS=["tests.people.OneRound"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def known_static_files() -> Iterator[None]:
    """Each browser has an application of its own, as Django's test client does it; what lies in `static` they need not all look up."""
    look, found = WhiteNoiseMiddleware.add_files_from_finders, dict[str, object]()

    def add_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_once)
        yield


@pytest.fixture
def stored(request: pytest.FixtureRequest) -> None:
    """The database, as the test wants it: with real commits if it asks for `transactional_db`, else rolled back."""
    request.getfixturevalue("transactional_db" if "transactional_db" in request.fixturenames else "db")


@pytest.fixture
def person(stored: None) -> MakePerson:
    """Makes people: `person("ann", [Role.DBA], tier_slug="staging", phone="+49 …")`."""
    return make_person


@pytest.fixture
def browser(stored: None) -> Browser:
    """Makes logged-in browsers: `browser(qa).get(url)`."""
    return log_in


@pytest.fixture
def cast(stored: None) -> dict[Role, Person]:
    """Everybody at once, by role."""
    return {role: make_person(role.value, [role]) for role in Role}


def _one_of_the_cast(role: Role | None) -> Callable[..., Person]:
    name = role.value if role else "stranger"

    @pytest.fixture(name=name.replace("-", "_"))
    def somebody(stored: None) -> Person:
        return make_person(name, [role] if role else [])

    somebody.__doc__ = f"The {role.label}." if role else "Somebody who may log in and holds no role."
    return somebody


viewer = _one_of_the_cast(Role.VIEWER)
on_call = _one_of_the_cast(Role.ON_CALL)
qa = _one_of_the_cast(Role.QA)
devops = _one_of_the_cast(Role.DEVOPS)
dba = _one_of_the_cast(Role.DBA)
backend = _one_of_the_cast(Role.BACKEND)
support = _one_of_the_cast(Role.SUPPORT)
lead = _one_of_the_cast(Role.LEAD)
vp = _one_of_the_cast(Role.VP)
cto = _one_of_the_cast(Role.CTO)
product = _one_of_the_cast(Role.PRODUCT)
stranger = _one_of_the_cast(None)
