"""Servers that answer what no server should: a typed failure of theirs, and a row of everybody else."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from apps.metrics.models import LatestAnswer, Node, NodeStatus, Tier
from apps.metrics.poll import collector, poll, slot_of
from tests.receivers import Hook

Serve = Callable[[bytes], int]
NEWLINE = b"\r\n"


@pytest.fixture
def redis_like() -> Iterator[Serve]:
    """A server that answers INFO with whatever it is given (as it is, where that is a whole reply), all else with OK; its port."""
    servers: list[socketserver.ThreadingTCPServer] = []

    def serve(info: bytes) -> int:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := self.rfile.readline():
                    words = []
                    for _ in range(int(head[1:])):
                        self.rfile.readline()
                        words.append(self.rfile.readline().strip())
                    whole = info if info[:1] in b"*:" else b"$%d\r\n%s\r\n" % (len(info), info)
                    self.wfile.write(whole if words[0].upper() == b"INFO" else b"+OK\r\n")

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        servers.append(server)
        return int(server.server_address[1])

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tier(db: None, redis_like: Serve) -> Iterator[Tier]:
    """A tier with one sane node."""
    tier = Tier.objects.create(slug="strange", name="Strange")
    port = redis_like(b"redis_version:7.0.0\r\nused_memory:1\r\n")
    Node.objects.create(tier=tier, name="sane", kind="redis", address=f"redis://127.0.0.1:{port}")
    yield tier
    collector().close()
    collector.cache_clear()


INFOS = [
    b"redis_version:7.0.0\r\nserver_time_usec:soon\r\n",
    b"redis_version:7.0.0\r\nserver_time_usec:%d\r\n" % 10**30,
    b"redis_version:7.0.0\r\nused_memory:%d\r\n" % 10**30,
    b"redis_version:\r\n",
    b"*1\r\n" * 50_000
    + b":1\r\n",  # replies of their own: deeper than a reader reaches, and no number where one is due
    b":soon\r\n",
]
DOCUMENTS = [
    b'{"status": "healthy", "n": %d}' % 10**30,
    b'{"status": "healthy", "a\\u0000b": 1, "c": {"d\\u0000": "e\\u0000"}}',
    b'{"status": "healthy", "name": "\\ud800"}',
    b'{"status": "healthy", "\\ud800": 1}',
    b'{"status": "healthy", "deep": %s1%s}' % (b"[" * 300, b"]" * 300),
    b'{"status": "healthy", "deep": %s1%s}' % (b"[" * 100_000, b"]" * 100_000),
]


def sane(tier: Tier, strange: str) -> NodeStatus:
    """Poll once: the sane node was measured; how the other was found."""
    slot = slot_of(datetime.now(UTC))
    assert poll(tier, slot) is not None
    assert NodeStatus.objects.get(node__name="sane").up
    assert LatestAnswer.objects.filter(node__name="sane", failure="").exists()
    return NodeStatus.objects.get(node__name=strange)


@pytest.mark.parametrize("info", INFOS, ids=range(len(INFOS)))
def test_a_redis_that_answers_nonsense_costs_nobody_else_a_sample(tier: Tier, redis_like: Serve, info: bytes) -> None:
    Node.objects.create(tier=tier, name="odd", kind="redis", address=f"redis://127.0.0.1:{redis_like(info)}")
    found = sane(tier, "odd")
    assert found.up or found.message


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_an_application_that_answers_nonsense_costs_nobody_else_a_sample(
    tier: Tier, hook: Hook, document: bytes
) -> None:
    hook.said = document
    Node.objects.create(tier=tier, name="odd", kind="application", address=f"http://127.0.0.1:{hook.port}")
    found = sane(tier, "odd")
    assert found.up
    failed = LatestAnswer.objects.filter(node__name="odd").exclude(failure="")
    assert all(answer.message for answer in failed)


def test_what_no_reader_foresaw_is_the_failure_of_that_node_alone(tier: Tier) -> None:
    """As of an address that came into the store past the form."""
    Node.objects.create(tier=tier, name="odd", kind="redis", address="redis://[::1")
    found = sane(tier, "odd")
    assert (found.up, found.failure) == (False, "error")
    assert "ValueError" in found.message


def test_the_doctor_goes_on_past_a_redis_of_no_version(tier: Tier, redis_like: Serve) -> None:
    Node.objects.create(
        tier=tier, name="odd", kind="redis", address=f"redis://127.0.0.1:{redis_like(b'redis_version:' + b'%c' % 10)}"
    )
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--tier", tier.slug, stdout=out)
    found = [one for one in json.loads(out.getvalue())["findings"] if one["node"] == "odd"]
    assert {"nodes.answers", "nodes.rights", "nodes.reads_only"} <= {one["id"] for one in found}


@pytest.mark.parametrize(
    ("said", "state", "detail"),
    [
        (b"redis_version:5.0.14", "failure", "Redis 5.0.14; the portal reads 6.0 and newer."),
        (b"redis_version:6.0.0", "fine", "Redis 6.0.0"),
    ],
)
def test_the_doctor_tells_of_a_version_that_is_too_old(
    tier: Tier, redis_like: Serve, said: bytes, state: str, detail: str
) -> None:
    Node.objects.create(tier=tier, name="old", kind="redis", address=f"redis://127.0.0.1:{redis_like(said + NEWLINE)}")
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--tier", tier.slug, stdout=out)
    found = {one["id"]: one for one in json.loads(out.getvalue())["findings"] if one["node"] == "old"}["nodes.version"]
    assert (found["state"], found["detail"]) == (state, detail)
