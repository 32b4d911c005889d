"""Real receivers of what the portal sends: an HTTP server that answers as it is told, and a mail server."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from django.test import override_settings

if TYPE_CHECKING:
    from email.message import EmailMessage


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """An HTTP server on loopback. `answers`: status codes for the next requests, 200 after them; `slow`: seconds before an answer;
    `said`: the beginning of each answer's body.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)
    slow: float = 0
    big: int = 0
    said: bytes = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/key-of-the-channel"


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver of webhooks, allowed by OPSPORTAL_WEBHOOK_HOSTS."""
    told = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(told.slow)
            self.send_response(told.answers.pop(0) if told.answers else 200)
            for name, value in told.more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.said + b"x" * told.big)

        do_GET = do_POST  # noqa: N815  as http.server calls it

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Who hangs up is not complained of."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with override_settings(WEBHOOK_HOSTS=[f"127.0.0.1:{told.port}", f"localhost:{told.port}"]):
        yield told
    server.shutdown()
    server.server_close()
    thread.join()


class Mailbox:
    """Keeps what a mail server was given; refuses every recipient while `refusing`, and those in `refused` as it says there."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusing = ""
        self.refused: dict[str, str] = {}

    async def handle_RCPT(self, _server: object, _session: object, envelope: Envelope, address: str, _: object) -> str:  # noqa: N802
        if answer := self.refusing or self.refused.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server on loopback that the portal is configured for."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        EMAIL_USE_TLS=False,
        EMAIL_USE_SSL=False,
        EMAIL_HOST_USER="",
        DEFAULT_FROM_EMAIL="opsportal@example.org",
    ):
        yield box
    server.stop()
