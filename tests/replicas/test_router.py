"""What an application notices of the router: where its reads go, that it sees what it wrote, and that it goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from apps.lab.layout import HOST, REPLICAS, Layout, free_ports
from apps.lab.layout import Node as LabNode
from apps.lab.tier import Lab
from apps.replicas.router import Connection, Health, Node, Policy, Router, Session, Source
from tests.conftest import Inject, Until

ONE, TWO = map(str, REPLICAS)
QUICK = Policy(max_lag=timedelta(milliseconds=200))


def source(dsn: str) -> Source:
    """A new connection each time: what the router asks of a pool, and no more."""

    @contextmanager
    def connect() -> Iterator[Connection]:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=2) as connection:
            yield connection

    return connect


def node(layout: Layout, name: str, login: str = "app") -> Node:
    return Node(name, source(layout.dsn(name, login)))


def gone(name: str) -> Node:
    """A replica that is not there."""
    return Node(name, source(f"postgresql://app@{HOST}:{free_ports(1)[0]}/messaging"))


@pytest.fixture
def make(lab: Lab) -> Callable[..., Router]:
    """A router over the tier's primary and both replicas, or those that are given."""

    def router(*replicas: Node, policy: Policy | None = None) -> Router:
        layout = lab.layout
        chosen = replicas or (node(layout, ONE), node(layout, TWO))
        return Router(node(layout, LabNode.PRIMARY, "postgres"), chosen, policy)

    return router


@pytest.fixture
def table(lab: Lab, until: Until) -> Iterator[str]:
    """An empty table that every node has."""
    name = f"router_{uuid4().hex}"
    owner = lab.layout.dsn(LabNode.PRIMARY, "postgres")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {name} (n integer)")
        connection.execute(f"GRANT SELECT ON {name} TO app")
    for replica in REPLICAS:
        with psycopg.connect(lab.layout.dsn(replica, "app"), autocommit=True) as connection:
            until(lambda c=connection: c.execute("SELECT to_regclass(%s)", [name]).fetchone()[0])
    yield name
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"DROP TABLE {name}")


@pytest.fixture
def paused(lab: Lab, table: str) -> Iterator[None]:
    """Both replicas receive and do not replay, from when they have the table on."""
    for replica in REPLICAS:
        _replay(lab.layout, replica, "pause")
    yield
    for replica in REPLICAS:
        _replay(lab.layout, replica, "resume")


def _replay(layout: Layout, replica: str, what: str) -> None:
    with psycopg.connect(layout.dsn(replica, "postgres"), autocommit=True) as connection:
        connection.execute(f"SELECT pg_wal_replay_{what}()")


