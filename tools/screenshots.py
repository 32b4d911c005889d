"""Take `docs/screenshots/`: every page of a running `make demo` in both themes, the first page on a phone, a week in print.

    .venv/bin/python -m tools.screenshots .lab/demo.json

Pages are seen by the engineering lead. Needs Chromium as the browser tests do, and the system's packages pngquant and
poppler-utils (`pdftoppm`, for the printed page).
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

TARGET = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
WIDE, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PATIENCE = 120_000  # milliseconds
TALLEST = 1800  # pixels; a longer page is cut there
PAGES = {
    "overview": "/?range=15m",
    **{
        room: f"/t/lab/{room}/?range=15m"
        for room in ("queries", "replicas", "pools", "cache", "ratelimits", "partitions")
    },
    "nodes": "/t/lab/nodes/",
    "alerts": "/alerts/",
    "checks": "/catalogue/checks/",
    "playbook": "/playbook/",
    "ledger": "/ledger/",
    "people": "/people/",
    "rollouts": "/rollouts/",
}
DRAWN = "() => [...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('.main-svg'))"


def pages_of(page: Page) -> Iterator[tuple[str, str]]:
    """Name and path of each page; those of a rollout when there is one."""
    yield from PAGES.items()
    page.goto("/rollouts/")
    rollout = page.locator("main h2 a").first
    if rollout.count():
        path = str(rollout.get_attribute("href"))
        yield from {"rollout": path, "week": f"{path}weeks/week-1-2/", "checklist": f"{path}weeks/pre-rollout/"}.items()


def show(page: Page, path: str, size: ViewportSize = WIDE) -> None:
    """Open a page and make the window as tall as the page, up to TALLEST."""
    page.set_viewport_size(size)
    page.goto(path)
    page.wait_for_function(DRAWN)
    height = page.evaluate("() => document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(height, TALLEST)})


def take(page: Page, name: str) -> None:
    """The page as it stands."""
    page.wait_for_function(DRAWN)
    page.evaluate("() => document.fonts.ready")
    path = TARGET / f"{name}.png"
    page.screenshot(path=path)
    compress(path)


def compress(path: Path) -> None:
    """A page has few colours: a palette says the same in a third of the bytes."""
    subprocess.run(["pngquant", "--force", "--strip", "--output", path, "256", path], check=True)


def log_in(browser: Browser, url: str, person: Mapping[str, str]) -> Page:
    """A browser of this person."""
    page = browser.new_context(base_url=url, viewport=WIDE, reduced_motion="reduce", color_scheme="light").new_page()
    page.set_default_timeout(PATIENCE)
    page.goto("/accounts/login/")
    take(page, "login-light")
    page.emulate_media(color_scheme="dark")
    take(page, "login-dark")
    page.fill("[name=login]", person["username"])
    page.fill("[name=password]", person["password"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/", wait_until="commit")
    return page


def print_week(page: Page) -> None:
    """The first sheet of a printed week."""
    with TemporaryDirectory() as folder:
        sheets = Path(folder) / "week.pdf"
        page.emulate_media(color_scheme="light", media="print")
        page.pdf(path=sheets, format="A4", prefer_css_page_size=True)
        command = [
            "pdftoppm",
            "-png",
            "-r",
            "80",
            "-f",
            "1",
            "-l",
            "1",
            "-singlefile",
            str(sheets),
            str(TARGET / "week-print"),
        ]
        subprocess.run(command, check=True)
    compress(TARGET / "week-print.png")
    page.emulate_media(media="screen")


def main(demo: Path) -> None:
    """Take all of them."""
    facts = json.loads(demo.read_text(encoding="utf-8"))
    lead = next(person for person in facts["people"] if "lead" in person["roles"])
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = log_in(browser, facts["url"], lead)
        for name, path in list(pages_of(page)):
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                show(page, path)
                take(page, f"{name}-{theme}")
            if name == "week":
                print_week(page)
        page.emulate_media(color_scheme="light")
        show(page, PAGES["overview"], PHONE)
        take(page, "overview-phone")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".lab/demo.json"))
