"""Adding a node: nothing is kept that did not answer as what it was said to be, and no password is ever shown."""

import pytest

from apps.accounts.models import Person
from apps.lab.layout import Layout
from apps.lab.layout import Node as Server
from apps.lab.register import url
from apps.lab.tier import Lab
from apps.ledger.models import Entry
from apps.metrics.models import Node, Tier
from tests.people import Browser

ADD = "/t/lab/nodes/add/"


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier without nodes."""
    return Tier.objects.create(slug="lab", name="Lab")


def form(layout: Layout, server: Server, kind: str, role: str = "", **more: str) -> dict[str, str]:
    return {"name": "it", "kind": kind, "role": role, "address": url(layout, server)} | more


def test_a_right_node_is_added_and_its_password_never_shown(
    lab: Lab, tier: Tier, devops: Person, browser: Browser
) -> None:
    layout, client = lab.layout, browser(devops)
    assert client.post(ADD, form(layout, Server.REPLICA_1, "postgres", "replica")).status_code == 302
    password = layout.password("postgres", "opsportal_poll")
    node = Node.objects.get()
    assert password not in node.address
    assert password not in node.secret
    assert password not in client.get("/t/lab/nodes/").content.decode()
    assert password not in bytes(Entry.objects.get(kind="node.add").body).decode()


@pytest.mark.parametrize(
    ("server", "kind", "role", "told"),
    [
        (Server.PGBOUNCER, "postgres", "primary", "PgBouncer"),
        (Server.PRIMARY, "pgbouncer", "", "not PgBouncer"),
        (Server.REPLICA_1, "postgres", "primary", "answers as a replica"),
        (Server.PRIMARY, "postgres", "", "primary or replica"),
        (Server.REDIS, "redis", "replica", "no role"),
    ],
)
def test_a_node_of_the_wrong_kind_or_role_is_refused(
    lab: Lab, tier: Tier, devops: Person, browser: Browser, server: Server, kind: str, role: str, told: str
) -> None:
    answer = browser(devops).post(ADD, form(lab.layout, server, kind, role))
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert not Node.objects.exists()
    assert not Entry.objects.filter(kind="node.add").exists()


@pytest.mark.parametrize(
    ("kind", "role", "address", "told"),
    [
        ("postgres", "primary", "mysql://root@127.0.0.1/x", "starts with postgresql://"),
        ("postgres", "primary", "postgresql://poll:secret-word@127.0.0.1:1/messaging", "No connection"),
        ("postgres", "primary", "postgresql:///messaging?host=/tmp", "Name one host"),
        ("postgres", "primary", "postgresql://a@%40abstract/x", "Name one host"),
        ("postgres", "primary", "postgresql://a@%2Ftmp/x", "Name one host"),
        ("postgres", "primary", "postgresql://a@127.0.0.1/x?passfile=/etc/passwd", "only sslmode"),
        ("postgres", "primary", "postgresql://a@127.0.0.1:99999/x", "port"),
        ("redis", "", "redis://127.0.0.1:1", "accept connections"),
        ("application", "", "http://127.0.0.1:1", "accept connections"),
        ("application", "", "file:///etc/passwd", "starts with http://"),
        ("nonsense", "", "http://127.0.0.1:1", "Select a valid choice"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_do(
    tier: Tier, devops: Person, browser: Browser, kind: str, role: str, address: str, told: str
) -> None:
    answer = browser(devops).post(ADD, {"name": "it", "kind": kind, "role": role, "address": address})
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert "secret-word" not in answer.content.decode()
    assert not Node.objects.exists()


def test_only_who_may_edit_the_tier_adds_nodes(tier: Tier, viewer: Person, qa: Person, browser: Browser) -> None:
    for person in (viewer, qa):
        assert browser(person).get(ADD).status_code == 403
        assert browser(person).post(ADD, {}).status_code == 403


def test_a_removed_node_keeps_its_history_and_its_name_is_free_again(
    lab: Lab, tier: Tier, devops: Person, browser: Browser
) -> None:
    client = browser(devops)
    client.post(ADD, form(lab.layout, Server.REDIS, "redis"))
    client.post("/t/lab/nodes/it/remove/", {"typed": "another"})
    assert Node.objects.filter(name="it").exists()
    client.post("/t/lab/nodes/it/remove/", {"typed": "it"})
    assert not Node.objects.filter(name="it").exists()
    assert Node.every.get(name="it").secret == ""
    assert client.post(ADD, form(lab.layout, Server.REDIS, "redis")).status_code == 302