def is_replica(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    assert row is not None
    return bool(row[0])


def count(table: str) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  a constant of this test
        assert row is not None
        return int(row[0])

    return work


def insert(table: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(f"INSERT INTO {table} VALUES (1)")  # noqa: S608  a constant of this test


def health(router: Router) -> dict[str, Health]:
    return {state.name: state.health for state in router.check()}


def test_writes_go_to_the_primary_and_reads_are_spread_over_the_replicas(
    make: Callable[..., Router], table: str
) -> None:
    router = make()
    router.write(insert(table))
    assert all(router.read(is_replica) for _ in range(10))
    routing = router.routing()
    assert routing.reads == {LabNode.PRIMARY: 0, ONE: 5, TWO: 5}
    assert routing.writes == {LabNode.PRIMARY: 1}


def test_without_a_replica_everything_goes_to_the_primary(lab: Lab) -> None:
    router = Router(node(lab.layout, LabNode.PRIMARY))
    assert router.read(is_replica) is False
    assert router.check() == ()


@pytest.mark.usefixtures("paused")
def test_who_wrote_sees_it_though_no_replica_has_it_yet(make: Callable[..., Router], table: str) -> None:
    router, mine, others = make(), Session(), Session()
    router.write(insert(table), mine)
    assert [router.read(count(table), mine) for _ in range(4)] == [1, 1, 1, 1]
    assert router.read(count(table), others) == 0
    assert router.routing().own_writes == 4


def test_who_wrote_reads_from_a_replica_again_once_it_has_replayed(
    make: Callable[..., Router], table: str, until: Until
) -> None:
    router, session = make(), Session()
    router.write(insert(table), session)
    until(lambda: router.read(is_replica, session))
    assert router.read(count(table), session) == 1


def test_a_write_that_fails_leaves_nothing_behind(make: Callable[..., Router], table: str) -> None:
    router = make()

    def half(connection: Connection) -> None:
        insert(table)(connection)
        connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        router.write(half)
    assert router.read(count(table), Session(written=2**62)) == 0


def test_a_replica_is_out_after_three_failures_in_a_row_and_back_after_recovery(
    make: Callable[..., Router], fault: Inject, heal: Inject, until: Until
) -> None:
    router = make()
    fault("stop-replica-1")
    for expected in (Health.HEALTHY, Health.HEALTHY, Health.OUT):
        assert health(router)[ONE] is expected
    before = router.routing().retried
    assert all(router.read(is_replica) for _ in range(4))
    assert router.routing().retried == before  # nobody tries it any more
    heal("stop-replica-1")
    until(lambda: health(router)[ONE] is Health.HEALTHY, 30)


def test_a_read_that_meets_a_dead_replica_is_served_by_another(make: Callable[..., Router], lab: Lab) -> None:
    router = make(gone("ghost"), node(lab.layout, TWO))
    assert all(router.read(is_replica) for _ in range(6))
    assert router.routing().reads == {LabNode.PRIMARY: 0, "ghost": 0, TWO: 6}


def test_with_no_replica_left_the_primary_serves(make: Callable[..., Router]) -> None:
    router = make(gone("ghost-1"), gone("ghost-2"))
    assert [router.read(is_replica) for _ in range(3)] == [False] * 3
    assert set(health(router).values()) == {Health.OUT}


@pytest.mark.usefixtures("paused")
def test_a_replica_that_lags_gets_no_reads_until_it_caught_up(
    make: Callable[..., Router], lab: Lab, table: str, until: Until
) -> None:
    router = make(policy=QUICK)
    router.write(insert(table))
    until(lambda: set(health(router).values()) == {Health.LAGGING})
    assert router.read(count(table)) == 1
    for replica in REPLICAS:
        _replay(lab.layout, replica, "resume")
    until(lambda: set(health(router).values()) == {Health.HEALTHY})


def test_an_idle_primary_makes_no_lag(make: Callable[..., Router], until: Until) -> None:
    router = make(policy=Policy(max_lag=timedelta(milliseconds=1)))
    until(lambda: {state.lag for state in router.check()} == {timedelta(0)}, 20)


def test_a_query_that_recovery_cancels_is_repeated_elsewhere(make: Callable[..., Router]) -> None:
    router = make()

    def cancelled_on_replicas(connection: Connection) -> bool:
        connection.execute(
            "DO $$ BEGIN IF pg_is_in_recovery() THEN"
            " RAISE 'canceling statement due to conflict with recovery' USING ERRCODE = '40001'; END IF; END $$"
        )
        return is_replica(connection)

    assert router.read(cancelled_on_replicas) is False
    assert router.routing().retried == 2


def test_an_error_of_the_query_itself_is_the_callers(make: Callable[..., Router]) -> None:
    router = make()
    with pytest.raises(psycopg.errors.UndefinedTable):
        router.read(lambda connection: connection.execute("SELECT * FROM no_such_table"))
    assert [state.failures for state in router.replicas()] == [0, 0]


def test_a_server_that_is_no_replica_gets_no_reads(make: Callable[..., Router], lab: Lab) -> None:
    router = make(node(lab.layout, LabNode.PRIMARY), node(lab.layout, TWO))
    assert health(router)[LabNode.PRIMARY] is Health.NOT_A_REPLICA
    assert all(router.read(is_replica) for _ in range(4))
