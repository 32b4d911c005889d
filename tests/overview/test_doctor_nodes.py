"""`manage.py doctor` on nodes: what the polling login lacks is named with the line that cures it, and a dead node is a line."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from io import StringIO
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from redis import Redis

from apps.accounts.models import Person
from apps.lab import postgres, redis
from apps.lab.layout import DATABASE, Layout
from apps.lab.layout import Node as Server
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics import secrets, thresholds
from apps.metrics.kernel import NodeKind
from apps.metrics.models import Node, Tier
from apps.metrics.registry import checks
from apps.overview.doctor import nodes, redis_rights
from tests.conftest import Inject, Until

POSTGRES = ("lab-primary", "lab-replica-1", "lab-replica-2")
Findings = dict[tuple[str, str], dict[str, Any]]
OLD_STATISTICS = "DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '1.7'"
NOT_INHERITED = """DO $$ BEGIN
    IF current_setting('server_version_num')::int < 160000 THEN ALTER ROLE opsportal_poll NOINHERIT;
    ELSE EXECUTE 'GRANT pg_monitor TO opsportal_poll WITH INHERIT FALSE'; END IF;
END $$"""


@pytest.fixture
def tier(lab: Lab, db: None) -> Tier:
    """The lab's tier."""
    return register(lab.layout)


@pytest.fixture
def primary(lab: Lab, layout: Layout) -> Iterator[psycopg.Connection]:
    """A superuser in the database that is polled; the polling login's rights are as they were afterwards."""
    with postgres.connect(layout, Server.PRIMARY, DATABASE) as connection:
        yield connection
    with postgres.connect(layout, Server.PRIMARY, DATABASE) as connection:  # the test may have restarted the server
        connection.execute("ALTER ROLE opsportal_poll LOGIN INHERIT NOCREATEDB")
        connection.execute("GRANT pg_monitor TO opsportal_poll")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute("ALTER EXTENSION pg_stat_statements UPDATE")
        connection.execute("REVOKE INSERT ON conversation FROM opsportal_poll")
        connection.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO opsportal_poll")


def doctor() -> Findings:
    """Findings of nodes by node and id."""
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--tier", "lab", stdout=out)
    return {(found["node"], found["id"]): found for found in json.loads(out.getvalue())["findings"] if found["node"]}


def not_fine(found: Findings) -> list[dict[str, Any]]:
    return [one for one in found.values() if one["state"] != "fine"]


def run(client: Redis, line: str) -> None:
    client.execute_command(*line.split())  # type: ignore[no-untyped-call]


def test_the_labs_tier_is_as_it_should_be(tier: Tier) -> None:
    found = doctor()
    assert {node for node, _id in found} == {*POSTGRES, "lab-pgbouncer", "lab-redis", "lab-app"}
    assert not_fine(found) == []
    for node in POSTGRES:
        for of in ("version", "clock", "tls", "rights", "statements", "reads_only", "questions"):
            assert (node, f"nodes.{of}") in found


@pytest.mark.parametrize(
    ("taken", "of", "told"),
    [
        ("REVOKE pg_monitor FROM opsportal_poll", "nodes.rights", "pg_monitor"),
        ("ALTER ROLE opsportal_poll NOLOGIN", "nodes.answers", "not permitted to log in"),
        ("ALTER ROLE opsportal_poll CREATEDB", "nodes.reads_only", "CREATEDB"),
        ("DROP EXTENSION pg_stat_statements", "nodes.statements", DATABASE),
        (OLD_STATISTICS, "nodes.statements", "Version 1.7, of which nothing is read"),
        (NOT_INHERITED, "nodes.rights", "does not inherit its rights"),
        ("GRANT INSERT ON conversation TO opsportal_poll", "nodes.reads_only", "public.conversation"),
        ("REVOKE SELECT ON ALL SEQUENCES IN SCHEMA public FROM opsportal_poll", "nodes.sequences", "public"),
    ],
)
def test_the_line_that_is_told_cures_it(
    tier: Tier, primary: psycopg.Connection, until: Until, taken: str, of: str, told: str
) -> None:
    primary.execute(taken.encode())
    found = doctor()["lab-primary", of]
    assert found["state"] in {"failure", "warning"}
    assert told in found["detail"]
    for line in found["commands"]:
        primary.execute(line.encode())
    until(lambda: not not_fine(doctor()))


