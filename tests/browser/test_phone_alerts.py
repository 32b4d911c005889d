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
    phone.goto("/alerts/")
    taken = row.locator("td[data-label='Taken by']")
    expect(taken.locator("time")).to_be_visible()
    assert (
        taken.evaluate(
            "(cell) => cell.querySelector('time').getBoundingClientRect().left - cell.getBoundingClientRect().left"
        )
        > 60
    )


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


def test_lines_of_log_and_a_check_s_standing_are_whole_on_a_phone(person: People) -> None:
    phone = person(Role.DBA, "/portal/logs/", PHONE)
    more = "() => [...document.querySelectorAll('main .scroll')].map((box) => box.scrollWidth - box.clientWidth)"
    for path in ("/portal/logs/", "/t/lab/checks/queries.lock_wait/"):
        phone.goto(path)
        expect(phone.locator("table.as-cards tbody tr").first).to_be_visible()
        assert max(phone.evaluate(more)) <= 1, path
    desk = person(Role.DBA, "/portal/logs/")
    desk.locator("[data-action=pause]").click()
    desk.locator("#table-lines summary").first.evaluate("(line) => line.prepend('a long word '.repeat(30))")
    assert max(desk.evaluate(more)) <= 1  # the correlation id after it stays in sight


def test_a_phone_s_charts_name_their_lines_with_the_whole_figure(person: People) -> None:
    phone = person(Role.DBA, "/t/lab/queries/?range=15m", (320, 700))
    phone.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .annotation-text').length > 3")
    cut = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap((chart) =>
        [...chart.querySelectorAll('.annotation-text')].filter((label) =>
            label.getBoundingClientRect().right > chart.getBoundingClientRect().right).map((label) => label.textContent))"""
    assert phone.evaluate(cut) == []
