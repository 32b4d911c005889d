"""Each check of replication that a fault of the lab can fire is fired, and seen to recover."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab import postgres
from apps.lab.layout import Layout, Node
from apps.metrics.kernel import State
from apps.metrics.probe import SLOW
from apps.replicas.probes import READS_EVERY
from tests.conftest import Inject, Until
from tests.people import Browser
from tests.watch import Watch

ONE, TWO = "lab-replica-1", "lab-replica-2"


@pytest.fixture
def primary(layout: Layout, lab: object) -> Iterator[psycopg.Connection]:
    """A superuser's session on the primary, for writing WAL that belongs to nobody."""
    with postgres.connect(layout, Node.PRIMARY) as connection:
        yield connection


def write(primary: psycopg.Connection) -> None:
    """A small transaction that leaves nothing behind."""
    primary.execute("SELECT pg_logical_emit_message(true, 'test', 'x')")


def replica(watch: Watch, name: str) -> dict[str, Any]:
    """The row of a replica at the next poll."""
    rows = watch.poll().tier_answers["replicas.lag"].rows
    return dict(next(row for row in rows if row["node"] == name))


def after_a_poll(watch: Watch, check_id: str, node: str = "", of: str | None = None) -> State:
    """How a check stands once the tier was polled again."""
    watch.poll()
    return watch.state(check_id, node, of)


def heading(browser: Browser, person: Person) -> str:
    """What the replicas page says first."""
    page = browser(person).get("/t/lab/replicas/").content.decode()
    return page.partition("<h1>")[2].partition("</h1>")[0].replace("\xa0", " ").replace("&#x27;", "'")


def test_an_idle_primary_makes_no_lag(watch: Watch, until: Until, browser: Browser, viewer: Person) -> None:
    until(lambda: replica(watch, ONE)["standing"] == "idle", 20, 0.5)
    assert watch.state("replicas.replay_lag", ONE) is State.PASS
    assert watch.state("replicas.replay_lag", TWO) is State.PASS


def test_paused_replay_falls_behind_and_catches_up(
    watch: Watch,
    fault: Inject,
    heal: Inject,
    until: Until,
    primary: psycopg.Connection,
    browser: Browser,
    viewer: Person,
) -> None:
    assert watch.state("replicas.replay_lag", ONE) is State.PASS
    fault("pause-replay")

    def behind(check: str, state: State) -> bool:
        write(primary)
        watch.poll()
        return watch.state(check, ONE) is state

    until(lambda: behind("replicas.lag_health", State.WARN), 6, 0.3)
    until(lambda: behind("replicas.replay_lag", State.WARN), 10, 0.5)
    assert watch.state("replicas.lag_health", ONE) is State.FAIL
    assert watch.state("replicas.lag_health", TWO) is State.PASS
    assert watch.state("replicas.streaming", ONE) is State.FAIL
    assert watch.state("replicas.receiver", ONE) is State.PASS, "it still receives"
    assert watch.state("replicas.count") is State.WARN
    assert heading(browser, viewer).startswith("lab-replica-1 has its replay paused and is ")
    row = replica(watch, ONE)
    assert row["lag_bytes"] > 65536
    assert row["unreplayed_bytes"] > 65536
    watch.poll(3)
    assert watch.alerts("replicas.replay_lag")
    assert not watch.alerts("replicas.lag_health"), "it classifies health and wakes nobody"
    heal("pause-replay")
    watch.turns("replicas.lag_health", State.PASS, node=ONE)
    watch.turns("replicas.streaming", State.PASS, node=ONE)
    watch.poll()
    assert not watch.alerts("replicas.replay_lag")


