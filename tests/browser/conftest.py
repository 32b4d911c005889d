"""One real portal for all stories, and a browser in which each of its people is logged in."""

import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

from apps.accounts.roles import Role
from apps.lab.tier import Lab
from tests.browser import portal as portals
from tests.browser.portal import Portal

HERE = Path(__file__).parent
LOGIN = "/accounts/login/"
PATIENCE = 30_000  # milliseconds: a deadline, not a wait; the machine may do other things besides
WIDE, PHONE = (1440, 900), (390, 844)
ANSWERED = ("status of 403", "status of 404", "status of 409", "status of 422")  # an answer that a story asked for
TELL_VIOLATIONS = """addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first story also starts the tier and the portal."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="package")
def portal(lab: Lab, django_db_setup: None) -> Iterator[Portal]:
    """The running portal; polled often, under load, everything switched on. Its database begins as a copy of the tests' empty one."""
    running = portals.start(lab.layout)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Ends with its module: while it runs, Django takes this thread for an asynchronous one."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """The system's own."""
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    yield browser
    browser.close()


@dataclass
class People:
    """Opens browsers in which one of the portal's people is logged in, and hears what their pages complain of."""

    portal: Portal
    chromium: Browser
    complaints: list[str] = field(default_factory=list)
    _states: dict[Role, object] = field(default_factory=dict)
    _open: list[BrowserContext] = field(default_factory=list)

    def __call__(self, role: Role, path: str = "/", size: tuple[int, int] = WIDE) -> Page:
        """A new browser of this person, at this path."""
        page = self.stranger(size, self._states.get(role))
        if role not in self._states:
            self.log_in(page, role)
        page.goto(path)
        if LOGIN in page.url:  # a story signed out what the first log-in left
            self.log_in(page, role)
            page.goto(path)
        return page

    def stranger(self, size: tuple[int, int] = WIDE, state: object = None) -> Page:
        """A browser in which nobody is logged in."""
        context = self.chromium.new_context(
            base_url=self.portal.url,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            storage_state=state,  # type: ignore[arg-type]
        )
        context.set_default_timeout(PATIENCE)
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self._open.append(context)
        return context.new_page()

    def log_in(self, page: Page, role: Role) -> None:
        """As a person does it, by the form."""
        username = self.portal.username(role)
        page.goto(LOGIN)
        page.fill("[name=login]", username)
        page.fill("[name=password]", self.portal.passwords[username])
        page.keyboard.press("Enter")
        page.wait_for_url(f"{self.portal.url}/", wait_until="commit")
        self._states[role] = page.context.storage_state()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(answer in message.text for answer in ANSWERED):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def leave(self) -> list[str]:
        """Close what is open; what was complained of since the last time."""
        for context in self._open:
            context.close()
        heard, self.complaints, self._open = self.complaints, [], []
        return heard


@pytest.fixture(scope="module")
def _people(portal: Portal, chromium: Browser) -> People:
    return People(portal, chromium)


@pytest.fixture
def person(_people: People) -> Iterator[People]:
    """`person(Role.DBA, "/t/lab/queries/")`: a browser; the test fails when a page wrote an error or broke the content policy."""
    yield _people
    assert _people.leave() == []


def started(person: People, name: str) -> str:
    """The path of a rollout that a lead starts under a name of its own, `/rollouts/1/`; a second try of a story starts another."""
    page = person(Role.LEAD, "/rollouts/")
    page.get_by_label("Name").fill(f"{name} {secrets.token_hex(2)}")
    page.get_by_role("button", name="Start rollout").click()
    expect(page).to_have_url(re.compile(r"/rollouts/\d+/$"))
    return page.url.removeprefix(person.portal.url)


@pytest.fixture(scope="package")
def rollouts() -> dict[str, str]:
    """Paths of the rollouts that were started, by name."""
    return {}


@pytest.fixture
def rollout(person: People, rollouts: dict[str, str]) -> str:
    """The path of a rollout that a lead started: `/rollouts/1/`."""
    if not rollouts:
        page = person(Role.LEAD, "/rollouts/")
        page.get_by_label("Name").fill("Phase 2")
        page.get_by_role("button", name="Start rollout").click()
        expect(page).to_have_url(re.compile(r"/rollouts/\d+/$"))
        rollouts["Phase 2"] = page.url.removeprefix(person.portal.url)
    return rollouts["Phase 2"]
