"""What the pools room reads, on rows that a real PgBouncer gave."""

import shutil
from collections.abc import Callable, Iterator

import psycopg
import pytest

from apps.lab.binaries import find
from apps.lab.layout import HOST, Layout, Node, free_ports, make_folder, port_free
from apps.lab.processes import Roster, write_private
from apps.metrics.kernel import NodeKind
from apps.pools import probes
from apps.pools.checks import CHECKS
from tests.watch import Asking, samples_of

POOL = "messaging/app"
UNTOUCHED = """[databases]
{}

[pgbouncer]
auth_type = plain
auth_file = {}/users
listen_addr = 127.0.0.1
listen_port = {}
unix_socket_dir =
stats_users = poll
pool_mode = {}
"""
TIER = {probe.id: probe for probe in probes.TIER_PROBES}
TRAFFIC = next(probe for probe in probes.PROBES if probe.id == "pools.stats")


@pytest.fixture
def bouncer(lab: object, layout: Layout) -> Iterator[Asking]:
    """PgBouncer's console as the portal reads it."""
    asking = Asking(NodeKind.PGBOUNCER, layout.dsn(Node.PGBOUNCER, "opsportal_poll"), probes.PROBES)
    yield asking
    asking.close()


@pytest.fixture
def pooled(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A client of the application's pool."""
    dsn = layout.dsn(Node.PGBOUNCER, "app")
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None, application_name="a client") as connection:
        yield connection


def test_utilisation_is_servers_in_use_of_the_pools_size(bouncer: Asking, pooled: psycopg.Connection) -> None:
    with pooled.transaction():
        pooled.execute("SELECT 1")
        rows, found = bouncer.derive(TIER["pools.use"], bouncer.ask())
    (row,) = (row for row in rows if row["object"] == POOL)
    assert row["size"] == 20
    assert row["in_use"] >= 1  # type: ignore[operator]
    assert found["pools.use.utilisation", POOL] == row["in_use"] / 20  # type: ignore[operator]
    assert found["pools.use.waiting_total", ""] == 0


def test_the_mode_is_that_of_a_pool_in_use(bouncer: Asking, pooled: psycopg.Connection) -> None:
    pooled.execute("SELECT 1")
    rows, found = bouncer.derive(TIER["pools.mode"], bouncer.ask())
    assert found["pools.mode.transaction", POOL] == 1
    (row,) = (row for row in rows if row["object"] == POOL)
    assert (row["mode"], row["told_by"]) == ("transaction", "SHOW POOLS")


@pytest.fixture
def untouched(layout: Layout) -> Iterator[Callable[[str, str], Asking]]:
    """`untouched(databases, pool_mode)`: the console of a PgBouncer of one's own that nobody has connected through."""
    folder, asked = layout.folder("untouched"), []
    make_folder(folder, layout.user)
    roster, (port,) = Roster(folder), free_ports(1)

    def start(databases: str, pool_mode: str) -> Asking:
        write_private(folder / "users", '"poll" "secret"', layout.user)
        write_private(folder / "ini", UNTOUCHED.format(databases, folder, port, pool_mode), layout.user)
        command = [find().pgbouncer, folder / "ini"]
        process = roster.start("pooler", command, log=folder / "log", cwd=folder, user=layout.user)
        roster.await_ready(process, lambda: not port_free(port))
        asked.append(Asking(NodeKind.PGBOUNCER, f"postgresql://poll:secret@{HOST}:{port}/pgbouncer", probes.PROBES))
        return asked[-1]

    try:
        yield start
        for one in asked:
            one.close()
    finally:
        roster.stop("pooler")
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("databases", "pool_mode", "said"),
    [
        ("shop = host=127.0.0.1", "transaction", [("shop", "transaction", "SHOW CONFIG", 1)]),
        ("shop = host=127.0.0.1", "session", [("shop", "session", "SHOW CONFIG", 0)]),
        ("shop = host=127.0.0.1 pool_mode=transaction", "session", [("shop", "transaction", "SHOW DATABASES", 1)]),
        ("shop = host=127.0.0.1 pool_mode=statement", "transaction", [("shop", "statement", "SHOW DATABASES", 0)]),
        ("* = host=127.0.0.1", "transaction", [("", "transaction", "SHOW CONFIG", 1)]),
    ],
)
def test_the_mode_is_known_before_anybody_has_connected(
    untouched: Callable[[str, str], Asking], databases: str, pool_mode: str, said: list[tuple[str, str, str, int]]
) -> None:
    asking = untouched(databases, pool_mode)
    for _ in range(2):
        rows, found = asking.derive(TIER["pools.mode"], asking.ask())
        told = [(r["object"], r["mode"], r["told_by"], found["pools.mode.transaction", str(r["object"])]) for r in rows]
        assert told == said
        asking.probes = [probe for probe in asking.probes if probe.id != "pools.config"]  # not due at the next poll


