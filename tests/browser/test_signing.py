"""A DBA adds a passkey on the profile page, signs a week and signs in with it, in Chromium with its virtual authenticator."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from apps.playbook.validate import load
from opsportal.settings import PLAYBOOK
from tests.browser.conftest import People, started
from tests.browser.test_pages import holds_for_everybody

WEEK = "weeks/pre-rollout/"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
SETTLED = """INSERT INTO rollouts_tick (rollout_id, week, item, by_id, at, outcome, note, evidence, files, digest, undone_why)
    SELECT {rollout}, 'pre-rollout', item, p.id, now(), 'done', '', '[]', '[]', repeat('0', 64), ''
    FROM accounts_person p, unnest(ARRAY[{items}]) item WHERE p.username = '{by}' RETURNING id"""


@pytest.fixture
def week(person: People) -> Iterator[str]:
    """The path of a rollout whose first week waits for signatures only."""
    path = started(person, "Signed with keys")
    items = ", ".join(f"'{item.slug}'" for item in load(PLAYBOOK).weeks[0].items())
    by = person.portal.username(Role.QA)
    assert person.portal.query(SETTLED.format(rollout=path.split("/")[2], items=items, by=by))
    yield path
    person.portal.query("DELETE FROM mfa_authenticator RETURNING id")  # other stories log in by password alone


def enrol(person: People, page: Page) -> None:
    """From the profile to an enrolled passkey; the pages on the way serve everybody."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password").fill(person.portal.passwords[person.portal.username(Role.DBA)])
    holds_for_everybody(page)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("Blue key")
    holds_for_everybody(page)
    devtools.send("WebAuthn.setUserVerified", made | {"isUserVerified": False})
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
    devtools.send("WebAuthn.setUserVerified", made | {"isUserVerified": True})
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    for path in ("/accounts/2fa/", "/accounts/2fa/webauthn/", "/accounts/2fa/totp/activate/"):
        page.goto(path)
        holds_for_everybody(page)


def come_back(person: People, page: Page) -> None:
    """Sign out, and in again with the password and the passkey."""
    page.locator("#person-menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    username = person.portal.username(Role.DBA)
    page.fill("[name=login]", username)
    page.fill("[name=password]", person.portal.passwords[username])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    holds_for_everybody(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(person.portal.url + "/")


def leave_no_key(person: People, page: Page) -> None:
    """The only passkey is removed; whoever has confirmed a while ago is asked again."""
    page.goto("/accounts/2fa/webauthn/")
    page.get_by_role("link", name="Remove").click()
    asked_again = page.get_by_role("heading", name="Confirm that it is you")
    expect(asked_again.or_(page.get_by_role("button", name="Remove"))).to_be_visible()
    if asked_again.count():
        page.get_by_label("Password").fill(person.portal.passwords[person.portal.username(Role.DBA)])
        page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No passkey has been added.")).to_be_visible()


def test_a_passkey_is_enrolled_and_signs_what_is_shown_and_nothing_else(person: People, week: str) -> None:
    page = person(Role.DBA, "/people/me/")
    enrol(person, page)
    page.goto(week + WEEK)
    page.get_by_role("link", name="Review and sign").click()
    page.get_by_label("Reason or remark").fill("Restored it myself.")
    page.get_by_role("button", name="Check and sign").click()
    expect(page.locator(".statement")).to_contain_text("Reason or remark: Restored it myself.")
    holds_for_everybody(page)

    page.evaluate(
        """() => {
        const asked = document.getElementById('sign-options');
        const options = JSON.parse(asked.textContent);
        options.publicKey.challenge = 'A'.repeat(43);
        asked.textContent = JSON.stringify(options);
    }"""
    )
    page.get_by_role("button", name="Sign with passkey").click()
    expect(page.get_by_role("alert").first).to_contain_text("the passkey signed other bytes than these")

    page.get_by_role("button", name="Sign with passkey").click()
    expect(page.locator(".confirmation")).to_contain_text("Before week 1 is signed as DBA")
    holds_for_everybody(page)
    page.get_by_role("link", name="Your signature, to keep or print").click()
    expect(page.locator(".lead")).to_contain_text("Verifies: this passkey signed exactly these bytes")
    said = json.loads(page.locator("#exact pre").inner_text())
    assert said["attested_by"] == "authenticator"
    holds_for_everybody(page)
    come_back(person, page)
    leave_no_key(person, page)
    page.goto(week + "sign-offs/")
    expect(page.locator("#pre-rollout")).to_contain_text(f"{person.portal.name(Role.DBA)}, passkey")
    holds_for_everybody(page)
