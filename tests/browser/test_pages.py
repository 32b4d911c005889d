"""What holds for every page: readable with a screen reader in both themes, no sideways scrolling on a phone, nothing complained of."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from tests.browser.conftest import PHONE, WIDE, People

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RUN = """async (rules) => {
    const only = rules.length ? { runOnly: { type: 'rule', values: rules } } : {};
    const found = await axe.run(document, { resultTypes: ['violations'], preload: false, ...only });
    return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
        .map((one) => [one.id, ...one.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`)]);
}"""
OF_ALL = (
    "/", "/t/lab/queries/", "/t/lab/replicas/", "/t/lab/pools/", "/t/lab/cache/", "/t/lab/ratelimits/",
    "/t/lab/partitions/",
    "/t/lab/nodes/", "/t/lab/nodes/add/", "/alerts/", "/alerts/history/", "/t/lab/mutes/", "/t/lab/channels/",
    "/t/lab/checks/queries.p95/", "/catalogue/checks/", "/playbook/", "/rollouts/", "/ledger/", "/ledger/1/",
    "/people/", "/people/me/", "/portal/", "/portal/partitions/", "/trees/", "/trees/something-wrong/", "/trees/rollback/",
    "/no/such/page/",
)  # fmt: skip
OF_A_ROLLOUT = ("", "weeks/pre-rollout/", "weeks/week-1-2/", "weeks/pre-rollout/sign/lead/", "weeks/week-3-4/rollback/")


def settled(page: Page) -> None:
    """Everything that scripts draw is drawn."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('.main-svg'))"
    )


def violations(page: Page, *rules: str) -> list[Any]:
    """What axe finds serious or critical, with the first places; only these rules where some are named."""
    return list(page.evaluate(RUN, list(rules)))


def holds_for_everybody(page: Page) -> None:
    """Both themes, then a phone."""
    settled(page)
    page.evaluate(AXE)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    settled(page)
    assert violations(page, "color-contrast") == []  # the markup is the same, only the colours are not
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    expect(page.locator("html")).to_have_js_property("scrollWidth", PHONE[0])
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


@pytest.mark.parametrize("path", OF_ALL)
def test_a_page_serves_everybody(person: People, rollout: str, path: str) -> None:
    holds_for_everybody(person(Role.LEAD, path))


@pytest.mark.parametrize("path", OF_A_ROLLOUT)
def test_a_page_of_a_rollout_serves_everybody(person: People, rollout: str, path: str) -> None:
    holds_for_everybody(person(Role.LEAD, rollout + path))


def test_logging_in_serves_everybody(person: People) -> None:
    page = person.stranger()
    page.goto("/t/lab/queries/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    holds_for_everybody(page)


def test_light_and_dark_are_a_choice_that_is_kept(person: People) -> None:
    page = person(Role.VIEWER)
    page.emulate_media(color_scheme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#person-menu > summary").click()
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto("/alerts/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) == dark
