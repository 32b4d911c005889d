"""Moments that are typed: in the person's zone, as moments are shown."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from tests.browser.conftest import People

THREE_AND_A_HALF_HOURS_AHEAD = "Asia/Tehran"


def travel(page: Page) -> None:
    """The browser is in Tehran from now on."""
    page.context.new_cdp_session(page).send(
        "Emulation.setTimezoneOverride", {"timezoneId": THREE_AND_A_HALF_HOURS_AHEAD}
    )
    page.reload()


def test_a_mute_begins_when_the_person_s_own_clock_says_so(person: People) -> None:
    page = person(Role.ON_CALL, "/t/lab/mutes/")
    travel(page)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    field = page.get_by_label("From (")
    expect(page.locator("label", has=page.locator("[data-zone]")).first).to_contain_text("(Asia/Tehran)")
    field.fill(f"{tomorrow:%Y-%m-%d}T14:30")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_text("Nothing was muted")).to_be_visible()  # no reason was given
    expect(field).to_have_value(f"{tomorrow:%Y-%m-%d}T14:30")
    page.get_by_label("Reason").fill("Seen from Tehran")
    page.get_by_role("button", name="Mute", exact=True).click()
    row = page.locator("tr", has_text="Seen from Tehran")
    expect(row.locator("time").first).to_have_attribute("datetime", f"{tomorrow:%Y-%m-%d}T11:00:00+00:00")
    expect(row.locator("time").first).to_contain_text("14:30")
    row.get_by_role("button").click()  # gone before it begins


def test_a_filter_keeps_the_moment_that_was_typed(person: People) -> None:
    page = person(Role.DBA, "/ledger/")
    travel(page)
    page.get_by_label("From (").fill("2020-01-02T03:04")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("since=2020-01-01T23%3A34"))
    expect(page.get_by_label("From (")).to_have_value("2020-01-02T03:04")
