"""The page of the portal says how the portal itself does, judged by the reader: also while nobody polls."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from apps.accounts.models import Person
from apps.lab.layout import free_ports
from apps.ledger.models import Finding
from apps.metrics import inward, lives
from apps.metrics.models import Node, NodeStatus, ProcessRun, Slot, Threshold, Tier
from apps.metrics.poll import slot_of
from tests.people import Browser

PAGE = "/portal/"


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier that is polled at this moment, with worker and beat alive."""
    made, now = Tier.objects.create(slug="lab", name="Lab"), datetime.now(UTC)
    node = Node.objects.create(tier=made, name="it", kind="redis", address="redis://127.0.0.1")
    NodeStatus.objects.create(node=node, slot=now, up=True, since=now, duration_seconds=0.01)
    for name in (lives.WORKER, lives.BEAT):
        ProcessRun.objects.create(name=name, host="h", pid=1, started_at=now, seen_at=now)
    return made


@pytest.fixture
def viewing(tier: Tier, viewer: Person, browser: Browser) -> Client:
    return browser(viewer)


def text(client: Client, url: str = PAGE) -> str:
    return " ".join(client.get(url).content.decode().split())


def of(page: str, check: str) -> str:
    """The row of a check."""
    return page.partition(f'<tr id="check-{check}">')[2].partition("</tr>")[0]


def test_a_portal_that_works_says_so_with_every_part_and_its_evidence(viewing: Client) -> None:
    page = text(viewing)
    assert "<h1>The portal works: every tier was polled in time" in page
    assert "state-pass" in of(page, "portal.beat")
    assert "fails above 12" in of(page, "portal.worker")
    assert "queue_waiting" in of(page, "portal.queue_depth"), "the raw row"
    assert "The whole database" in page
    assert "off: no address to send spans to is set" in page


def test_a_poll_that_goes_on_at_this_moment_is_not_one_that_was_not_kept(tier: Tier) -> None:
    begun = slot_of(datetime.now(UTC)) + timedelta(hours=1)
    for seconds in (0, 50):
        Slot.objects.create(tier=tier, at=begun + timedelta(seconds=seconds))

    def unkept() -> int:
        return int(inward.judged(tier, None, begun + timedelta(seconds=52)).polls["unkept_slots"])

    assert unkept() == 0
    Slot.objects.create(tier=tier, at=begun + timedelta(seconds=40))
    assert unkept() == 1


def test_silence_is_an_alarm_without_any_poller(viewing: Client, tier: Tier) -> None:
    NodeStatus.objects.update(slot=datetime.now(UTC) - timedelta(minutes=3))
    assert "<h1>The portal is silent: worker and beat live, and no poll is kept.</h1>" in text(viewing)
    ProcessRun.objects.filter(name=lives.WORKER).update(seen_at=datetime.now(UTC) - timedelta(minutes=3))
    page = text(viewing)
    assert "<h1>The portal is silent: the worker is silent.</h1>" in page
    assert "start it, then read its log" in page
    for check in ("portal.silence", "portal.worker"):
        assert "state-fail" in of(page, check)
        assert "3 min" in of(page, check)
    assert "state-pass" in of(page, "portal.beat")


def test_what_is_not_known_is_said_instead_of_that_all_is_well(viewing: Client, settings: Settings) -> None:
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    page = text(viewing)
    assert "<h1>Every tier was polled in time; of queue, own queries and log lines nothing is known now: " in page
    assert "whether chunks are damaged is not known" in page


def test_what_the_ledger_was_found_to_be_is_said(viewing: Client) -> None:
    Finding.objects.create(at=datetime.now(UTC), said="The ledger is broken: <b>entry 3</b>")
    page = text(viewing)
    assert "The ledger is broken: &lt;b&gt;entry 3" in page
    assert "<b>entry 3" not in page


def test_thresholds_that_people_set_count_on_the_page_too(viewing: Client, tier: Tier, lead: Person) -> None:
    ProcessRun.objects.filter(name=lives.BEAT).update(seen_at=datetime.now(UTC) - timedelta(seconds=30))
    assert "state-fail" in of(text(viewing), "portal.beat")
    Threshold.objects.create(
        tier=tier, check_id="portal.beat", fail=60, reason="slow disk", by=lead, at=datetime.now(UTC)
    )
    assert "state-pass" in of(text(viewing), "portal.beat")


def test_links_lead_on_and_logs_are_offered_to_those_who_may_see_them(
    viewing: Client, dba: Person, browser: Browser
) -> None:
    assert "/portal/logs/" not in text(viewing)
    page = text(browser(dba))
    for url in ("/portal/logs/", "/portal/queries/", "/batches/", "/alerts/"):
        assert f'href="{url}"' in page
    assert page.count('<a href="/portal/" aria-current="page">') == 2, "one line in each rail"


def test_an_open_page_hears_of_news_only(viewing: Client, tier: Tier) -> None:
    page = text(viewing)
    version = page.partition("version=")[2].partition('"')[0]
    url, htmx = f"{PAGE}?tier=lab&version={version}", {"HX-Request": "true"}
    assert viewing.get(url, headers=htmx).status_code == 204
    ProcessRun.objects.filter(name=lives.BEAT).delete()
    assert viewing.get(url, headers=htmx).status_code == 200


def test_few_statements_bring_the_page(viewing: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    viewing.get(PAGE)
    with django_assert_max_num_queries(12):
        viewing.get(PAGE)


def test_a_stranger_sees_nothing_of_it(tier: Tier, stranger: Person, browser: Browser) -> None:
    assert browser(stranger).get(PAGE).status_code == 403
