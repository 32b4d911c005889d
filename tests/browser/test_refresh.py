"""A page refreshes under somebody who reads it: scroll position, focus, open evidence, sort and filter stay; pausing pauses."""

from typing import Any

from playwright.sync_api import Page, Request, Response, expect

from apps.accounts.roles import Role
from tests.browser.conftest import People

PATH = "/t/lab/queries/"


def refreshed(page: Page, times: int) -> None:
    """Wait until the page was exchanged so many times; a 204 says that there was no news and does not count."""
    for _ in range(times):
        with page.expect_response(lambda answer: asks_for_news(answer) and answer.ok and answer.status != 204):
            pass
        page.wait_for_function("() => !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')")


def standing(page: Page) -> dict[str, Any]:
    """What a reader would miss."""
    return dict(
        page.evaluate("""() => ({
            top: Math.round(scrollY),
            focus: document.activeElement.id,
            open: [...document.querySelectorAll('#live details[open]')].map((details) => details.id),
            sorted: document.querySelector('#table-checks th[aria-sort]')?.getAttribute('aria-sort'),
            filter: document.getElementById('filter-checks').value,
            rows: [...document.querySelectorAll('#table-checks tbody tr:not([hidden], .inner) td:nth-child(2)')]
                .map((cell) => cell.innerText),
        })""")
    )


def test_nothing_moves_when_the_page_refreshes(person: People) -> None:
    page = person(Role.DBA, PATH)
    page.locator("#table-checks th").filter(has_text="Check").get_by_role("button").click()
    page.get_by_label("Filter the checks").press_sequentially("connections")
    row = page.locator("#table-checks tbody tr:visible").first
    row.get_by_text("How do we know?").click()
    page.get_by_label("Filter the checks").focus()
    page.evaluate("scrollTo({ top: 700, behavior: 'instant' })")
    before = standing(page)
    assert before["rows"], "the filter left something"
    assert (before["focus"], before["sorted"], len(before["open"])) == ("filter-checks", "ascending", 1)
    refreshed(page, 2)
    assert standing(page) == before
    expect(page.locator("#table-checks tr.inner")).to_be_visible()


RUN = """
    INSERT INTO batch_job (name, actor, operation, target, exact, chunk, head, state, seen, written, failed, skipped, undone, retried,
        through, beyond, missing, errors, errors_total, last_error, circuit, seconds, started_at, noted_at, cancel_asked_by)
    VALUES ('prices of the week', 'ann', 'upsert', 'public.price', true, 1000, '', 'complete', 9, 9, 0, 0, 0, 0, 0,
        '[]', '{}', '[]', 0, '', 'closed', 1.5, now(), now(), '')
    RETURNING id
"""
GONE = "DELETE FROM batch_job WHERE id = {id} RETURNING id"
GROWN = """
    UPDATE batch_job SET seen = 3000000000, written = 2999876543, failed = 123457, seconds = 44999, state = 'tripped', noted_at = now()
    WHERE id = {id} RETURNING id
"""


def test_no_column_moves_while_the_figures_of_a_run_grow(person: People) -> None:
    ((run,),) = person.portal.query(RUN)
    page = person(Role.DBA, "/batches/")

    def columns() -> list[float]:
        return list(
            page.eval_on_selector_all("#table-jobs th", "all => all.map(th => th.getBoundingClientRect().left)")
        )

    row = page.locator("#table-jobs tbody tr", has_text="prices of the week")
    expect(row).to_contain_text("complete")
    before = columns()
    person.portal.query(GROWN.format(id=run))
    expect(row).to_contain_text("2,999,876,543")
    assert columns() == before
    assert row.evaluate("row => [...row.cells].filter(cell => cell.scrollWidth > cell.clientWidth).length") == 0
    assert page.locator("#scroll-jobs").evaluate("box => box.scrollWidth <= box.clientWidth")
    person.portal.query(GONE.format(id=run))


HALF_A_MINUTE = 30_000  # milliseconds of the page's own time


def asks_for_news(answer: Response) -> bool:
    return "version=" in answer.url


def test_pausing_stops_refreshing_and_going_on_starts_it(person: People) -> None:
    page = person(Role.DBA)
    page.clock.install()
    page.goto(PATH)
    with page.expect_response(asks_for_news):
        page.clock.fast_forward(HALF_A_MINUTE)
    page.get_by_role("button", name="pause").click()
    expect(page.get_by_role("button", name="go on")).to_be_visible()
    page.wait_for_function("() => !document.querySelector('.htmx-request')")

    asked: list[str] = []

    def hear(request: Request) -> None:
        asked.append(request.url)

    page.on("request", hear)
    page.clock.fast_forward(HALF_A_MINUTE)
    page.evaluate("() => fetch('/healthz')")  # what was asked before this is heard of by then
    assert [url for url in asked if "version=" in url] == []
    with page.expect_response(asks_for_news):
        page.get_by_role("button", name="go on").click()
