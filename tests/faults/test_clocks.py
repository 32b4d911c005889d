"""What is wrong in time, what nobody counts or uses: checks that need more than a fault and a poll are fired and pass again."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab import binaries, faults, postgres
from apps.lab.faults import FAULTS
from apps.lab.faults.kinds import FaultImpossible
from apps.lab.layout import DATABASE, Layout, Node
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.metrics.kernel import State
from apps.metrics.probe import SLOW
from apps.metrics.units import show
from tests.conftest import Inject, Until
from tests.people import Browser
from tests.watch import Watch

Limit = Callable[[str, str], None]


@pytest.fixture
def limit(browser: Browser, dba: Person, watch: Watch) -> Limit:
    """Have a person set the warning threshold of a check on its page."""

    def set_it(check_id: str, warn: str) -> None:
        words = {"warn": warn, "fail": "", "reason": "to be seen at once"}
        answer = browser(dba).post(f"/t/lab/checks/{check_id}/change/", words)
        assert answer.status_code == 302, answer.content.decode()

    return set_it


@pytest.fixture
def owner(layout: Layout, lab: object) -> Iterator[psycopg.Connection]:
    """A superuser's session in the application's database; its schema `lab_new` is gone afterwards."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as connection:
        connection.execute("CREATE SCHEMA lab_new")
        yield connection
        connection.execute("DROP SCHEMA lab_new CASCADE")


def seconds_off(layout: Layout) -> float:
    """How far the second replica's clock is from the primary's."""
    times: list[float] = []
    for node in (Node.PRIMARY, Node.REPLICA_2):
        with postgres.connect(layout, node) as connection:
            times += connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone() or ()
    return abs(times[1] - times[0])


def test_a_shifted_clock_hinders_no_replication_and_is_set_right_though_its_record_was_cut_short(
    watch: Watch, lab: Lab, fault: Inject, until: Until
) -> None:
    fault("shift-clock")
    assert seconds_off(lab.layout) > 4
    until(lambda: postgres.streaming(lab.layout))
    watch.poll(2)
    assert watch.alerts("node.clock_offset") == [], "it has to last a minute"
    watch.turns("node.clock_offset", State.WARN, polls=1, node="lab-replica-2")
    watch.poll(5)
    assert [alert.node.name for alert in watch.alerts("node.clock_offset") if alert.node] == ["lab-replica-2"]
    for check in ("replicas.receiver", "replicas.streaming", "replicas.replay_lag", "replicas.count"):
        assert watch.state(check) is State.PASS, check
    assert watch.state("node.clock_offset", "lab-primary") is State.PASS
    record = lab.layout.faults / "shift-clock.json"
    record.write_text('{"at": "2026-01-01T00:00:00+00:00", "record": {}}', encoding="utf-8")
    assert faults.heal_all(Lab(lab.directory).servers) == ["shift-clock"]
    assert seconds_off(lab.layout) < 1


