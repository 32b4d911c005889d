"""Somebody edits the playbook's files while a rollout runs: a lead reads what differs and what it takes, and adopts it for one week."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps.accounts.roles import Role
from tests.browser.conftest import PHONE, People, started
from tests.browser.test_pages import holds_for_everybody

BEFORE, AFTER = "The backup was restored on another host,", "The backup was restored on two other hosts,"
WEEK = "weeks/pre-rollout/"


@pytest.fixture
def edited(person: People) -> Iterator[Path]:
    """The file of the first week, which may be edited; afterwards it is what it was."""
    path = person.portal.layout.directory / "playbook" / "weeks" / "pre-rollout.yaml"
    text = path.read_text(encoding="utf-8")
    yield path
    path.write_text(text, encoding="utf-8")


def test_a_lead_adopts_a_newer_definition_for_one_week(person: People, edited: Path) -> None:
    rollout = started(person, "Amended on the way")
    page = person(Role.LEAD, rollout)
    expect(page.get_by_text("Newer definition available")).to_have_count(0)

    text = edited.read_text(encoding="utf-8")
    assert BEFORE in text
    edited.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    page.goto(rollout + WEEK)
    page.get_by_role("link", name="one difference from what this week follows").click()
    expect(page.locator("h1")).to_have_text("Newer definition of Before week 1 available")
    expect(page.locator("#changes")).to_contain_text("on two other hosts")
    holds_for_everybody(page)

    reader = person(Role.QA, rollout + WEEK + "amendment/", PHONE)
    expect(reader.get_by_text("The engineering lead of this tier can adopt it.")).to_be_visible()
    expect(reader.get_by_role("button", name="Check and adopt")).to_have_count(0)
    holds_for_everybody(reader)

    page.get_by_label("Reason").fill("The restore is tried on both hosts from now on.")
    page.get_by_role("button", name="Check and adopt").click()
    expect(page.locator(".statement")).to_contain_text("on two other hosts")
    holds_for_everybody(page)
    page.get_by_label("Password").fill(person.portal.passwords[person.portal.username(Role.LEAD)])
    page.get_by_role("button", name="Sign").click()
    expect(page.locator("#item-backup-restored")).to_contain_text("on two other hosts")

    page.goto(rollout + WEEK + "amendment/")
    expect(page.locator("h1")).to_have_text("Before week 1 follows the playbook as it is written now")
    expect(page.locator("aside").last).to_contain_text("The restore is tried on both hosts from now on.")
    page.get_by_role("link", name="Amendments of this week in the ledger").click()
    expect(page.locator("main")).to_contain_text("adopted the definition")