def test_a_clock_and_a_role_that_are_not_as_they_should_be_are_told(tier: Tier, dba: Person) -> None:
    check, primary = checks()["node.clock_offset"], Node.objects.get(name="lab-primary")
    thresholds.change(tier, check, primary, (1e-12, 1e-9), "clocks must agree", dba)
    thresholds.change(tier, check, Node.objects.get(name="lab-replica-1"), (1e-9, 1e6), "clocks must agree", dba)
    Node.objects.filter(name="lab-replica-2").update(role="primary")
    found = doctor()
    assert {node: found[node, "nodes.clock"]["state"] for node in POSTGRES} == {
        "lab-primary": "failure",
        "lab-replica-1": "warning",
        "lab-replica-2": "fine",
    }
    clock, role = found["lab-primary", "nodes.clock"], found["lab-replica-2", "nodes.answers"]
    assert clock["detail"].endswith((" ahead of the portal's.", " behind the portal's."))
    assert clock["remedy"] == check.remedy
    assert (role["state"], role["detail"]) == ("warning", "It answers as a replica and was added as primary.")


def test_statistics_that_no_server_start_loaded_are_loaded_by_the_line_beside_what_was(
    tier: Tier, layout: Layout, fault: Inject, heal: Inject, until: Until
) -> None:
    """Beside another library: a list in one string would be the name of one library, and the server would not start again."""

    def restart(line: str) -> None:
        with postgres.connect(layout, Server.PRIMARY, DATABASE) as owner:
            owner.execute(line.encode())
        fault("stop-primary")
        heal("stop-primary")

    try:
        restart("ALTER SYSTEM SET shared_preload_libraries = 'plpgsql'")
        found = doctor()["lab-primary", "nodes.statements"]
        assert (found["state"], len(found["commands"])) == ("failure", 1)
        assert "not loaded with this server" in found["detail"]
        restart(found["commands"][0])
        until(lambda: doctor()["lab-primary", "nodes.statements"]["state"] == "fine")
    finally:
        restart("ALTER SYSTEM RESET shared_preload_libraries")


def test_a_login_that_may_do_anything_is_told_how_to_make_one_that_may_not(tier: Tier, layout: Layout) -> None:
    address, password = secrets.split(NodeKind.POSTGRES, layout.dsn(Server.PRIMARY, "postgres"))
    Node.objects.filter(name="lab-primary").update(address=address, secret=secrets.seal(password))
    assert doctor()["lab-primary", "nodes.reads_only"]["commands"] == [
        "CREATE ROLE opsportal_poll LOGIN PASSWORD '…' IN ROLE pg_monitor;"
    ]


def test_what_pgbouncers_console_refuses_is_told(tier: Tier, lab: Lab, layout: Layout) -> None:
    file = layout.folder(Server.PGBOUNCER) / "pgbouncer.ini"
    before = file.read_text(encoding="utf-8")
    with psycopg.connect(
        layout.dsn(Server.PGBOUNCER, "opsportal_admin", "pgbouncer", direct=True), autocommit=True
    ) as console:
        try:
            file.write_text(before.replace("stats_users = opsportal_poll\n", "stats_users =\n"), encoding="utf-8")
            console.execute("RELOAD")
            found = doctor()["lab-pgbouncer", "nodes.answers"]
            assert found["state"] == "failure"
            file.write_text(before.replace("stats_users = opsportal_poll", found["commands"][0]), encoding="utf-8")
            console.execute("RELOAD")
            assert doctor()["lab-pgbouncer", "nodes.answers"]["state"] == "fine"
        finally:
            file.write_text(before, encoding="utf-8")
            console.execute("RELOAD")


@pytest.mark.parametrize(
    ("rules", "of", "told"),
    [
        ("-slowlog|get -config|get", "nodes.rights", "SLOWLOG GET, CONFIG GET"),
        ("clearselectors", "nodes.rights", "HGETALL"),
        ("~* +@write", "nodes.reads_only", "may write"),
        ("-info", "nodes.answers", "info"),
    ],
)
def test_a_line_of_the_acl_cures_redis(tier: Tier, layout: Layout, rules: str, of: str, told: str) -> None:
    with redis.session(layout) as administrator:
        try:
            run(administrator, f"ACL SETUSER opsportal_poll {rules}")
            found = doctor()["lab-redis", of]
            assert found["state"] == "failure"
            assert told in found["detail"]
            run(administrator, found["commands"][0])
            assert not_fine(doctor()) == []
        finally:
            run(administrator, "ACL LOAD")


