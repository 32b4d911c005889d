"""The cache page as people see it."""

from django.utils.html import strip_tags
from redis import Redis

from apps.accounts.models import Person
from apps.lab.layout import Layout, Node
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/cache/"


def seen(browser: Browser, person: Person) -> str:
    response = browser(person).get(PAGE)
    assert response.status_code == 200
    return " ".join(strip_tags(response.content.decode()).split()).replace("\xa0", " ")


def test_a_viewer_reads_the_verdict_first(watch: Watch, viewer: Person, browser: Browser, fault: Inject) -> None:
    assert "lab-redis does not answer" not in seen(browser, viewer)
    fault("stop-redis")
    watch.poll()
    assert "lab-redis does not answer: everything is loaded from the database." in seen(browser, viewer)


def test_the_namespaces_are_listed_with_what_they_saved(
    watch: Watch, layout: Layout, viewer: Person, browser: Browser
) -> None:
    with Redis.from_url(layout.redis_url(Node.REDIS, "lab", direct=True)) as client:
        client.hset("cache:stats:test-saver", mapping={"hits": 900, "misses": 100, "loads": 100, "load_us": 20_000_000})
        watch.poll()
        client.unlink("cache:stats:test-saver")
    text = seen(browser, viewer)
    assert "Saves the most" in text
    assert "test-saver, 3 min of loading" in text


def test_a_full_redis_is_told_in_words(watch: Watch, viewer: Person, browser: Browser, fault: Inject) -> None:
    fault("fill-redis")
    watch.poll()
    assert "Memory is" in seen(browser, viewer)
