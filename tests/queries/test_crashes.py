"""A session that crashes takes all others and the statistics along, though the server's process goes on."""

import os
import signal
from datetime import UTC, datetime

import psycopg

from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.kernel import NodeKind, State
from apps.queries.probes import PROBES
from tests.conftest import Until
from tests.watch import Asking, Watch

INDEXES = tuple(probe for probe in PROBES if probe.id in {"queries.indexes", "queries.sessions"})


def crash(layout: Layout, until: Until) -> None:
    """Kill a session of the primary, and wait until it lets others in again."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            with postgres.connect(layout, Node.PRIMARY, DATABASE) as session:
                return session.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    until(answers, 30)


def test_a_crash_is_told_as_a_new_beginning(watch: Watch, layout: Layout, until: Until) -> None:
    watch.poll(2)
    assert watch.state("queries.restarted", "lab-primary") is State.PASS
    crash(layout, until)
    watch.turns("queries.restarted", State.WARN, polls=3, node="lab-primary")
    assert watch.state("queries.restarted", "lab-replica-1") is State.PASS
    watch.turns("queries.restarted", State.PASS, polls=62, node="lab-primary")


def test_an_index_is_counted_since_the_crash_and_not_since_the_beginning(
    lab: object, layout: Layout, until: Until
) -> None:
    before = datetime.now(UTC)
    crash(layout, until)
    asking = Asking(NodeKind.POSTGRES, layout.dsn(Node.PRIMARY, "opsportal_poll"), INDEXES)
    try:
        rows = asking.ask().answers["queries.indexes"].rows
    finally:
        asking.close()
    assert rows
    assert all(row["stats_since"] and datetime.fromisoformat(row["stats_since"]) >= before for row in rows)
