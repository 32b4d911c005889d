"""Something is wrong, on a phone: one tap to the tree, and an answer is not lost while the page refreshes; others see it go on."""

import re

from playwright.sync_api import expect

from apps.accounts.roles import Role
from tests.browser.conftest import PHONE, People

SEEN = "Messages of this morning are missing."


def test_a_walk_on_a_phone_goes_on_elsewhere(person: People) -> None:
    phone = person(Role.ON_CALL, "/ledger/", PHONE)
    phone.get_by_role("link", name="Something's wrong?").locator("visible=true").click()
    expect(phone).to_have_url(re.compile(r"/trees/something-wrong/\?tier=lab$"))
    phone.goto("/trees/rollback/?tier=lab")
    note = phone.get_by_label("What you see")
    note.fill(SEEN)
    taken = phone.locator("#live").get_attribute("data-at")
    phone.wait_for_function("(taken) => document.querySelector('#live').dataset.at !== taken", arg=taken)
    expect(note).to_have_value(SEEN)
    phone.get_by_role("button", name="Yes", exact=True).click()
    expect(phone).to_have_url(re.compile(r"/trees/walks/\d+/$"))
    expect(phone.get_by_text(SEEN)).to_be_visible()

    beside = person(Role.DBA, phone.url)
    expect(beside.locator("h1")).to_have_text("Does the way back of the block that is live repair it?")
    phone.get_by_role("button", name="No", exact=True).click()
    expect(beside.locator("h1")).to_contain_text("Stop writes")
    expect(beside.get_by_role("link", name="Open RB-20")).to_be_visible()
    expect(phone.locator("html")).to_have_js_property("scrollWidth", PHONE[0])
