"""Each check of the pools is fired by a fault of the lab, and seen to recover."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from apps.lab.layout import Layout, Node
from apps.metrics.kernel import State
from tests.conftest import Inject, Until
from tests.watch import Watch

HOLD = timedelta(seconds=20)


def test_a_pooler_that_is_gone_is_noticed_at_the_next_poll(watch: Watch, fault: Inject, heal: Inject) -> None:
    assert watch.state("pools.up") is State.PASS
    fault("stop-pgbouncer")
    watch.poll()
    assert watch.state("pools.up") is State.FAIL
    assert watch.state("pools.utilisation") is State.NO_DATA  # grey is never green
    heal("stop-pgbouncer")
    watch.turns("pools.up", State.PASS, polls=2)


def test_an_exhausted_pool_fails_and_clients_wait(watch: Watch, fault: Inject, heal: Inject, until: Until) -> None:
    fault("exhaust-pool")
    watch.poll(2, after=HOLD)
    assert watch.state("pools.utilisation") is State.FAIL
    assert watch.value("pools.utilisation") == 1.0
    assert watch.state("pools.waiting") is State.FAIL
    assert watch.value("pools.waiting") == 15
    (alert,) = watch.alerts("pools.utilisation")
    assert (alert.state, alert.object) == ("fail", "messaging/app")
    assert not watch.alerts("pools.waiting"), "it classifies health and wakes nobody"

    def first_has_waited() -> bool:
        watch.poll()
        return watch.state("pools.maxwait") in {State.WARN, State.FAIL}

    until(first_has_waited, 5)
    heal("exhaust-pool")
    watch.turns("pools.utilisation", State.PASS, State.INCONCLUSIVE)
    watch.turns("pools.waiting", State.PASS)
    watch.poll(2)
    assert not watch.alerts("pools.utilisation")


def test_leaked_servers_are_counted_once_they_were_silent_for_two_minutes(
    watch: Watch, fault: Inject, heal: Inject
) -> None:
    fault("leak-connection")
    watch.poll(2)
    assert watch.state("pools.held_servers") is State.PASS
    assert watch.state("pools.leak") is State.PASS
    watch.poll(after=timedelta(minutes=1))
    assert watch.state("pools.held_servers") is State.WARN
    assert watch.state("pools.leak") is State.PASS
    watch.poll(after=timedelta(minutes=1))
    assert watch.state("pools.leak") is State.WARN
    assert watch.value("pools.leak") == 3
    heal("leak-connection")
    watch.turns("pools.leak", State.PASS, polls=2)
    assert watch.state("pools.held_servers") is State.PASS


def test_a_log_in_that_hangs_is_told_while_sessions_that_are_there_go_on(
    watch: Watch, layout: Layout, fault: Inject, heal: Inject
) -> None:
    psycopg.connect(layout.dsn(Node.PGBOUNCER, "app")).close()  # before that there is no pool
    watch.turns("pools.login_stuck", State.PASS)
    fault("stuck-logins")
    watch.poll(3)
    assert watch.state("pools.login_stuck") is State.WARN
    assert watch.state("node.up") is State.PASS
    heal("stuck-logins")
    watch.turns("pools.login_stuck", State.PASS, polls=2)


def test_a_disabled_database_is_named(watch: Watch, fault: Inject, heal: Inject) -> None:
    fault("disable-pool")
    watch.poll()
    assert watch.state("pools.paused", of="messaging") is State.FAIL
    heal("disable-pool")
    watch.turns("pools.paused", State.PASS, polls=2)


@pytest.fixture
def console(layout: Layout, lab: object) -> Iterator[psycopg.Connection]:
    """PgBouncer's console with the login that may act."""
    with psycopg.connect(
        layout.dsn(Node.PGBOUNCER, "opsportal_admin"), autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as connection:
        yield connection


def test_a_changed_setting_is_noticed_within_a_minute_and_shown_for_an_hour(
    watch: Watch, fault: Inject, heal: Inject
) -> None:
    assert watch.state("pools.config_changed") is State.PASS
    fault("change-pool")
    measured = watch.poll(after=timedelta(minutes=1))
    assert watch.state("pools.config_changed") is State.WARN
    rows = measured.tier_answers["pools.settings"].rows
    (row,) = (row for row in rows if row["key"] == "server_idle_timeout")
    assert (row["before"], row["value"]) == ("600", "601")
    heal("change-pool")
    watch.poll(after=timedelta(minutes=1))
    assert watch.state("pools.config_changed") is State.WARN, "it was changed again"
    watch.poll(after=timedelta(hours=1))
    assert watch.state("pools.config_changed") is State.PASS


def test_session_mode_is_told_apart_from_transaction_mode(watch: Watch, console: psycopg.Connection) -> None:
    console.execute("SET pool_mode = session")
    try:
        watch.turns("pools.mode_transaction", State.WARN, polls=7)
    finally:
        console.execute("SET pool_mode = transaction")
    watch.turns("pools.mode_transaction", State.PASS, polls=7)
