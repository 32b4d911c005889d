"""The partitions page in words and tables."""

import csv

from apps.accounts.models import Person
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/partitions/"


def test_the_page_lists_partitions_and_what_is_not_partitioned(watch: Watch, browser: Browser, viewer: Person) -> None:
    page = browser(viewer).get(PAGE).content.decode()
    assert page.partition("<h1>")[2].startswith("1 table is partitioned; the next partitions are there for ")
    tables = list(csv.DictReader(browser(viewer).get(PAGE + "tables/tables.csv").content.decode().splitlines()))
    how = {row["object"]: row["how"] for row in tables}
    assert how["public.message_queue"] == "RANGE (created_at), weekly"
    assert how["public.conversation_message"] == "not partitioned"
    parts = list(csv.DictReader(browser(viewer).get(PAGE + "tables/partitions.csv").content.decode().splitlines()))
    assert sum(row["flags"] == "current" for row in parts) == 1
    assert sum(row["flags"] == "default" for row in parts) == 1


def test_strangers_see_nothing(watch: Watch, browser: Browser, stranger: Person) -> None:
    assert browser(stranger).get(PAGE).status_code == 404
