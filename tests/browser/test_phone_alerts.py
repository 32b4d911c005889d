"""An alert at night on a phone: its value, its threshold and the way to take it are in sight without moving the table."""

from playwright.sync_api import expect

from apps.accounts.roles import Role
from tests.browser.conftest import PHONE, People
from tests.conftest import Inject


def test_on_call_takes_an_alert_on_a_phone(person: People, fault: Inject) -> None:
    fault("stop-replica-2")
    phone = person(Role.ON_CALL, "/", PHONE)
    row = phone.locator("table.as-cards tbody tr", has_text="Answering").first
    for path in ("/", "/alerts/"):
        phone.goto(path)
        expect(row).to_be_visible()
        for words in ("no", "fails when it says no", "take it"):
            box = row.get_by_text(words, exact=True).first.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE[0], words
    row.get_by_role("link", name="take it").click()
    phone.get_by_role("textbox").fill("It was stopped for a test.")
    phone.get_by_role("button", name="Take it").click()
    expect(phone.get_by_role("heading", name="Taken by")).to_be_visible()


def test_a_choice_looks_like_one_and_heads_stand_over_their_numbers(person: People) -> None:
    page = person(Role.ON_CALL, "/t/lab/mutes/")
    arrow = "(field) => getComputedStyle(field).backgroundImage"
    assert "url(" in page.locator("main select").first.evaluate(arrow)
    page.goto("/t/lab/queries/")
    ends = """() => { const cell = document.querySelector('#table-statements tbody td.num');
        const head = cell.closest('table').tHead.rows[0].cells[cell.cellIndex];
        const end = (of) => {
            const range = document.createRange(); range.selectNodeContents(of); return range.getBoundingClientRect().right; };
        return end(head) - end(cell); }"""
    assert abs(page.evaluate(ends)) < 1.5
