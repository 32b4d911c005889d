"""The page that shows what is written."""

from pathlib import Path

import pytest
from pytest_django import Settings

from apps.accounts.models import Person
from apps.playbook.pin import bundle
from apps.playbook.validate import load
from tests.people import Browser
from tests.playbook.conftest import Edit


@pytest.fixture(autouse=True)
def used(small: Path, settings: Settings) -> None:
    settings.PLAYBOOK = small


def test_a_viewer_reads_items_with_source_and_digest(browser: Browser, viewer: Person, small: Path) -> None:
    response = browser(viewer).get("/playbook/")
    assert response.status_code == 200
    page = response.content.decode()
    assert bundle(load(small)).digest in page
    assert "weeks/week-1.yaml:17" in page
    assert "2 GB" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "RB-2" in page


def test_a_stranger_does_not(browser: Browser, stranger: Person) -> None:
    assert browser(stranger).get("/playbook/").status_code == 403


def test_mistakes_are_shown_with_their_remedy_and_an_edit_is_seen_at_once(
    browser: Browser, viewer: Person, edit: Edit
) -> None:
    assert browser(viewer).get("/playbook/").status_code == 200
    edit("weeks/week-1.yaml", "check: node.up, every", "check: <b>node.upp, every")
    response = browser(viewer).get("/playbook/")
    assert response.status_code == 503
    page = response.content.decode()
    assert "weeks/week-1.yaml:33" in page
    assert "&lt;b&gt;node.upp" in page
