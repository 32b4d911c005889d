"""The worker is killed without a word: the first page says so, it is started again, and no slot was polled twice."""

import re
import signal

from playwright.sync_api import expect

from apps.accounts.roles import Role
from tests.browser.conftest import People
from tests.browser.portal import Portal
from tests.conftest import Until

SAYS_WITHIN = 2 * 2 + 2 + 5  # seconds: two intervals with their grace, and the page's own refresh
TWICE = "SELECT tier_id, at FROM metrics_slot GROUP BY tier_id, at HAVING count(*) > 1"
DOUBLED = "SELECT series_id, at FROM metrics_sample GROUP BY series_id, at HAVING count(*) > 1"


def test_a_killed_worker_is_noticed_and_missed_by_nobody_afterwards(
    person: People, portal: Portal, until: Until
) -> None:
    page = person(Role.ON_CALL)
    expect(page.locator("h1")).not_to_contain_text("Polling has stopped")
    worker = portal.supervisor.roster.find("worker")
    assert worker
    worker.send(signal.SIGKILL)
    until(lambda: not worker.alive)
    slack = 15_000  # of a busy machine
    expect(page.locator("h1")).to_have_text(
        "Polling has stopped, so the state of the tier is not known.", timeout=SAYS_WITHIN * 1000 + slack
    )
    expect(page.locator("#live .notice-error[role=alert]")).to_contain_text("The last poll was at")
    expect(page.get_by_role("list", name="Components").locator(".state-pass")).to_have_count(0)
    assert page.request.get("/readyz?polling").status == 503
    assert page.request.get("/readyz").status == 200, "the page that says why is still served"
    until(lambda: "The worker is silent" in page.request.get("/readyz").json()["parts"]["polling"]["detail"], 30)

    def started_again() -> object:
        portal.supervisor.look()
        return portal.supervisor.roster.find("worker")

    until(started_again, 30)
    expect(page.locator("h1")).not_to_contain_text("Polling has stopped")
    expect(page.locator(".notice-warning")).to_have_text(
        re.compile(r"ended without a word at about [\d:]+ UTC and was back at [\d:]+ UTC")
    )
    assert portal.query(TWICE) == []
    assert portal.query(DOUBLED) == []
