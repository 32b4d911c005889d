"""The queries page of a tier under watch: its tables as files, for those who may see them."""

import csv
import json

import psycopg

from apps.accounts.models import Person
from apps.lab.layout import Layout, Node
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/queries/"


def test_the_page_says_how_queries_are_and_why_we_know(watch: Watch, browser: Browser, viewer: Person) -> None:
    watch.poll(2)
    page = browser(viewer).get(PAGE)
    assert page.status_code == 200
    text = page.content.decode()
    heading = text.partition("<h1>")[2].partition("</h1>")[0]
    assert "lab-primary" in heading
    assert "pg_stat_statements(false)" in text, "the question behind a figure is on the page"
    assert "Longest transaction" in text


def test_statements_as_files(watch: Watch, browser: Browser, viewer: Person) -> None:
    watch.poll()
    rows = list(
        csv.DictReader(browser(viewer).get(PAGE + "tables/statements.csv").content.decode("utf-8-sig").splitlines())
    )
    assert {"node", "query", "calls (count)", "mean_ms (ms)"} <= rows[0].keys()
    document = json.loads(browser(viewer).get(PAGE + "tables/statements.json").content)
    assert any(row["query"] == "(all statements)" for row in document["rows"])


def test_a_percentile_of_means_is_called_one(watch: Watch, layout: Layout, browser: Browser, viewer: Person) -> None:
    watch.poll()
    with psycopg.connect(layout.dsn(Node.PRIMARY, "app"), autocommit=True) as application:
        for _ in range(20):
            application.execute("SELECT count(*) FROM api_key")
    watch.poll()
    heading = browser(viewer).get(PAGE).content.decode().partition("<h1>")[2].partition("</h1>")[0]
    assert "counted at their statement’s mean, 95 % of the" in heading


def test_after_one_poll_nobody_knows_what_ran(watch: Watch, browser: Browser, viewer: Person) -> None:
    heading = browser(viewer).get(PAGE).content.decode().partition("<h1>")[2].partition("</h1>")[0]
    assert "of its queries nothing was measured since the poll before" in heading


def test_what_rests_at_present_is_listed_by_its_total_time(watch: Watch, browser: Browser, viewer: Person) -> None:
    watch.poll(3)
    assert "Total time" in browser(viewer).get(PAGE).content.decode()
    text = browser(viewer).get(PAGE + "tables/statements.csv").content.decode("utf-8-sig")
    resting = [
        float(row["total_ms (ms)"]) for row in csv.DictReader(text.splitlines()) if row["recent_calls (count)"] == "0"
    ]
    assert len(resting) > 3
    assert resting == sorted(resting, reverse=True)


def test_strangers_see_nothing(watch: Watch, browser: Browser, stranger: Person) -> None:
    assert browser(stranger).get(PAGE).status_code == 404
    assert browser(stranger).get(PAGE + "tables/statements.csv").status_code == 404


def test_a_table_that_does_not_exist(watch: Watch, browser: Browser, viewer: Person) -> None:
    assert browser(viewer).get(PAGE + "tables/nonsense.csv").status_code == 404
    assert browser(viewer).get(PAGE + "tables/statements.exe").status_code == 404
