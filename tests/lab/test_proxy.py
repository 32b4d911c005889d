"""The proxy: what each mode does to a connection that stands and to a new one, seen from a client of a small echo server."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.lab.layout import HOST, free_ports
from apps.lab.processes import server_user
from apps.lab.proxy import Mode
from tests.conftest import Until

BASE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a running proxy, in front of an echo server."""

    port: int
    control: str

    def order(self, line: str) -> str:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(self.control)
            caller.sendall(f"{line}\n".encode())
            return caller.makefile(encoding="utf-8").readline().strip()

    def put(self, mode: Mode, number: float = 0) -> None:
        assert self.order(f"echo {mode} {number}") == "ok"

    def connect(self) -> socket.socket:
        client = socket.create_connection((HOST, self.port), timeout=5)
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        return client


def echo(listener: socket.socket) -> None:
    def answer(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):  # whoever asks may hang up at any time
            while data := connection.recv(65536):
                connection.sendall(data)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=[connection], daemon=True).start()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, until: Until) -> Iterator[Link]:
    folder = tmp_path_factory.mktemp("proxy")
    listener, (port,) = socket.create_server((HOST, 0)), free_ports(1)
    threading.Thread(target=echo, args=[listener], daemon=True).start()
    # As ourselves: pytest's folder is ours alone. The lab's own proxy gives up root; see test_tier.
    user = "root" if server_user() in {"postgres", "nobody"} else server_user()
    plan = {
        "host": HOST,
        "links": {"echo": [port, listener.getsockname()[1]]},
        "control": str(folder / "c"),
        "user": user,
    }
    (folder / "links.json").write_text(json.dumps(plan), encoding="utf-8")
    with subprocess.Popen([sys.executable, "-m", "apps.lab.proxy", folder / "links.json"], cwd=BASE) as proxy:
        until((folder / "c").exists)
        yield Link(port, str(folder / "c"))
        proxy.terminate()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def link(running: Link) -> Iterator[Link]:
    yield running
    running.put(Mode.PASS)


def exchange(client: socket.socket, data: bytes) -> tuple[bytes, float]:
    begun = time.monotonic()
    client.sendall(data)
    answer = b""
    while len(answer) < len(data) and (piece := client.recv(65536)):
        answer += piece
    return answer, time.monotonic() - begun


def test_what_passes_is_unchanged_and_in_order(link: Link) -> None:
    data = bytes(range(256)) * 20_000
    with link.connect() as client:
        sender = threading.Thread(target=client.sendall, args=[data])
        sender.start()
        answer = b""
        while len(answer) < len(data):
            answer += client.recv(65536)
        sender.join()
    assert answer == data


def test_delay_makes_each_answer_late_on_a_standing_connection_and_on_a_new_one(link: Link) -> None:
    with link.connect() as client:
        link.put(Mode.DELAY, 200)
        answer, seconds = exchange(client, b"late")
        assert answer == b"late"
        assert 0.2 <= seconds < 1
        with link.connect() as other:
            assert exchange(other, b"too")[1] >= 0.2
        link.put(Mode.PASS)
        assert exchange(client, b"soon")[1] < 0.15


def test_a_delayed_stream_keeps_its_order_when_the_delay_ends(link: Link) -> None:
    with link.connect() as client:
        link.put(Mode.DELAY, 300)
        client.sendall(b"first")
        link.put(Mode.PASS)
        client.sendall(b"-then")
        answer = b""
        while len(answer) < 10:
            answer += client.recv(10)
        assert answer == b"first-then"


def test_dropped_data_waits_and_arrives_when_the_partition_ends(link: Link) -> None:
    with link.connect() as client:
        link.put(Mode.DROP)
        client.settimeout(0.3)
        client.sendall(b"lost?")
        with pytest.raises(TimeoutError):
            client.recv(5)
        with socket.create_connection((HOST, link.port), timeout=0.3) as other:
            other.sendall(b"x")
            with pytest.raises(TimeoutError):
                other.recv(1)
        link.put(Mode.PASS)
        client.settimeout(5)
        assert client.recv(5) == b"lost?"


def test_refused_connections_are_reset_and_new_ones_refused(link: Link) -> None:
    with link.connect() as client:
        link.put(Mode.REFUSE)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, link.port), timeout=1)
    link.put(Mode.PASS)
    link.connect().close()


def test_half_closed_means_the_end_of_answers_while_sending_still_works(link: Link) -> None:
    with link.connect() as client:
        link.put(Mode.HALF_CLOSE)
        assert client.recv(1) == b""
        client.sendall(b"still taken")


def test_trickling_limits_the_bytes_a_second(link: Link) -> None:
    with link.connect() as client:
        link.put(Mode.TRICKLE, 1000)
        answer, seconds = exchange(client, b"y" * 500)
        assert answer == b"y" * 500
        assert 0.35 <= seconds < 10


def test_a_wrong_order_is_answered_and_changes_nothing(link: Link) -> None:
    assert link.order("nobody pass") == "error KeyError: 'nobody'"
    assert link.order("echo sideways").startswith("error ValueError")
    assert link.order("echo delay soon").startswith("error ValueError")
    assert json.loads(link.order("status"))["echo"]["mode"] == "pass"


def test_a_client_that_hangs_up_is_forgotten(link: Link, until: Until) -> None:
    link.connect().close()
    until(lambda: json.loads(link.order("status"))["echo"]["connections"] == 0)
