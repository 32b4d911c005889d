"""A statement's page and the comparison of two windows, over a tier that was really polled."""

import csv
import re
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab.layout import Layout, Node
from apps.queries.history import EVERY
from apps.queries.models import Statement
from apps.queries.tasks import keep_texts
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/queries/"
QUERY = "SELECT count(*) AS looked_at FROM api_key WHERE tier = %s"


def minutes(watch: Watch, layout: Layout, *calls: int) -> None:
    """Minutes in which the application asks so many times."""
    with psycopg.connect(layout.dsn(Node.PRIMARY, "app"), autocommit=True) as application:
        for times in calls:
            for _ in range(times):
                application.execute(QUERY, ["Pro"])
            watch.poll(after=EVERY)


@pytest.fixture
def statement(watch: Watch, layout: Layout) -> str:
    """The id of a statement whose history has a few minutes."""
    minutes(watch, layout, 5, 60, 60, 60)
    keep_texts()
    return str(Statement.objects.get(text__contains="looked_at").queryid)


def window(watch: Watch) -> str:
    """The minutes just polled; slots run ahead of the clock."""
    start, end = watch.slot - timedelta(minutes=4), watch.slot + timedelta(seconds=10)
    return f"from={start:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def later(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the pages' clock stand where the slots have run ahead to."""
    return lambda: monkeypatch.setattr("django.utils.timezone.now", lambda: watch.slot + timedelta(seconds=10))


def test_a_statements_page_tells_its_course(
    watch: Watch, statement: str, browser: Browser, viewer: Person, later: Callable[[], None]
) -> None:
    later()
    person = browser(viewer)
    board = person.get(PAGE).content.decode()
    assert f'href="{statement}/"' in board, "the board leads there"
    page = person.get(f"{PAGE}{statement}/?range=1h").content.decode()
    assert "SELECT count(*) AS looked_at FROM api_key WHERE tier = $1" in page
    assert "lab-primary" in page
    assert "PostgreSQL keeps no percentiles" in page
    points = re.findall(r'chart-grain">Each point is (.*?), from', page)
    assert points[:5] == [
        "the average of 1\xa0min",
        "the mean of all calls within 1\xa0min",
        "the share within 1\xa0min",
        "the average of 1\xa0min",
        "the mean of all calls within 1\xa0min",
    ]
    table = person.get(f"{PAGE}{statement}/tables/calls.csv?{window(watch)}").content.decode("utf-8-sig").splitlines()
    values = [
        float(row["value (/s)"]) for row in csv.DictReader(table) if row["node"] == "lab-primary" and row["value (/s)"]
    ]
    assert values
    assert all(value > 0 for value in values)


@pytest.mark.parametrize("chosen", ["1h", "24h"])
def test_a_minute_of_many_is_not_taken_for_all_of_them(
    watch: Watch, layout: Layout, browser: Browser, viewer: Person, later: Callable[[], None], chosen: str
) -> None:
    """Nor, where the steps of a range are longer, for all of its step."""
    minutes(watch, layout, 0, 0, 0, 0, 0, 5, 60)  # what it did before it was first listed is not known
    keep_texts()
    queryid = Statement.objects.get(text__contains="looked_at").queryid
    later()
    page = browser(viewer).get(f"{PAGE}{queryid}/?range={chosen}").context["page"]
    spent = next(one for one in page.spent if one.node == "lab-primary")
    assert spent.load <= spent.whole * 1.001, "no statement takes more time than all together"
    table = (
        browser(viewer).get(f"{PAGE}{queryid}/tables/calls.csv?range={chosen}").content.decode("utf-8-sig").splitlines()
    )
    told = [row["value (/s)"] for row in csv.DictReader(table) if row["node"] == "lab-primary"]
    busy = max(float(value) for value in told if value)
    assert 0 < spent.calls < busy / 3, "a second on average in the whole range"


def test_ids_that_are_none_and_statements_that_nobody_knows(watch: Watch, browser: Browser, viewer: Person) -> None:
    for wrong in ("1", "abc", "99999999999999999999", "-", "compare-"):
        assert browser(viewer).get(f"{PAGE}{wrong}/").status_code == 404
    assert browser(viewer).get(f"{PAGE}1/tables/nonsense.csv").status_code == 404


