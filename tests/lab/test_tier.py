"""The lab comes up, is asked twice, is killed, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.lab import binaries, postgres, redis
from apps.lab import layout as layouts
from apps.lab.layout import HOST, OWN, PORTS, REPLICAS, Layout, LayoutBroken, Node
from apps.lab.processes import server_user
from apps.lab.tier import Lab
from tests.conftest import Until

BASE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("small") / "lab")
    yield lab
    lab.reset()


@pytest.fixture
def small(made: Lab) -> Iterator[Lab]:
    """A lab of its own of which only the store is started: quick to start, kill and start again."""
    yield made
    made.down()


def command(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name == PORTS or not name.startswith("OPSPORTAL_")
    }
    environment |= {
        "OPSPORTAL_LAB_DIR": str(directory),
        "OPSPORTAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    }
    argv = [sys.executable, "manage.py", "lab", *words]
    return subprocess.run(argv, cwd=BASE, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_up_twice_starts_nothing_twice(lab: Lab) -> None:
    before = {node.name: node.pid for node in lab.status()}
    assert lab.up() < 5
    assert {node.name: node.pid for node in lab.status()} == before
    assert {node.name for node in lab.status() if node.state != "up"} == set()


def test_the_servers_run_as_an_unprivileged_user_on_loopback_only(lab: Lab) -> None:
    for name in (*REPLICAS, Node.PRIMARY, Node.PGBOUNCER, Node.REDIS, *OWN, "proxy"):
        process = lab.servers.find(name)
        assert process is not None
        uid = Path(f"/proc/{process.pid}").stat().st_uid
        assert uid != 0, name
        assert Path(f"/proc/{process.pid}").owner() == server_user()
    with postgres.connect(lab.layout, Node.PRIMARY) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == (HOST,)
    with redis.session(lab.layout) as client:
        assert client.config_get("bind") == {"bind": HOST}


def test_both_replicas_stream_over_their_own_slots(lab: Lab) -> None:
    query = """SELECT application_name, state, slot_name FROM pg_stat_replication
               JOIN pg_replication_slots ON active_pid = pid ORDER BY 1"""
    with postgres.connect(lab.layout, Node.PRIMARY) as connection:
        assert connection.execute(query).fetchall() == [
            ("lab-replica-1", "streaming", "replica_1"),
            ("lab-replica-2", "streaming", "replica_2"),
        ]


def test_no_password_is_in_an_argument_or_a_file_that_others_may_read(lab: Lab) -> None:
    secrets = [*lab.layout.passwords.values(), *lab.layout.keys.values()]
    for process in lab.servers.roster.living().values():
        line = Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")
        assert not any(secret in line for secret in secrets), process.name
    assert lab.layout.file.stat().st_mode & 0o777 == 0o600
    assert lab.layout.data.stat().st_mode & 0o077 == 0


def test_the_polling_login_may_look_and_not_write(lab: Lab) -> None:
    dsn = lab.layout.dsn(Node.PRIMARY, "opsportal_poll")
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine ()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM conversation_message LIMIT 1")


def test_the_console_has_one_login_that_looks_and_one_that_acts(lab: Lab) -> None:
    def ask(login: str, order: str) -> int:
        dsn = lab.layout.dsn(Node.PGBOUNCER, login)
        with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            return console.execute(order.encode()).rowcount

    assert ask("opsportal_poll", "SHOW POOLS") > 0
    ask("opsportal_admin", "RECONNECT messaging")
    with pytest.raises(psycopg.Error):
        ask("opsportal_poll", "RECONNECT messaging")


def test_the_pool_serves_the_application(lab: Lab) -> None:
    with psycopg.connect(lab.layout.dsn(Node.PGBOUNCER, "app"), prepare_threshold=None) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("app", "messaging")


def test_the_store_separates_who_makes_from_who_serves(layout: Layout) -> None:
    with psycopg.connect(layout.dsn(Node.STORE, "opsportal_owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE made (id int)")
        try:
            with psycopg.connect(layout.dsn(Node.STORE, "opsportal_app"), autocommit=True) as app:
                app.execute("INSERT INTO made VALUES (1)")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute("TRUNCATE made")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute("CREATE TABLE mine ()")
        finally:
            owner.execute("DROP TABLE made")


def test_down_leaves_nothing_running_and_the_data_stays(small: Lab) -> None:
    small.up_store()
    pids = [process.pid for process in small.servers.roster.living().values()]
    with postgres.connect(small.layout, Node.STORE) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
    assert small.down() == ["store-postgres", "store-redis"]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert small.down() == []
    small.up_store()
    with postgres.connect(small.layout, Node.STORE) as connection:
        connection.execute("TABLE kept")


def test_after_kill_9_it_comes_up_again_with_its_data(small: Lab, until: Until) -> None:
    small.up_store()
    with postgres.connect(small.layout, Node.STORE) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
    for process in small.servers.roster.living().values():
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: not small.servers.roster.living())
    small.up_store()
    with postgres.connect(small.layout, Node.STORE) as connection:
        connection.execute("TABLE kept")


def test_servers_whose_record_was_lost_are_found_and_ended(small: Lab) -> None:
    small.up_store()
    old = {process.pid for process in small.servers.roster.living().values()}
    for record in small.layout.run.glob("*.json"):
        record.unlink()
    ports = small.layout.ports
    small.up_store()
    new = {process.pid for process in small.servers.roster.living().values()}
    assert not old & new
    assert small.layout.ports == ports


def test_another_process_with_a_remembered_pid_is_never_touched(small: Lab) -> None:
    small.up_store()
    small.down()
    with subprocess.Popen(["sleep", "60"]) as other:
        record = {"name": "store-redis", "pid": other.pid, "born": "another boot:1", "log": ""}
        (small.layout.run / "store-redis.json").write_text(json.dumps(record), encoding="utf-8")
        small.up_store()
        small.down()
        assert other.poll() is None
        other.kill()


def test_a_port_taken_meanwhile_is_changed_and_said(small: Lab) -> None:
    small.up_store()
    small.down()
    said: list[str] = []
    port = small.layout.ports[Node.STORE]
    with socket.create_server((HOST, port)):
        Lab(small.directory, said.append).up_store()
    assert small.layout.ports[Node.STORE] != port
    assert any("store-postgres" in line and "taken" in line for line in said)
    with postgres.connect(small.layout, Node.STORE) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders its servers' user cannot reach")
def test_data_is_kept_elsewhere_when_the_servers_cannot_reach_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    lab = Lab(tmp_path / "lab")
    try:
        lab.up_store()
        data = lab.layout.data
        assert data.is_relative_to("/var/tmp")
        assert data.stat().st_mode & 0o777 == 0o700
    finally:
        lab.reset()
    assert not data.exists()


def test_a_long_path_does_not_break_the_sockets(tmp_path: Path) -> None:
    lab = Lab(tmp_path / ("long-" * 20))
    try:
        lab.up_store()
    finally:
        lab.reset()


def test_status_before_there_is_a_lab_says_down_and_makes_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "none")
    assert {node.state for node in lab.status()} == {"down"}
    assert not lab.directory.exists()


def test_a_broken_layout_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{}", encoding="utf-8")
    with pytest.raises(LayoutBroken, match="lab reset"):
        layouts.load(tmp_path)


@pytest.mark.parametrize("variable", [binaries.ANY, binaries.WATCHED])
def test_missing_programs_are_named_with_their_packages(tmp_path: Path, variable: str) -> None:
    environment = os.environ | {variable: str(tmp_path)}
    script = "from apps.lab import binaries; print(*binaries.missing(), sep='\\n')"
    run = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=BASE, env=environment, capture_output=True, text=True, check=True
    )
    assert f"{variable} ({tmp_path})" in run.stdout
    assert "apt-get install postgresql" in run.stdout
    assert binaries.missing() == ()


def test_the_command_works_without_any_database(tmp_path: Path) -> None:
    status = command(tmp_path / "lab", "status", "--json")
    assert status.returncode == 0, status.stderr
    assert {node["state"] for node in json.loads(status.stdout)["nodes"]} == {"down"}


def test_down_where_nothing_runs_says_so(tmp_path: Path, settings: Settings) -> None:
    settings.LAB_DIR = tmp_path / "lab"
    said = StringIO()
    call_command("lab", "down", stdout=said)
    assert said.getvalue() == "Nothing was running.\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["fault", "stop-primry"], "Did you mean stop-primary"),
        (["fault", "stop-primary"], "There is no lab in"),
        (["load", "set", "cache", "on"], "There is no lab in"),
        (["heal"], "required"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, settings: Settings, words: list[str], answer: str) -> None:
    settings.LAB_DIR = tmp_path / "lab"
    with pytest.raises(CommandError, match=answer):
        call_command("lab", *words)


def test_ports_are_chosen_within_the_bounds_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PORTS, "31000-31120")
    assert {port for _ in range(5) for port in layouts.free_ports(20)} <= set(range(31000, 31121))


@pytest.mark.parametrize(
    "words", ["31000", "31000-31010", "31120-31000", "80-900", "65000-70000", "all", "31000-3112x"]
)
def test_bounds_without_ports_are_refused_with_what_to_write(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv(PORTS, words)
    with pytest.raises(LayoutBroken, match="write the first and the last of at least 100 ports, as 15000-15999"):
        layouts.free_ports(1)
