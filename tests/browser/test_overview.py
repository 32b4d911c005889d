"""The first page, for whoever is on call: what is wrong, how old that knowledge is, what to do; and its machine-readable twin."""

import re

from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from apps.lab import faults
from apps.lab.tier import Lab
from tests.browser.conftest import People
from tests.conftest import Inject

STAYED = "opened before the fault"
COMPONENTS = ("Queries", "Replicas", "Pools", "Cache", "Rate limits", "Partitions", "Application")


def test_on_call_opens_the_first_page(person: People) -> None:
    page = person(Role.ON_CALL)
    expect(page.locator("h1")).to_have_text(re.compile(r"^[A-Z].{10,}\.$"))
    parts = page.get_by_role("list", name="Components").get_by_role("listitem")
    expect(parts).to_have_count(len(COMPONENTS))
    for line, name in zip(parts.all(), COMPONENTS, strict=True):
        expect(line.locator(".fact-name")).to_contain_text(name)
        expect(line.locator(".fact-text")).not_to_be_empty()
        expect(line.locator(".fact-age")).to_have_text(re.compile(r"^\d+\s(s|min) ago$"))
    expect(page.get_by_role("heading", name="Waiting for you")).to_be_visible()
    expect(page.get_by_role("heading", name="Open alerts")).to_be_visible()
    expect(
        page.get_by_role("region", name=re.compile("^Rollout")).or_(page.get_by_text("None under way."))
    ).to_be_visible()


def stays(page: Page) -> None:
    """Leave a note in the page, which a reload would lose."""
    page.evaluate("(note) => { window.stayed = note }", STAYED)


def test_a_replica_stops_and_comes_back_before_the_eyes_of_on_call(person: People, lab: Lab, fault: Inject) -> None:
    overview, room = person(Role.ON_CALL), person(Role.ON_CALL, "/t/lab/replicas/")
    stays(overview)
    stays(room)

    fault("stop-replica-1")
    expect(overview.locator("h1")).to_contain_text(re.compile(r"lab-replica-1.* not answer"))
    replicas = overview.get_by_role("list", name="Components").get_by_role("listitem").filter(has_text="Replicas")
    expect(replicas.locator(".state-pass")).to_have_count(0)
    expect(room.locator("#live .notice-error")).to_contain_text("lab-replica-1 has not answered since")
    alert = overview.get_by_role("row").filter(has_text="lab-replica-1")
    expect(alert.filter(has_text="Answering")).to_be_visible()
    expect(overview.locator("#rail")).to_contain_text("Alerts")

    faults.heal(lab.servers, "stop-replica-1")
    expect(alert.filter(has_text="Answering")).to_have_count(0)
    expect(overview.locator("h1")).not_to_contain_text("not answer")  # that it was restarted is said for ten minutes
    expect(room.locator("#live .notice-error").filter(has_text="lab-replica-1")).to_have_count(0)
    assert [page.evaluate("window.stayed") for page in (overview, room)] == [STAYED, STAYED]


def test_the_first_page_is_a_phone_s_too(person: People) -> None:
    page = person(Role.ON_CALL, "/", (390, 844))
    expect(page.locator("h1")).to_be_in_viewport()
    page.get_by_text("Menu", exact=True).click()
    page.locator("#rail-phone").get_by_role("link", name="Alerts").click()
    expect(page.locator("h1")).to_contain_text(re.compile("alerts? (is|are) open"))