def test_a_text_is_data_on_every_page(watch: Watch, statement: str, browser: Browser, viewer: Person) -> None:
    Statement.objects.filter(queryid=statement).update(text="SELECT '<script>alert(1)</script>' =HYPERLINK")
    page = browser(viewer).get(f"{PAGE}{statement}/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_windows_without_data_are_refused(watch: Watch, browser: Browser, viewer: Person) -> None:
    query = (
        "a_from=2026-01-01T00:00:00Z&a_to=2026-01-01T01:00:00Z&b_from=2026-01-02T00:00:00Z&b_to=2026-01-02T01:00:00Z"
    )
    answer = browser(viewer).get(f"{PAGE}compare/?{query}")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "No statement was measured in the window “before”" in page
    assert 'name="a_from" id="a_from" required value="2026-01-01T00:00:00Z"' in page, (
        "what was asked for can be corrected"
    )
    assert "Last 15 minutes against the 15 before" in page, "another choice is one click away"
    assert browser(viewer).get(f"{PAGE}compare/?{query.replace('01-02', '01-01')}").status_code == 400


def test_strangers_see_neither(watch: Watch, browser: Browser, stranger: Person) -> None:
    assert browser(stranger).get(f"{PAGE}compare/").status_code == 404
    assert browser(stranger).get(f"{PAGE}1/").status_code == 404


def test_before_and_after(
    watch: Watch, layout: Layout, browser: Browser, viewer: Person, later: Callable[[], None]
) -> None:
    minutes(watch, layout, 5, 20, 20, 20)
    middle = watch.slot + timedelta(seconds=5)
    minutes(watch, layout, 200, 200, 200)
    keep_texts()
    later()
    moments = (middle - timedelta(minutes=3), middle, middle, middle + timedelta(minutes=3))
    query = "&".join(
        f"{name}={at:%Y-%m-%dT%H:%M:%SZ}"
        for name, at in zip(("a_from", "a_to", "b_from", "b_to"), moments, strict=True)
    )
    page = browser(viewer).get(f"{PAGE}compare/?{query}").content.decode().replace("\xa0", " ")
    assert re.search(r"<h1>.*Statements took .* a second before, .* after; ", page, re.DOTALL)
    table = browser(viewer).get(f"{PAGE}compare/?{query}&form=csv").content.decode("utf-8-sig").splitlines()
    row = next(row for row in csv.DictReader(table) if "looked_at" in row["text"])
    # Readings are as far apart as the clock says, slots as the schedule says: the ratio is what both have in common.
    assert float(row["calls_after"]) > 2 * float(row["calls_before"])
    assert row["kind"] == "both"


UNEVEN = "SELECT key_id AS looked_unevenly, pg_sleep(0.002 * length(%s)) FROM api_key LIMIT 2"


def test_the_band_is_a_deviation_to_either_side_of_the_mean_and_rows_are_not_calls(
    watch: Watch, layout: Layout, browser: Browser, viewer: Person
) -> None:
    with psycopg.connect(layout.dsn(Node.PRIMARY, "app"), autocommit=True) as application:
        for times in (1, 5, 5):
            for _ in range(times):
                application.execute(UNEVEN, ["x"])  # two rows, each after 2 ms
                application.execute(UNEVEN, ["xxxxxx"])  # or 12 ms
            watch.poll(after=EVERY)
    keep_texts()
    queryid = Statement.objects.get(text__contains="looked_unevenly").queryid

    def last(chart: str) -> dict[str, float]:
        series = browser(viewer).get(f"{PAGE}{queryid}/tables/{chart}.json?{window(watch)}").json()["series"]
        found = {one["metric"]: [v for v in one["values"] if v is not None] for one in series}
        return {metric: values[-1] for metric, values in found.items()}

    band = last("band")
    deviation = band["above"] - band["mean_of"]
    assert band["mean_of"] >= 14
    assert deviation >= 8, "half of the calls took twenty milliseconds longer than the others"
    assert band["mean_of"] - band["below"] == pytest.approx(min(deviation, band["mean_of"]))
    assert last("mean")["mean"] == pytest.approx(band["mean_of"])
    assert last("rows")["rows"] == pytest.approx(2 * last("calls")["calls"])
