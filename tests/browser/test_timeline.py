"""The timeline on a wide screen, on a phone and on paper."""

from playwright.sync_api import expect

from apps.accounts.roles import Role
from tests.browser.conftest import PHONE, People, started


def test_the_timeline_is_drawn_where_there_is_room_and_whole_on_paper(person: People, rollout: str) -> None:
    page = person(Role.VIEWER, rollout)
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator("svg.gantt .gantt-planned")).to_have_count(8)
    last = page.locator("#week-8").get_by_text("The copy will not end within the window")
    expect(last).to_be_hidden()
    page.get_by_role("link", name="Week 8: table partitioning").click()
    expect(last).to_be_visible()
    page.reload()
    page.emulate_media(media="print")
    expect(page.locator("#week-3-4").get_by_text("Production, in low traffic")).to_be_visible()
    expect(page.get_by_text("Digest of this timeline")).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()


def test_the_timeline_fits_a_phone(person: People, rollout: str) -> None:
    page = person(Role.ON_CALL, rollout + "timeline/", PHONE)
    expect(page.locator("svg.gantt")).to_be_hidden()
    expect(page.get_by_role("row").filter(has_text="Week 8: table partitioning")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_printed_week_says_who_signs_and_shows_nothing_to_click(person: People) -> None:
    rollout = started(person, "Printed")
    page = person(Role.LEAD, rollout)
    at = "getComputedStyle(document.querySelector('time.moment[title]'), '::after').content"
    assert page.evaluate(at) == "none"
    page.emulate_media(media="print")
    assert page.evaluate(at) == '"' + (page.locator("time.moment[title]").first.get_attribute("title") or "") + '"'
    page.emulate_media(media="screen")
    page.goto(rollout + "weeks/pre-rollout/")
    for words in ("Reject already now", "What cannot be had can be overridden", "Go there"):
        expect(page.get_by_text(words)).to_be_visible()
    page.emulate_media(media="print")
    for words in ("Reject already now", "What cannot be had can be overridden", "Go there", "Overrides"):
        expect(page.get_by_text(words)).to_be_hidden()
    expect(page.get_by_role("row", name="Engineering lead – not signed –")).to_be_visible()
    page.goto("/t/lab/replicas/")
    expect(page.locator("table.data thead button").first).to_be_visible()
