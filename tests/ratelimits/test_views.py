"""The rate limits page as people see it."""

import pytest
from django.utils.html import strip_tags
from redis import Redis

from apps.accounts.models import Person
from apps.lab.layout import Layout, Node
from apps.ratelimits.limiter import Limiter, Tier
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/ratelimits/"


@pytest.fixture
def limiter(layout: Layout, lab: object) -> Limiter:
    """A limiter on the watched Redis."""
    return Limiter(Redis.from_url(layout.redis_url(Node.REDIS, "app", direct=True), socket_timeout=10))


def seen(browser: Browser, person: Person) -> str:
    response = browser(person).get(PAGE)
    assert response.status_code == 200
    return " ".join(strip_tags(response.content.decode()).split()).replace("\xa0", " ")


def test_support_reads_who_is_refused_and_finds_the_key(
    watch: Watch, limiter: Limiter, support: Person, browser: Browser
) -> None:
    for _ in range(24):
        limiter.take("test-page", Tier.FREE)
    watch.poll()
    text = seen(browser, support)
    assert "50 % of the requests are refused, most of all in the tier Free (50 %)." in text
    assert "test-page" in text


def test_a_key_near_its_limit_is_announced(watch: Watch, limiter: Limiter, support: Person, browser: Browser) -> None:
    for _ in range(9):
        limiter.take("test-near", Tier.FREE)
    watch.poll()
    text = seen(browser, support)
    assert "No request is refused" in text
    assert "near" in text
