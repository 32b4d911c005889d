"""`make demo`, seen by the person at the terminal: one address, people who can log in, nothing left behind."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from apps.accounts.roles import Role
from apps.lab.layout import free_ports
from apps.lab.processes import server_user, until
from apps.lab.tier import Lab
from tests.lab.running_demo import PROJECT, RunningDemo, alive, command

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("demo")
    yield directory
    Lab(directory).reset()


@pytest.fixture(scope="module")
def demo(home: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(home).start()
    yield running
    running.stop()


def test_it_prints_one_address_and_a_login_for_every_role(demo: RunningDemo) -> None:
    assert re.findall(r"http://\S+", demo.printed) == [f"http://localhost:{demo.port}"]
    for person in demo.facts["people"]:
        assert re.search(rf"{person['username']}\s+{person['password']}\s+{person['roles'][0]}\s", demo.printed)
    assert {role for person in demo.facts["people"] for role in person["roles"]} == set(Role.values)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_address_answers_whichever_way_localhost_resolves(demo: RunningDemo, host: str) -> None:
    assert httpx.get(f"http://{host}:{demo.port}/healthz").status_code == 200


@contextmanager
def logged_in(demo: RunningDemo, username: str) -> Iterator[httpx.Client]:
    """A browser of one of the demo's people."""
    person = next(one for one in demo.facts["people"] if one["username"] == username)
    with httpx.Client(base_url=demo.facts["url"], follow_redirects=True) as browser:
        page = browser.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"login": username, "password": person["password"], "csrfmiddlewaretoken": token[1]}
        page = browser.post("/accounts/login/", data=form, headers={"Referer": demo.facts["url"]})
        assert (page.status_code, page.url.path) == (200, "/"), person
        yield browser


def test_every_person_can_log_in_and_sees_the_overview(demo: RunningDemo) -> None:
    for person in demo.facts["people"]:
        with logged_in(demo, person["username"]) as browser:
            assert browser.get("/").status_code == 200


def beside(demo: RunningDemo, *words: str) -> subprocess.CompletedProcess[str]:
    """A command that somebody types in another terminal."""
    argv = [sys.executable, "manage.py", "lab", "manage", *words]
    own = {"PATH": os.environ["PATH"], "OPSPORTAL_LAB_DIR": str(demo.directory)}
    return subprocess.run(argv, cwd=PROJECT, env=own, capture_output=True, text=True, timeout=120, check=False)


def test_commands_beside_it_reach_its_portal(demo: RunningDemo, tmp_path: Path) -> None:
    told = beside(demo, "doctor", "--json")
    findings = {one["id"]: one for one in json.loads(told.stdout)["findings"]}
    assert findings["store.login"]["state"] == "fine", told
    assert beside(demo, "doctor", "--tier", "nowhere").returncode == 2, "the command's own exit status"
    argv = [sys.executable, "manage.py", "lab", "manage", "doctor"]
    own = {"PATH": os.environ["PATH"], "OPSPORTAL_LAB_DIR": str(tmp_path)}
    none = subprocess.run(argv, cwd=PROJECT, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert none.stderr == f"CommandError: No demo runs in {tmp_path}. `make demo` starts it.\n"


def test_what_it_wrote_is_readable_by_its_owner_only(demo: RunningDemo) -> None:
    for name in ("demo.json", "people.json", "lab.json", "run/portal.json"):
        assert stat.S_IMODE((demo.directory / name).stat().st_mode) == 0o600


def test_the_nodes_it_names_are_really_there_and_polled_without_write_access(demo: RunningDemo) -> None:
    nodes = demo.facts["nodes"]
    assert {name: node["kind"] for name, node in nodes.items()} == {
        "lab-primary": "postgres",
        "lab-replica-1": "postgres",
        "lab-replica-2": "postgres",
        "lab-pgbouncer": "pgbouncer",
        "lab-redis": "redis",
        "lab-app": "application",
    }
    with psycopg.connect(nodes["lab-primary"]["dsn"], autocommit=True) as primary:
        assert primary.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        primary.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            primary.execute("CREATE TABLE ours (id int)")


def test_no_command_line_shows_a_secret(demo: RunningDemo) -> None:
    lab = json.loads((demo.directory / "lab.json").read_text(encoding="utf-8"))
    secrets = {
        *lab["passwords"].values(),
        *lab["keys"].values(),
        *(person["password"] for person in demo.facts["people"]),
    }
    lines = alive(demo.everything())
    assert len(lines) > 10
    assert not [line for line in lines if any(secret in line for secret in secrets)]


def test_a_killed_worker_is_told_and_comes_back(demo: RunningDemo) -> None:
    worker = demo.find("worker")
    assert worker
    worker.send(signal.SIGKILL)
    assert until(lambda: "worker was killed by signal 9; started again in 3 s" in demo.printed, 10), demo.printed
    assert until(lambda: (again := demo.find("worker")) and again.pid != worker.pid, 20)


def test_the_ledger_is_signed_and_witnessed_by_a_process_of_another_user(demo: RunningDemo) -> None:
    with logged_in(demo, demo.facts["people"][0]["username"]) as browser:
        assert until(lambda: ", witnessed." in browser.get("/ledger/").text, 90)
    signed = Lab(demo.directory).layout.data / "witness" / "witnessed"
    assert signed.owner() == server_user()


def test_a_second_demo_says_that_one_runs_and_where(demo: RunningDemo) -> None:
    for words in ([], ["--reset"]):
        argv, environment = command(demo.directory, free_ports(1)[0], *words)
        second = subprocess.run(
            argv, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 1
        assert f"runs already at http://localhost:{demo.port} (process {demo.child.pid})" in second.stderr
    assert demo.child.poll() is None


def test_a_taken_port_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        argv, environment = command(tmp_path, port)
        refused = subprocess.run(
            argv, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert refused.returncode == 1
    assert f"Port {port} is taken: " in refused.stderr
    assert f"make demo PORT={port + 1}" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["demo.lock"]


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    argv, environment = command(tmp_path, 0)
    refused = subprocess.run(
        argv, cwd=PROJECT, env=environment | {"PORT": port}, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert f"PORT is '{port}': write a number from 1 to 65535" in refused.stderr


def test_nothing_is_left_however_it_ends_and_the_data_stays(demo: RunningDemo) -> None:
    """The last one in this file: it ends the demo that the others look at."""
    logins, members = demo.facts["people"], demo.everything()
    demo.press_ctrl_c()
    assert demo.ended() == 0, demo.printed
    assert alive(members) == []

    killed = RunningDemo(demo.directory).start()
    assert killed.facts["people"] == logins
    left = killed.everything()
    killed.kill()
    assert alive(left)

    after = RunningDemo(demo.directory, port=killed.port).start()
    assert "An earlier demo did not end properly; its web, worker, beat, witness was stopped." in after.printed
    members = after.everything() | left
    after.hang_up()
    assert after.ended() == 0
    assert alive(members) == []


def test_reset_forgets_everything(home: Path) -> None:
    argv, environment = command(home, 8000, "--reset")
    subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, timeout=60, check=True)
    assert [path.name for path in home.iterdir() if path.is_file() and path.name != "lock"] == []
