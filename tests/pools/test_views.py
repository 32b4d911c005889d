"""The pools page as people see it."""

import csv
import io
from datetime import timedelta

from django.utils.html import strip_tags

from apps.accounts.models import Person
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/pools/"


def seen(browser: Browser, person: Person, url: str = PAGE) -> str:
    response = browser(person).get(url)
    assert response.status_code == 200
    return " ".join(strip_tags(response.content.decode()).split()).replace("\xa0", " ")


def test_a_viewer_reads_the_verdict_first(watch: Watch, viewer: Person, browser: Browser, fault: Inject) -> None:
    assert "lab-pgbouncer does not answer" not in seen(browser, viewer)
    fault("stop-pgbouncer")
    watch.poll()
    assert "lab-pgbouncer does not answer: nobody reaches the database through it." in seen(browser, viewer)


def test_a_full_pool_is_told_in_words_and_in_the_table(
    watch: Watch, viewer: Person, browser: Browser, fault: Inject
) -> None:
    fault("exhaust-pool")
    watch.poll()
    text = seen(browser, viewer)
    assert "Pool messaging/app has 20 of 20 servers in use; 15 clients wait." in text
    table = browser(viewer).get(f"{PAGE}tables/pools.csv").content.decode()
    (row,) = (row for row in csv.DictReader(io.StringIO(table)) if "messaging/app" in row.values())
    assert "15" in row.values()


def test_a_held_server_is_told_with_its_time(watch: Watch, viewer: Person, browser: Browser, fault: Inject) -> None:
    fault("leak-connection")
    watch.poll()
    watch.poll(after=timedelta(seconds=70))
    assert "A client of messaging/app has kept a server for 1 min 10 s without using it." in seen(browser, viewer)


def test_each_check_is_on_the_page_with_its_source(watch: Watch, viewer: Person, browser: Browser) -> None:
    text = seen(browser, viewer)
    assert "Pool utilisation" in text
    assert "SHOW POOLS" in text
