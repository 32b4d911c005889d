"""A room's dashboard over a real poll: what stands on it, what refreshes, and that nothing stale looks well."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics.models import NodeStatus, Standing, Tier
from apps.metrics.poll import poll, slot_of
from apps.metrics.registry import checks_of
from tests.conftest import Inject
from tests.people import Browser, MakePerson

PAGE = "/t/lab/pools/"


@pytest.fixture
def tier(lab: Lab, db: None) -> Tier:
    """The lab, polled once just now."""
    tier = register(lab.layout)
    poll(tier, slot_of(timezone.now()))
    return tier


@pytest.fixture
def viewing(tier: Tier, browser: Browser, viewer: Person) -> Client:
    """A viewer's browser."""
    return browser(viewer)


def text(client: Client, url: str, **more: str) -> str:
    answer = client.get(url, headers=more)
    assert answer.status_code == 200
    return answer.content.decode()


def refresh_url(page: str) -> str:
    """The address that the live region asks next."""
    found = re.search(r'id="live" data-hx-get="([^"]+)"', page)
    assert found
    return found[1].replace("&amp;", "&")


def test_the_page_says_the_verdict_first_and_shows_every_check_with_its_evidence(viewing: Client) -> None:
    page = text(viewing, PAGE)
    heading = re.search(r"<h1>(.+?)</h1>", page)
    assert heading
    assert heading[1].endswith(".")
    assert (
        page.index("<h1>")
        < page.index('class="facts ')
        < page.index('class="charts"')
        < page.index('id="table-checks"')
    )
    for check in checks_of("pools"):
        assert f'id="check-{check.id}"' in page
    assert "SHOW POOLS" in page  # the question
    assert "&quot;max_connections&quot;: " in page  # the raw row


def test_charts_are_islands_that_a_script_in_a_name_cannot_leave(viewing: Client) -> None:
    page = text(viewing, PAGE)
    islands = re.findall(r'<script type="application/json" data-figure="([^"]+)">(.*?)</script>', page, re.DOTALL)
    assert islands
    assert re.search(r'class="chart-grain">Each point is the [^<]+, from single samples\.<', page), (
        "of which level it is"
    )
    for _chart, island in islands:
        assert json.loads(island)["layout"]["xaxis"]["type"] == "date"
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page


def test_a_refresh_without_news_is_204_and_after_a_poll_the_fragment(viewing: Client, tier: Tier) -> None:
    url = refresh_url(text(viewing, PAGE))
    unchanged = viewing.get(url, headers={"HX-Request": "true"})
    assert (unchanged.status_code, unchanged.content) == (204, b"")
    poll(tier, slot_of(timezone.now()) + timedelta(seconds=60))
    fragment = text(viewing, url, **{"HX-Request": "true"})
    assert "<html" not in fragment
    assert 'id="live"' in fragment
    assert '<nav id="rail" data-hx-swap-oob="innerHTML">' in fragment
    assert "<form" not in fragment
    assert refresh_url(fragment) != url


def test_when_polling_stops_nothing_stays_green_though_no_poll_says_so(viewing: Client) -> None:
    before = text(viewing, PAGE)
    assert "state-pass" in before
    Standing.objects.update(at=timezone.now() - timedelta(hours=1))
    NodeStatus.objects.update(slot=timezone.now() - timedelta(hours=1))
    after = viewing.get(refresh_url(before), headers={"HX-Request": "true"})
    assert after.status_code == 200
    page = after.content.decode()
    assert "Nothing has been measured since" in page
    assert "state-pass" not in page
    assert "no data" in page


def test_a_node_that_is_down_is_named_with_since_when_and_why(viewing: Client, tier: Tier, fault: Inject) -> None:
    fault("stop-pgbouncer")
    poll(tier, slot_of(timezone.now()) + timedelta(seconds=60))
    page = text(viewing, PAGE)
    notice = re.search(r'<p class="notice notice-error">(.*?)</p>', page, re.DOTALL)
    assert notice
    assert "lab-pgbouncer" in notice[1]
    assert "has not answered since" in notice[1]
    assert NodeStatus.objects.get(node__name="lab-pgbouncer").message in notice[1]


def test_the_range_is_in_the_address_and_in_the_next_refresh(viewing: Client) -> None:
    assert "range=24h" in refresh_url(text(viewing, f"{PAGE}?range=24h"))
    page = text(viewing, f"{PAGE}?from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z")
    assert "from=2026-03-01T10%3A00%3A00Z" in refresh_url(page)
    assert "Nothing was measured in this range." in page


@pytest.mark.parametrize("query", ["range=5y", "from=now", "from=2026-03-01T11:00:00Z&to=2026-03-01T10:00:00Z"])
def test_a_range_that_cannot_be_is_refused_in_words(viewing: Client, query: str) -> None:
    answer = viewing.get(f"{PAGE}?{query}")
    assert answer.status_code == 400
    assert "This request cannot be answered as it is" in answer.content.decode()


def test_every_table_and_chart_comes_as_csv_and_json(viewing: Client) -> None:
    page = text(viewing, PAGE)
    links = re.findall(r'href="(tables/[^"]+)" download', page)
    assert len(links) >= 6
    for link in links:
        answer = viewing.get(PAGE + link.replace("&amp;", "&"))
        assert answer.status_code == 200
        assert answer["Content-Disposition"].startswith("attachment; filename=")
    databases = json.loads(viewing.get(f"{PAGE}tables/databases.json").content)
    assert {row["name"] for row in databases["rows"]} >= {"messaging"}
    assert databases["units"]["pool_size"] == "count"
    head = viewing.get(f"{PAGE}tables/databases.csv").content.decode("utf-8-sig").splitlines()[0]
    assert head.startswith("node,at,name,host,port,pool_size (count)")


@pytest.mark.parametrize("name", ["tables/nothing.csv", "tables/databases.xml", "tables/../databases.csv"])
def test_other_names_are_not_found(viewing: Client, name: str) -> None:
    assert viewing.get(PAGE + name).status_code == 404


def test_a_tier_exists_only_for_those_with_a_role_on_it(tier: Tier, browser: Browser, person: MakePerson) -> None:
    elsewhere = browser(person("eve", [Role.DBA], tier_slug="staging"))
    for url in (PAGE, f"{PAGE}tables/databases.csv", "/t/nowhere/pools/"):
        assert elsewhere.get(url).status_code == 404
    assert "lab-pgbouncer" not in elsewhere.get(PAGE).content.decode()


def test_a_page_asks_the_store_few_questions(
    viewing: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(
        3 + 10
    ):  # session, person, grants; tiers, verdicts, nodes, mark, thresholds, answers, lines (2), marks, sparks
        text(viewing, PAGE)
    url = refresh_url(text(viewing, PAGE))
    with django_assert_max_num_queries(3 + 3):  # tiers, verdicts, nodes
        assert viewing.get(url, headers={"HX-Request": "true"}).status_code == 204
