"""What every test may ask for: the database, the real tier, faults that heal by themselves, waiting with a deadline."""

import time
from collections.abc import Callable, Iterator
from os import environ

import pytest
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from apps.lab import faults
from apps.lab.layout import Layout
from apps.lab.tier import Lab
from apps.metrics.histories import history
from apps.metrics.poll import collector, forget
from tests import database
from tests.plugin import LAB

pytest_plugins = ["tests.diagnosis", "tests.people", "tests.receivers", "tests.watch"]

# A busy machine draws examples slowly, which says nothing of the code; every example is still judged. The examples are the same in
# each run, so that a change is judged by what it changed; `make search` looks for new ones.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("house"), derandomize=False, max_examples=3000)
settings.load_profile(environ.get("HYPOTHESIS_PROFILE", "house"))

ROWS = 100_000
Until = Callable[..., object]
Inject = Callable[[str], object]


@pytest.fixture(scope="session")
def layout(request: pytest.FixtureRequest) -> Layout:
    """Where everything of the tests' lab is; its store runs, its tier only when `lab` is asked for."""
    return request.config.stash[LAB].layout


@pytest.fixture(scope="session")
def django_db_setup(  # replaces pytest-django's: the login that serves may neither create a database nor migrate it
    layout: Layout,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    django_db_createdb: bool,
) -> Iterator[None]:
    """The migrated, empty database of the tests, used as `opsportal_app`."""
    with django_db_blocker.unblock():
        database.make(layout, keep=django_db_keepdb and not django_db_createdb)
    yield
    if collector.cache_info().currsize:
        collector().close()
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            database.drop(layout)


@pytest.fixture
def _django_db_helper(
    request: pytest.FixtureRequest, layout: Layout, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Behind `db`, `transactional_db` and `live_server`: what a test wrote is gone afterwards.

    `db` rolls back, as pytest-django does. Where commits are real (other processes, a live server) pytest-django would TRUNCATE,
    which the serving login must not be able to; the database is made again from a copy of the empty one instead.
    """
    if not _commits(request):
        request.getfixturevalue("_django_db_helper")
        yield
        return
    with django_db_blocker.unblock():
        database.remember_empty(layout)
        yield
        database.restore_empty(layout)
        forget()  # in the restored database the next tier and its series have the numbers of some that are gone
        history.cache_clear()


def _commits(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    asked = bool(marker and marker.kwargs.get("transaction"))
    return asked or bool({"transactional_db", "live_server"} & set(request.fixturenames))


@pytest.fixture(scope="session")
def portal_environment(layout: Layout) -> dict[str, str]:
    """Environment of a process of the portal (worker, beat, web) that works on the tests' database."""
    return database.environment(layout)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The whole real tier, started once: primary, two replicas, PgBouncer, Redis, proxy; about 100,000 messages."""
    lab = request.config.stash[LAB]
    lab.up(rows=ROWS)
    return lab


@pytest.fixture
def fault(lab: Lab) -> Iterator[Inject]:
    """Inject a fault by name, `fault("stop-replica-1")`; after the test every fault is healed and the tier whole again."""
    yield lambda name: faults.inject(lab.servers, name)
    faults.heal_all(lab.servers)


@pytest.fixture(scope="session")
def until() -> Until:
    """`until(condition, seconds)`: poll a condition; its first true value, or a failed test after `seconds` (10 by default)."""

    def poll(condition: Callable[[], object], seconds: float = 10, pause: float = 0.05) -> object:
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                pytest.fail(f"not within {seconds} s; it says {value!r}")
            time.sleep(pause)

    return poll