def test_one_replica_down_is_degraded_two_are_a_failure(
    watch: Watch, fault: Inject, heal: Inject, until: Until
) -> None:
    assert watch.state("replicas.count") is State.PASS
    assert watch.state("replicas.standbys") is State.PASS
    assert watch.state("replicas.standby_slots") is State.PASS
    fault("stop-replica-1")
    watch.poll()
    assert watch.state("replicas.count") is State.WARN
    until(lambda: after_a_poll(watch, "replicas.standbys") is State.WARN, 10)
    assert watch.value("replicas.standbys") == 0.5, "the primary sees one of two"
    assert watch.state("replicas.standby_slots") is State.WARN
    assert watch.state("replicas.replay_lag", ONE) is State.NO_DATA  # grey is never green
    assert watch.state("replicas.replay_lag", TWO) is State.PASS
    until(lambda: after_a_poll(watch, "replicas.slot_active", of="replica_1") is State.WARN, 10)
    fault("stop-replica-2")
    watch.poll()
    assert watch.state("replicas.count") is State.FAIL
    heal("stop-replica-2")
    heal("stop-replica-1")
    until(lambda: after_a_poll(watch, "replicas.count") is State.PASS, 20, 0.3)
    until(lambda: after_a_poll(watch, "replicas.standbys") is State.PASS, 10, 0.3)
    assert watch.state("replicas.standby_slots") is State.PASS
    assert watch.state("replicas.slot_active") is State.PASS


def test_without_a_primary_nothing_streams_and_lag_is_unknown(
    watch: Watch, fault: Inject, heal: Inject, until: Until, browser: Browser, viewer: Person
) -> None:
    fault("stop-primary")
    until(lambda: after_a_poll(watch, "replicas.receiver", ONE) is State.FAIL, 10, 0.3)
    assert watch.state("replicas.one_primary") is State.FAIL
    assert watch.state("replicas.streaming", ONE) is State.FAIL
    assert watch.state("replicas.replay_lag", ONE) is State.INCONCLUSIVE, "no figure, rather than a wrong one"
    assert watch.state("replicas.standbys") is State.NO_DATA, "nobody is there to see them"
    assert heading(browser, viewer).startswith(f"No primary answers; {ONE} is not connected to the primary")
    heal("stop-primary")
    until(lambda: after_a_poll(watch, "replicas.streaming", ONE) is State.PASS, 20, 0.3)
    assert watch.state("replicas.one_primary") is State.PASS


def test_a_forgotten_slot_is_named(watch: Watch, fault: Inject, heal: Inject) -> None:
    fault("inactive-slot")
    watch.poll()
    assert watch.state("replicas.slot_active", of="forgotten") is State.WARN
    assert watch.state("replicas.slot_active", of="replica_1") is State.PASS
    heal("inactive-slot")
    watch.turns("replicas.slot_active", State.PASS, polls=2)


def test_settings_that_drift_are_named(watch: Watch, fault: Inject, heal: Inject) -> None:
    assert watch.state("replicas.settings_drift") is State.PASS
    fault("settings-drift")
    watch.slot += SLOW
    watch.turns("replicas.settings_drift", State.WARN, polls=2, node=TWO)
    rows = watch.poll().tier_answers["replicas.drift"].rows
    assert next(row["differs"] for row in rows if row["node"] == TWO) == "work_mem 1MB (primary: 4MB)"
    heal("settings-drift")
    watch.slot += SLOW
    watch.turns("replicas.settings_drift", State.PASS, polls=2, node=TWO)


def test_selects_are_counted_where_they_run(watch: Watch, layout: Layout, fault: Inject, heal: Inject) -> None:
    def read(node: Node, times: int) -> None:
        with psycopg.connect(layout.dsn(node, "app"), autocommit=True) as reader:
            for _ in range(times):
                reader.execute("SELECT key_id FROM api_key WHERE id = 1")
        watch.slot += READS_EVERY

    read(Node.REPLICA_1, 1)
    watch.poll()
    read(Node.REPLICA_1, 40)
    watch.turns("replicas.reads_share", State.PASS, polls=2)
    assert (watch.value("replicas.reads_share") or 0) > 0.5
    fault("stop-replicas")
    read(Node.PRIMARY, 40)
    watch.turns("replicas.reads_share", State.FAIL, polls=2)
    assert watch.value("replicas.reads_share") == 0
    heal("stop-replicas")
    read(Node.REPLICA_1, 1)
    watch.poll()
    read(Node.REPLICA_1, 40)
    watch.turns("replicas.reads_share", State.PASS, polls=2)