def test_a_clock_cannot_be_shifted_without_the_library_and_what_to_install_is_said(
    lab: Lab, fault: Inject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lab.servers.find(Node.REPLICA_2)
    monkeypatch.setattr(binaries, "SHIFTERS", ())
    with pytest.raises(FaultImpossible, match="apt-get install libfaketime"):
        fault("shift-clock")
    assert lab.servers.find(Node.REPLICA_2) == before
    assert faults.active(lab.servers) == {}


def test_statements_that_nobody_counts_any_more(watch: Watch, lab: Lab, fault: Inject, layout: Layout) -> None:
    with psycopg.connect(layout.dsn(Node.PRIMARY, "app"), autocommit=True) as application:

        def look() -> None:
            for _ in range(20):
                application.execute("SELECT key_id FROM api_key WHERE id = 1")
            watch.poll()

        fault_ = FAULTS["count-no-statements"]
        (told,) = Prover(lab.servers, watch.tier, look, patience=20).prove(Trial(fault_, fault_.fires))
    assert told.proved, told.line()


def test_a_damaged_catalog_of_one_table_keeps_nobody_from_the_present(lab: Lab, fault: Inject, until: Until) -> None:
    fault("overlapping-partitions")
    with (
        postgres.connect(lab.layout, Node.PRIMARY, DATABASE) as primary,
        postgres.connect(lab.layout, Node.REPLICA_1, DATABASE) as replica,
    ):
        assert primary.execute("SELECT message_queue_ahead()").fetchone() == (0,)
        primary.execute("INSERT INTO lab_overlapping SELECT now() FROM generate_series(1, 10)")
        assert primary.execute("SELECT count(*) FROM lab_overlapping WHERE created_at <= now()").fetchone() == (10,)
        until(lambda: replica.execute("SELECT to_regclass('lab_overlapping_6') IS NOT NULL").fetchone() == (True,))
        until(lambda: replica.execute("SELECT count(*) FROM lab_overlapping").fetchone() == (10,))
        assert replica.execute("SELECT count(*) FROM lab_overlapping WHERE created_at > now()").fetchone() == (0,)
        faults.heal(lab.servers, "overlapping-partitions")
        left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'lab_overlapping%'"
        assert primary.execute(left).fetchone() == (0,)


def test_an_index_that_nobody_uses_grows(watch: Watch, owner: psycopg.Connection, limit: Limit) -> None:
    watch.poll(after=SLOW)
    before = watch.value("queries.unused_indexes")
    assert before is not None
    limit("queries.unused_indexes", show(before + 1_000_000, "B"))
    watch.poll(after=SLOW)
    assert watch.state("queries.unused_indexes") is State.PASS
    owner.execute(
        "CREATE TABLE lab_new.wide AS SELECT n, repeat('x', 60) AS filler FROM generate_series(1, 16000) AS n"
    )
    owner.execute("CREATE INDEX lab_unused ON lab_new.wide (filler, n)")
    watch.poll(after=SLOW)
    assert watch.state("queries.unused_indexes") is State.WARN
    owner.execute("DROP INDEX lab_new.lab_unused")
    watch.poll(after=SLOW)
    assert watch.state("queries.unused_indexes") is State.PASS


def test_a_table_of_the_programme_is_partitioned_and_has_as_many_periods_as_a_person_allows(
    watch: Watch, owner: psycopg.Connection, limit: Limit
) -> None:
    table = "lab_new.conversation"
    owner.execute("CREATE TABLE lab_new.conversation (created_at timestamptz NOT NULL)")
    watch.poll(after=SLOW)
    assert watch.state("partitions.partitioned", of=table) is State.FAIL
    owner.execute("DROP TABLE lab_new.conversation")
    owner.execute("CREATE TABLE lab_new.conversation (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)")
    limit("partitions.periods", "12")
    quarters(owner, 2020)
    watch.poll(after=SLOW)
    assert watch.state("partitions.partitioned", of=table) is State.PASS
    assert watch.state("partitions.periods", of=table) is State.PASS
    quarters(owner, 2021)
    quarters(owner, 2022)
    watch.poll(after=SLOW)
    assert watch.state("partitions.periods", of=table) is State.WARN
    owner.execute("DROP TABLE lab_new.quarter_2022_1")
    watch.poll(after=SLOW)
    assert watch.state("partitions.periods", of=table) is State.PASS


def quarters(owner: psycopg.Connection, year: int) -> None:
    """Give the table the partitions of a year."""
    for quarter in range(4):
        ends = [f"{year + month // 12}-{month % 12 + 1:02}-01 00:00Z" for month in (quarter * 3, quarter * 3 + 3)]
        owner.execute(
            f"CREATE TABLE lab_new.quarter_{year}_{quarter + 1} PARTITION OF lab_new.conversation "
            f"FOR VALUES FROM ('{ends[0]}') TO ('{ends[1]}')".encode()
        )