def test_the_consoles_own_pool_is_never_counted(bouncer: Asking, pooled: psycopg.Connection) -> None:
    pooled.execute("SELECT 1")
    view = bouncer.ask()
    raw = view.rows("pools.pools") or ()
    assert any(row["database"] == "pgbouncer" for row in raw), "the console lists itself"
    _, found = bouncer.derive(TIER["pools.use"], view)
    objects = {of for _, of in found} | {of for answer in view.answers.values() for _, of in samples_of(answer)}
    assert not any(of.startswith("pgbouncer") for of in objects)


def test_traffic_is_what_grew_between_two_polls(bouncer: Asking, pooled: psycopg.Connection) -> None:
    bouncer.ask()
    for _ in range(50):
        pooled.execute("SELECT 1")
    found = samples_of(bouncer.ask().answers["pools.stats"])
    assert (found["pools.stats.transactions", "messaging"] or 0) > 1
    wait = found["pools.stats.wait", "messaging"]
    assert wait is not None
    assert 0 <= wait < 1
    assert 0 < (found["pools.stats.query_time", "messaging"] or 0) < 1


def test_totals_that_went_down_are_a_new_beginning_not_a_negative_rate(
    bouncer: Asking, pooled: psycopg.Connection
) -> None:
    pooled.execute("SELECT 1")
    before = bouncer.ask().rows("pools.stats") or ()
    pooled.execute("SELECT 1")
    after = bouncer.ask().rows("pools.stats") or ()
    assert TRAFFIC.derive is not None
    assert not list(TRAFFIC.derive(before, after, 10.0)), "as if the pooler had been restarted in between"


def test_a_server_kept_in_silence_is_told_with_its_client(bouncer: Asking, pooled: psycopg.Connection) -> None:
    with pooled.transaction():
        pooled.execute("SELECT 1")
        pid = pooled.execute("SELECT pg_backend_pid()").fetchone()
        for polls in range(3):
            _, found = bouncer.derive(TIER["pools.held"], bouncer.ask())
            assert found["pools.held.longest", ""] == 10 * polls
        rows, _ = bouncer.derive(TIER["pools.held"], bouncer.ask())
        (row,) = (row for row in rows if row["application"] == "a client")
        assert pid == (row["backend_pid"],)
        assert str(row["client"]).startswith("127.0.0.1:")
    rows, found = bouncer.derive(TIER["pools.held"], bouncer.ask())
    assert not [row for row in rows if row["application"] == "a client"]
    assert found["pools.held.longest", ""] == 0


def test_of_many_clients_only_those_with_a_server_are_kept(bouncer: Asking, pooled: psycopg.Connection) -> None:
    with pooled.transaction():
        pooled.execute("SELECT 1")
        view = bouncer.ask()
    kept = view.rows("pools.clients") or ()
    assert kept
    assert all(row["link"] and row["database"] != "pgbouncer" for row in kept)
    raw = tuple({**kept[0], "request_time": f"2026-01-01 00:00:{n % 60:02} UTC"} for n in range(1000))
    assert len(probes.linked(raw)) == probes.MOST_CLIENTS


def test_the_limit_of_clients_is_remembered_between_readings_of_the_configuration(bouncer: Asking) -> None:
    first = bouncer.ask()
    (row,), _ = bouncer.derive(TIER["pools.capacity"], first)
    assert row["max_clients"] == 200
    bouncer.probes = [probe for probe in bouncer.probes if probe.id != "pools.config"]  # not due now
    (row,), found = bouncer.derive(TIER["pools.capacity"], bouncer.ask())
    assert row["max_clients"] == 200
    assert 0 < (found["pools.capacity.used", ""] or 0) < 1


def test_every_check_finds_its_metric_in_a_poll_of_a_busy_pooler(bouncer: Asking, pooled: psycopg.Connection) -> None:
    bouncer.ask()
    pooled.execute("SELECT 1")
    view = bouncer.ask()
    metrics = {metric for answer in view.answers.values() for metric, _ in samples_of(answer)}
    for probe in probes.TIER_PROBES:
        metrics |= {metric for metric, _ in bouncer.derive(probe, view)[1]}
    assert {check.metric for check in CHECKS} <= metrics
