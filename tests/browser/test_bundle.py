"""The evidence bundle's page, opened from a file where no portal is, and where something was changed in it."""

import base64
import io
import json
import re
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from tests.browser.conftest import People


def opened(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    page.locator("body[data-done]").wait_for()


def test_it_opens_without_a_network_and_names_what_was_changed(person: People, rollout: str, tmp_path: Path) -> None:
    page = person(Role.LEAD, rollout)
    with page.expect_download() as started:
        page.get_by_role("link", name="Evidence bundle").click()
    with zipfile.ZipFile(io.BytesIO(started.value.path().read_bytes())) as files:
        twin = files.read("index.html").decode()
        assert {"verify.py", "checkpoint.txt", "entries.jsonl", "pin.json"} <= set(files.namelist())
    page.context.set_offline(True)
    whole, changed = tmp_path / "index.html", tmp_path / "changed.html"
    whole.write_text(twin, encoding="utf-8")
    opened(page, whole)
    expect(page.locator("h1")).to_contain_text("nothing that was checked is broken")
    expect(page.locator("#claims .good")).to_have_count(4)
    expect(page.locator("#entries article").first).to_contain_text("started")
    changed.write_text(altered(twin), encoding="utf-8")
    opened(page, changed)
    expect(page.locator("h1")).to_contain_text("this bundle is broken")
    expect(page.locator("#claims .bad")).to_contain_text("is not what was hashed when it was recorded")
    page.context.set_offline(False)


def altered(twin: str) -> str:
    """The page with one letter of the first entry's actor changed."""
    found = re.search(r'<script type="application/json" id="bundle">(.*?)</script>', twin, re.DOTALL)
    assert found
    files = json.loads(found[1])
    entries = base64.b64decode(files["entries.jsonl"])
    files["entries.jsonl"] = base64.b64encode(entries.replace(b'"actor":"', b'"actor":"x', 1)).decode()
    return twin.replace(found[1], json.dumps(files))