def test_the_acl_that_is_told_is_the_documented_one() -> None:
    assert redis_rights.rules(since_7=True) in (settings.BASE_DIR / "docker-compose.yml").read_text(encoding="utf-8")


def test_wrong_passwords_a_dead_and_a_hanging_node_are_lines_and_the_rest_goes_on(
    tier: Tier, fault: Inject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The application itself waits a while for the frozen replica before it tells.
    monkeypatch.setattr(nodes, "WITHIN", timedelta(seconds=5))
    Node.objects.exclude(name__in=("lab-primary", "lab-replica-2", "lab-app")).update(secret=secrets.seal("s3cr3t"))
    fault("freeze-replica-2")
    dead = {"kind": "postgres", "role": "replica", "address": "postgresql://opsportal_poll@127.0.0.1:1/messaging"}
    Node.objects.create(tier=tier, name="dead", **dead)
    found = doctor()
    assert {node: one["state"] for (node, of), one in found.items() if of == "nodes.answers"} == {
        "dead": "failure",
        "lab-app": "fine",
        "lab-primary": "fine",
        "lab-replica-1": "failure",
        "lab-replica-2": "failure",
        "lab-pgbouncer": "failure",
        "lab-redis": "failure",
    }
    assert found["lab-primary", "nodes.rights"]["state"] == "fine"
    assert "within" in found["lab-replica-2", "nodes.answers"]["detail"]
    assert "No connection" in found["dead", "nodes.answers"]["detail"]
    assert found["lab-replica-1", "nodes.answers"]["commands"] == ["ALTER ROLE \"opsportal_poll\" LOGIN PASSWORD '…';"]
    assert found["lab-pgbouncer", "nodes.answers"]["commands"] == ['"opsportal_poll" "…"']
    assert found["lab-redis", "nodes.answers"]["commands"] == ["ACL SETUSER opsportal_poll on resetpass >…"]
    assert "s3cr3t" not in json.dumps(list(found.values()))


class Impostor:
    """Answers in the place of a PostgreSQL server, and refuses everybody with these words about their host."""

    def __init__(self, host: str) -> None:
        said = f'no pg_hba.conf entry for host "{host}", user "mon", database "app", no encryption'
        fields = b"".join(
            kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", "28000"), (b"M", said))
        )
        self._answer = b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://mon@127.0.0.1:{self._server.getsockname()[1]}/app?sslmode=disable"
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._server.accept()
                with client:
                    client.recv(4096)
                    client.sendall(self._answer)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


def test_a_line_of_pg_hba_names_an_address_or_is_not_given(db: None) -> None:
    tier = Tier.objects.create(slug="lab", name="Lab")
    hosts = ("10.0.0.7", "fd00::7", "0.0.0.0/0 trust #", "fe80::1%0 trust #", "all")
    with ExitStack() as stack:
        for number, host in enumerate(hosts):
            impostor = stack.enter_context(closing(Impostor(host)))
            Node.objects.create(tier=tier, name=f"n{number}", kind="postgres", role="primary", address=impostor.url)
        found = doctor()
    lines = [found[f"n{number}", "nodes.answers"]["commands"] for number in range(len(hosts))]
    reload = "SELECT pg_reload_conf();"
    assert lines == [
        ["host app mon 10.0.0.7/32 scram-sha-256", reload], ["host app mon fd00::7/128 scram-sha-256", reload], [], [], [],
    ]  # fmt: skip
    assert "Let the portal's host in" in found["n2", "nodes.answers"]["remedy"]
    assert "over TLS only" in found["n2", "nodes.answers"]["remedy"], "as its address forbids TLS"


def test_only_the_tier_that_is_asked_for_is_examined(db: None) -> None:
    for slug in ("lab", "staging"):
        Tier.objects.create(slug=slug, name=slug)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--tier", "lab", stdout=out)
    assert {found["tier"] for found in json.loads(out.getvalue())["findings"]} == {"", "lab"}


def test_a_tier_that_there_is_not_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("doctor", "--tier", "nowhere")
