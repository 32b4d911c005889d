"""Nodes over TLS, on the lab's own servers: they are polled, the doctor tells how, and what is wrong with a certificate is said as such."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg import sql
from pytest_django import Settings

from apps.lab import postgres, redis
from apps.lab.layout import Layout, free_ports
from apps.lab.layout import Node as Server
from apps.lab.processes import write_private
from apps.lab.register import KINDS, register
from apps.lab.tier import Lab
from apps.metrics.collect import Collector
from apps.metrics.kernel import Failure
from apps.metrics.models import Node, Tier
from apps.metrics.readers import Target
from apps.metrics.readers.reach import Reach
from apps.queries.explain import NoPlan, Problem, explain
from tests.conftest import Until
from tests.overview.test_doctor_nodes import doctor, not_fine
from tests.watch import Watch

SERVERS = (Server.PRIMARY, Server.PGBOUNCER, Server.REDIS)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Secured:
    """The lab's primary, PgBouncer and Redis over TLS, by certificates for localhost: who signed them, who did not, and Redis' port."""

    layout: Layout
    authority: Path
    stranger: Path
    redis_port: int

    def url(self, server: Server, options: str = "", *, host: str = "localhost") -> str:
        """The polling login's address."""
        if server is not Server.REDIS:
            return self.layout.dsn(server, "opsportal_poll", direct=True).replace("127.0.0.1", host) + options
        plain = self.layout.redis_url(server, "opsportal_poll", direct=True)
        port = self.layout.port(server, direct=True)
        return plain.replace("redis://", "rediss://").replace(f"127.0.0.1:{port}", f"{host}:{self.redis_port}")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, authority: bool
) -> bytes:
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(_name(issuer), _name(subject), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(by, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def early(lab: Lab, layout: Layout) -> Iterator[None]:
    """A session of the polling login that is older than TLS, as a worker's may be."""
    console = layout.dsn(Server.PGBOUNCER, "opsportal_poll", "pgbouncer", direct=True)
    with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor):
        yield


@pytest.fixture(scope="module")
def secured(
    early: None, lab: Lab, layout: Layout, tmp_path_factory: pytest.TempPathFactory, until: Until
) -> Iterator[Secured]:
    """TLS is switched on while they run, and off again."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    theirs, other, own = keys
    folder = tmp_path_factory.mktemp("authorities")
    for file, key in (("authority.pem", theirs), ("stranger.pem", other)):
        (folder / file).write_bytes(_signed(file, key, file, key, authority=True))
    leaf = _signed("localhost", own, "authority.pem", theirs, authority=False).decode()
    for server in SERVERS:
        write_private(layout.folder(server) / "tls.crt", leaf, layout.user)
        write_private(layout.folder(server) / "tls.key", _pem(own), layout.user)
    found = Secured(layout, folder / "authority.pem", folder / "stranger.pem", free_ports(1)[0])
    ini = layout.folder(Server.PGBOUNCER) / "pgbouncer.ini"
    before = ini.read_text(encoding="utf-8")
    try:
        _switch_on(found, ini)
        for server in SERVERS:
            until(
                lambda server=server: (
                    refused(found.url(server, _mode(server, "require")), server, found.authority) is None
                )
            )
        yield found
    finally:
        ini.write_text(before, encoding="utf-8")
        _reload(layout)
        with postgres.connect(layout, Server.PRIMARY) as primary:
            for name in ("ssl", "ssl_cert_file", "ssl_key_file"):
                primary.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
            primary.execute("SELECT pg_reload_conf()")
        with redis.session(layout) as client:
            client.config_set("tls-port", 0)


def _switch_on(secured: Secured, ini: Path) -> None:
    layout = secured.layout
    with postgres.connect(layout, Server.PRIMARY) as primary:
        for name, value in (("ssl_cert_file", "tls.crt"), ("ssl_key_file", "tls.key"), ("ssl", "on")):
            primary.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        primary.execute("SELECT pg_reload_conf()")
    where = layout.folder(Server.PGBOUNCER)
    more = (
        f"client_tls_sslmode = require\nclient_tls_key_file = {where}/tls.key\nclient_tls_cert_file = {where}/tls.crt\n"
    )
    ini.write_text(ini.read_text(encoding="utf-8") + more, encoding="utf-8")
    _reload(layout)
    files = {
        f"tls-{kind}-file": str(layout.folder(Server.REDIS) / f"tls.{end}")
        for kind, end in (("cert", "crt"), ("key", "key"))
    }
    words = [word for pair in files.items() for word in pair]
    words += ["tls-auth-clients", "no", "tls-port", str(secured.redis_port)]
    with redis.session(layout) as client:
        client.execute_command("CONFIG SET", *words)  # type: ignore[no-untyped-call]


def _reload(layout: Layout) -> None:
    console = layout.dsn(Server.PGBOUNCER, "opsportal_admin", "pgbouncer", direct=True)
    with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("RELOAD")


def _mode(server: Server, mode: str) -> str:
    return "" if server is Server.REDIS else f"?sslmode={mode}"


def _target(url: str, server: Server, roots: Path | str = "") -> Target:
    kind, role = KINDS[server]
    return Target(1, server.value, kind, role, url, Reach(roots=str(roots)))


def refused(url: str, server: Server, roots: Path | str = "") -> Failure | None:
    """Why a node at this address is not read; None when it is."""
    collector = Collector(timedelta(seconds=8), kept=False)
    try:
        (polled,) = collector.poll([_target(url, server, roots)], {1: []}, {})
    finally:
        collector.close()
    return polled.failure


@pytest.mark.parametrize("server", SERVERS)
def test_a_certificate_is_believed_by_who_signed_it_and_whose_it_is(secured: Secured, server: Server) -> None:
    url = secured.url(server, _mode(server, "verify-full"))
    assert refused(url, server, secured.authority) is None
    for roots in (secured.stranger, ""):
        failure = refused(url, server, roots)
        assert failure is not None
        assert "its certificate is not believed" in failure.message
        assert "OPSPORTAL_NODE_CA" in failure.message, "what to do is said"
    elsewhere = refused(secured.url(server, _mode(server, "verify-full"), host="127.0.0.1"), server, secured.authority)
    assert elsewhere is not None
    assert "its certificate is not this host's" in elsewhere.message
    assert "127.0.0.1" in elsewhere.message


@pytest.mark.parametrize("server", [Server.PRIMARY, Server.PGBOUNCER])
def test_an_address_says_how_much_is_asked_of_the_certificate(secured: Secured, server: Server) -> None:
    anywhere = secured.url(server, "?sslmode=verify-ca", host="127.0.0.1")
    assert refused(anywhere, server, secured.authority) is None, "whoever the authority signed for"
    assert refused(anywhere, server, secured.stranger) is not None
    assert refused(secured.url(server, "?sslmode=require"), server, secured.stranger) is None, "encrypted is enough"
    assert refused(secured.url(server), server, secured.stranger) is None


def test_a_server_without_tls_is_told_from_one_that_is_away(secured: Secured) -> None:
    failure = refused(secured.url(Server.REPLICA_1, "?sslmode=require"), Server.PRIMARY)
    assert failure is not None
    assert "TLS, which is not spoken there" in failure.message


def test_a_wrong_password_over_tls_is_said_as_such(secured: Secured) -> None:
    hba = secured.layout.folder(Server.PRIMARY) / "pg_hba.conf"
    before = hba.read_text(encoding="utf-8")
    with postgres.connect(secured.layout, Server.PRIMARY) as primary:
        try:
            over_tls = (
                before.replace("host all all", "hostssl all opsportal_poll")
                + "host all postgres 127.0.0.1/32 scram-sha-256\n"
            )
            hba.write_text(over_tls, encoding="utf-8")
            primary.execute("SELECT pg_reload_conf()")
            url = secured.url(Server.PRIMARY, host="127.0.0.1")
            wrong = url.replace(secured.layout.password("postgres", "opsportal_poll"), "wrong")
            failure = refused(wrong, Server.PRIMARY)
            assert failure is not None
            assert "password authentication failed" in failure.message
        finally:
            hba.write_text(before, encoding="utf-8")
            primary.execute("SELECT pg_reload_conf()")


def _move(secured: Secured, tier: Tier, mode: str) -> None:
    """Add the nodes anew by their addresses over TLS."""
    for server in SERVERS:
        url = secured.url(server, _mode(server, mode))
        login, at, rest = url.partition("@")
        address = f"{login.rpartition(':')[0]}{at}{rest}"
        Node.objects.filter(tier=tier, name=server.value).update(address=address)


def test_the_doctor_tells_how_a_node_is_encrypted(
    secured: Secured, layout: Layout, db: None, settings: Settings
) -> None:
    tier = register(layout)
    _move(secured, tier, "verify-full")
    settings.NODE_CA = str(secured.authority)
    found = doctor()
    assert not_fine(found) == []
    assert found[Server.PRIMARY, "nodes.tls"]["detail"] == "TLSv1.3, its certificate is verified"
    assert "TLSv1.3" in found[Server.PGBOUNCER, "nodes.tls"]["detail"]
    assert found[Server.REDIS, "nodes.tls"]["detail"] == "yes, its certificate is verified"
    settings.NODE_CA = str(secured.stranger)
    found = doctor()
    for server in SERVERS:
        answers = found[server, "nodes.answers"]
        assert answers["state"] == "failure"
        assert "not believed" in answers["detail"]
        assert "host and port" not in answers["remedy"], "they are right"
    _move(secured, tier, "require")
    assert "is not verified" in doctor()[Server.PRIMARY, "nodes.tls"]["detail"]
    _move(secured, tier, "disable")
    refusal = doctor()[Server.PGBOUNCER, "nodes.answers"]
    assert "SSL required" in refusal["detail"]
    assert "sslmode=verify-full" in refusal["remedy"]


def test_all_that_polls_ask_is_answered_over_tls(secured: Secured, watch: Watch, settings: Settings) -> None:
    settings.NODE_CA = str(secured.authority)
    _move(secured, watch.tier, "verify-full")
    measured = watch.poll(2)
    for view in measured.view.nodes:
        assert view.failure is None, (view.name, view.failure)
        for answer in view.answers.values():
            assert answer.failure is None, (view.name, answer.probe_id, answer.failure)


def test_a_plan_is_asked_for_over_tls_too(secured: Secured) -> None:
    for roots, problem in ((secured.authority, Problem.GONE), (secured.stranger, Problem.UNREACHABLE)):
        target = _target(secured.url(Server.PRIMARY, "?sslmode=verify-full"), Server.PRIMARY, roots)
        with pytest.raises(NoPlan) as refusal:
            explain(target, 1, None)
        assert refusal.value.problem is problem


class Health(BaseHTTPRequestHandler):
    """Answers every GET with a JSON object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@pytest.fixture
def application(secured: Secured, tmp_path: Path) -> Iterator[int]:
    """An application over TLS, by the servers' certificate; its port."""
    folder = secured.layout.folder(Server.PRIMARY)
    both = tmp_path / "both.pem"
    both.write_text((folder / "tls.key").read_text() + (folder / "tls.crt").read_text(), encoding="utf-8")
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(both)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    server.socket = served.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_application_is_believed_by_the_same_authority(secured: Secured, application: int) -> None:
    url = f"https://localhost:{application}"
    assert refused(url, Server.APP, secured.authority) is None
    for roots, host, told in (
        (secured.stranger, "localhost", "its certificate is not believed"),
        (secured.authority, "127.0.0.1", "its certificate is not this host's"),
    ):
        failure = refused(url.replace("localhost", host), Server.APP, roots)
        assert failure is not None
        assert told in failure.message
