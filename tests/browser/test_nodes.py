"""DevOps adds a node: what does not answer as it should is refused with the reason, and leaves nothing behind."""

from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from apps.lab.layout import Node, free_ports
from apps.lab.register import url
from apps.lab.tier import Lab
from tests.browser.conftest import People

NODES = "SELECT name FROM metrics_node WHERE removed_at IS NULL ORDER BY name"


def add(page: Page, name: str, kind: str, role: str, address: str) -> None:
    """Fill in the form and send it."""
    page.goto("/t/lab/nodes/")
    page.get_by_role("link", name="Add a node").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Kind").select_option(kind)
    page.get_by_label("Role in the tier").select_option(role)
    page.get_by_label("Address with login and password").fill(address)
    page.get_by_role("button", name="Connect and add").click()


def test_a_node_is_added_only_when_it_answers_as_what_it_is_said_to_be(person: People, lab: Lab) -> None:
    page, portal = person(Role.DEVOPS), person.portal
    before = portal.query(NODES)
    (nobody,) = free_ports(1)
    refusals = (
        ("postgres", "replica", f"postgresql://poll:secret@127.0.0.1:{nobody}/postgres", "Check host and port"),
        ("postgres", "replica", "this is no address", "Address"),
        ("pgbouncer", "", url(lab.layout, Node.REPLICA_1), "Kind:"),
        ("postgres", "primary", url(lab.layout, Node.REPLICA_1), "It answers as a replica"),
    )
    for kind, role, address, reason in refusals:
        add(page, "reader", kind, role, address)
        summary = page.get_by_role("alert")
        expect(summary).to_contain_text("The node was not added")
        expect(summary).to_contain_text(reason)
        assert "secret" not in summary.inner_text()
        assert portal.query(NODES) == before

    add(page, "reader", "postgres", "replica", url(lab.layout, Node.REPLICA_1))
    expect(page.get_by_role("status")).to_contain_text("reader was added")
    assert portal.query(NODES) == sorted([*before, ("reader",)])
    row = page.get_by_role("row").filter(has_text="reader")
    row.get_by_text("Remove", exact=True).click()
    row.get_by_label("Type reader").fill("reader")
    row.get_by_role("button", name="Remove node").click()
    expect(page.get_by_role("status")).to_contain_text("reader is no longer watched")
    assert portal.query(NODES) == before
    page.goto("/ledger/?text=reader")
    expect(page.locator("table.data tbody tr")).to_have_count(2)


def test_a_viewer_is_not_offered_to_add_one(person: People) -> None:
    page = person(Role.VIEWER, "/t/lab/nodes/")
    expect(page.get_by_role("link", name="Add a node")).to_have_count(0)
    answer = page.goto("/t/lab/nodes/add/")
    assert answer
    assert answer.status == 403
    expect(page.locator("h1")).to_be_visible()
