"""Adding a node: nothing is kept that did not answer as what it was said to be, and no password is ever shown."""

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from apps.accounts.models import Person
from apps.lab.layout import Layout
from apps.lab.layout import Node as Server
from apps.lab.register import url
from apps.lab.tier import Lab
from apps.ledger.models import Entry
from apps.metrics.models import Node, NodeStatus, Tier
from apps.metrics.readers.reach import read
from tests.people import Browser
from tests.watch import Watch

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
        ("postgres", "primary", "postgresql://a@127.0.0.1:1/%00", "cannot be read"),
        ("postgres", "primary", "postgresql://a@127.0.0.1:1/%ff", "cannot be read"),
        ("postgres", "primary", "postgresql://a@127.0.0.1:1/%zz", "cannot be read"),
        ("postgres", "primary", "postgresql://a:secret-word%00@127.0.0.1:1/x", "such as %20 for a blank"),
        ("pgbouncer", "", "postgresql://a b@127.0.0.1:1/pgbouncer", "cannot be read"),
        ("application", "", "http://127.0.0.1:1/\x01", "cannot be read"),
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


def test_a_password_may_hold_what_no_address_may(tier: Tier, devops: Person, browser: Browser) -> None:
    for password in ("secret-word%zz", "secret-word%25", "sécret-word"):
        answer = browser(devops).post(ADD, at(f"postgresql://poll:{password}@127.0.0.1:1/messaging"))
        assert "No connection" in answer.content.decode(), password


@pytest.mark.parametrize("what", ["nodes", "channels"])
def test_of_several_who_add_the_same_name_at_once_one_does_and_the_others_are_told(
    lab: Lab, transactional_db: None, devops: Person, browser: Browser, what: str
) -> None:
    Tier.objects.create(slug="lab", name="Lab")
    typed = form(lab.layout, Server.REDIS, "redis")
    if what == "channels":
        typed = {"name": "it", "kind": "email", "target": "ops@example.org", "least": "fail"}
    together, clients = Barrier(4), [browser(devops) for _ in range(4)]

    def add(client: Client) -> tuple[int, bool]:
        try:
            together.wait(20)
            answer = client.post(f"/t/lab/{what}/add/", typed)
        finally:
            connection.close()
        return answer.status_code, "named it" in answer.content.decode()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(add, clients))
    assert answers == [(302, False), (422, True), (422, True), (422, True)]
    assert Entry.objects.filter(kind=f"{what[:-1]}.add").count() == 1


def at(address: str, kind: str = "postgres") -> dict[str, str]:
    return {"name": "it", "kind": kind, "role": "primary" if kind == "postgres" else "", "address": address}


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "0",  # every address of this machine
        "[64:ff9b::a9fe:a9fe]",
    ],
)
@pytest.mark.parametrize("kind", ["postgres", "application"])
def test_addresses_where_no_node_is_are_refused_however_they_are_written(
    tier: Tier, devops: Person, browser: Browser, kind: str, address: str
) -> None:
    scheme = "http" if kind == "application" else "postgresql"
    answer = browser(devops).post(ADD, at(f"{scheme}://{address}/x", kind))
    assert answer.status_code == 422
    assert "link-local, multicast or metadata address" in answer.content.decode()


def test_the_portals_own_store_is_no_node(tier: Tier, devops: Person, browser: Browser, layout: Layout) -> None:
    store = layout.port(Server.STORE)
    for address in (f"postgresql://opsportal_app@127.0.0.1:{store}/x", f"postgresql://a@localhost:{store}/x"):
        answer = browser(devops).post(ADD, at(address))
        assert answer.status_code == 422
        assert "own store" in answer.content.decode()
    redis = urlsplit(settings.REDIS_URL)
    answer = browser(devops).post(ADD, at(f"redis://127.0.0.1:{redis.port}", "redis"))
    assert "own store" in answer.content.decode()


@pytest.mark.parametrize(
    ("hosts", "host", "reached"),
    [
        (["localhost"], "localhost", True),
        (["LOCALHOST"], "localhost", True),
        (["127.0.0.0/8", "::1"], "localhost", True),  # by what the name resolves to
        (["127.0.0.0/8"], "127.0.0.1", True),
        (["10.0.0.0/8"], "localhost", False),
        ([".example.org"], "localhost", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.2"], "127.0.0.1", False),
    ],
)
def test_only_listed_hosts_are_connected_to(
    lab: Lab, tier: Tier, devops: Person, browser: Browser, settings: Any, hosts: list[str], host: str, reached: bool
) -> None:
    settings.NODE_HOSTS = hosts
    for server, kind in ((Server.PRIMARY, "postgres"), (Server.REDIS, "redis"), (Server.PGBOUNCER, "pgbouncer")):
        address = url(lab.layout, server).replace("127.0.0.1", host)
        answer = browser(devops).post(ADD, at(address, kind) | {"name": kind})
        assert answer.status_code == (302 if reached else 422), answer.content.decode()
        if not reached:
            assert "OPSPORTAL_NODE_HOSTS" in answer.content.decode()


def test_a_host_taken_off_the_list_is_not_polled_any_more(watch: Watch, settings: Any) -> None:
    settings.NODE_HOSTS = ["10.0.0.0/8"]
    watch.poll()
    status = NodeStatus.objects.filter(node__name="lab-primary").get()
    assert not status.up
    assert "not among the hosts" in status.message


@pytest.mark.parametrize("word", ["10.0.0.0/99", "*.example.org", "http://db", "."])
def test_a_list_that_cannot_be_read_is_named(word: str) -> None:
    with pytest.raises(ValueError, match="no host, no suffix"):
        read([word])


def test_a_suffix_admits_what_is_below_it_only() -> None:
    listed, address = read([".db.example.org"]), ip_address("192.0.2.7")
    assert not listed.refusal("one.DB.example.org", address, 5432)
    for host in ("db.example.org", "evildb.example.org", "one.db.example.org.evil.net"):
        assert listed.refusal(host, address, 5432), host
    assert listed.refusal("one.db.example.org", ip_address("169.254.169.254"), 80), "wherever the name leads"


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
