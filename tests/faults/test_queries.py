"""Each check of queries and servers that a fault of the lab can fire is fired, and seen to recover."""

import re
from collections.abc import Iterator

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab.layout import Layout, Node
from apps.metrics.kernel import State
from apps.metrics.probe import SLOW
from apps.queries.history import EVERY
from apps.queries.probes import TEXTS_EVERY
from tests.conftest import Inject, Until
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/queries/"


@pytest.fixture
def application(layout: Layout, lab: object) -> Iterator[psycopg.Connection]:
    """A session of the application's login on the primary."""
    with psycopg.connect(layout.dsn(Node.PRIMARY, "app"), autocommit=True) as connection:
        yield connection


def work(application: psycopg.Connection, times: int = 50) -> None:
    """Quick statements, so that there is something to count."""
    for _ in range(times):
        application.execute("SELECT key_id FROM api_key WHERE id = 1")


def after_a_poll(watch: Watch, check_id: str, node: str = "", of: str | None = None) -> State:
    """How a check stands once the tier was polled again."""
    watch.poll()
    return watch.state(check_id, node, of)


def heading(browser: Browser, person: Person) -> str:
    """What the queries page says first."""
    page = browser(person).get(PAGE).content.decode()
    return page.partition("<h1>")[2].partition("</h1>")[0].replace("\xa0", " ")


def test_slow_queries_show_in_p95_and_slow_share(
    watch: Watch,
    fault: Inject,
    heal: Inject,
    until: Until,
    application: psycopg.Connection,
    browser: Browser,
    viewer: Person,
) -> None:
    work(application)
    watch.turns("queries.p95", State.PASS, polls=2)
    assert watch.state("queries.slow_share") is State.PASS
    fault("slow-queries")

    def slow() -> bool:
        watch.poll()
        return watch.state("queries.p95") is State.WARN

    until(slow, 15, 1.0)  # a second between polls: in each some slow statement ends
    assert 650 <= (watch.value("queries.p95") or 0) < 1000
    assert watch.state("queries.p95_health") is State.FAIL
    assert watch.state("queries.slow_share") is State.FAIL
    assert re.match(
        r"Queries are slow: counted at their statement’s mean, 95 % of the calls take up to [67]\d\d ms",
        heading(browser, viewer),
    )
    until(lambda: slow() and watch.alerts("queries.p95"), 20, 1.0)
    (alert,) = watch.alerts("queries.p95")
    assert alert.state == "warn"
    assert not watch.alerts("queries.p95_health"), "it classifies health and wakes nobody"
    heal("slow-queries")

    def quick_again() -> bool:
        work(application)
        watch.poll()
        return all(watch.state(f"queries.{name}") is State.PASS for name in ("p95", "p95_health", "slow_share"))

    until(lambda: quick_again() and not watch.alerts("queries.p95"), 20)


def test_the_statement_that_takes_the_time_is_named(
    watch: Watch, fault: Inject, until: Until, layout: Layout, browser: Browser, viewer: Person
) -> None:
    with psycopg.connect(layout.dsn(Node.PRIMARY, "postgres"), autocommit=True) as superuser:
        superuser.execute("SELECT pg_stat_statements_reset()")
    fault("slow-queries")

    def named_first() -> bool:
        watch.slot += TEXTS_EVERY
        answer = watch.poll().tier_answers["queries.top"]
        rows = [row for row in answer.rows if row["node"] == "lab-primary" and row["object"] and row["query"]]
        slow = [row["recent_share"] or 0 for row in rows if "pg_sleep" in row["query"]]
        return bool(rows) and "pg_sleep" in rows[0]["query"] and sum(slow) > 0.9

    until(named_first, 20)
    assert "pg_sleep" in browser(viewer).get(PAGE + "tables/statements.csv").content.decode()


def test_what_slow_queries_wait_for_and_their_history(watch: Watch, fault: Inject, until: Until) -> None:
    fault("slow-queries")
    watch.poll(after=EVERY)

    def in_the_history() -> bool:
        samples = [s for found in watch.poll(after=EVERY).samples.values() for s in found]
        loads = {s.object: s.value or 0 for s in samples if s.metric == "queries.history.load"}
        waits = {s.object: s.value or 0 for s in samples if s.metric == "queries.waiting.sessions"}
        return (
            waits.get("Timeout", 0) > 5
            and max((v for of, v in loads.items() if of not in {"", "other"}), default=0) > 5
        )

    until(in_the_history, 20, 1.0)  # two dozen sessions sleep within their statements


def test_a_primary_that_is_gone_is_noticed_and_its_restart_too(
    watch: Watch, fault: Inject, heal: Inject, browser: Browser, viewer: Person
) -> None:
    assert watch.state("queries.primary_up") is State.PASS
    fault("stop-primary")
    watch.poll()
    assert watch.state("queries.primary_up") is State.FAIL
    assert watch.state("queries.p95") is State.NO_DATA  # grey is never green
    assert heading(browser, viewer) == "No primary answers: nothing can be written."
    heal("stop-primary")
    watch.turns("queries.primary_up", State.PASS, polls=3)
    watch.turns("queries.restarted", State.WARN, polls=2, node="lab-primary")
    assert watch.state("queries.restarted", "lab-replica-1") is State.PASS


def test_connections_that_run_out(watch: Watch, fault: Inject, heal: Inject, browser: Browser, viewer: Person) -> None:
    fault("fill-connections")
    watch.poll()
    assert watch.state("queries.connections", "lab-primary") is State.FAIL
    assert watch.state("queries.connections", "lab-replica-1") is State.PASS
    assert heading(browser, viewer).startswith("lab-primary has 9")
    heal("fill-connections")
    watch.turns("queries.connections", State.PASS, node="lab-primary")


def test_a_held_lock_names_who_holds_it(
    watch: Watch, fault: Inject, heal: Inject, browser: Browser, viewer: Person, until: Until
) -> None:
    fault("hold-lock")
    measured = watch.poll()
    assert watch.state("queries.blocked", "lab-primary") is State.WARN
    rows = next(n for n in measured.view.nodes if n.name == "lab-primary").rows("queries.activity") or ()
    waiting = [row for row in rows if row["blocked_by"]]
    (holder,) = {row["blocked_by"] for row in waiting}
    assert len(waiting) == 3
    assert heading(browser, viewer).endswith(f"behind process {holder}.")
    tree = [row for row in measured.tier_answers["queries.blocks"].rows if row["node"] == "lab-primary"]
    assert [(row["depth"], row["behind"] >= 1) for row in tree][:2] == [(0, True), (1, tree[1]["behind"] >= 1)]
    assert (tree[0]["object"], tree[0]["behind"]) == (holder, 3)
    assert all(row["relation"] == "public.conversation_message" for row in tree[1:])
    assert tree[1]["tree"].replace("\xa0", "") in browser(viewer).get(PAGE).content.decode().replace("\xa0", "")

    def has_waited() -> bool:
        watch.poll()
        return watch.state("queries.lock_wait", "lab-primary") is State.WARN

    until(has_waited, 8, 0.5)
    heal("hold-lock")
    watch.turns("queries.blocked", State.PASS, node="lab-primary")
    watch.turns("queries.lock_wait", State.PASS, node="lab-primary")


def test_a_session_idle_in_a_transaction_is_timed(watch: Watch, fault: Inject, heal: Inject, until: Until) -> None:
    fault("idle-in-transaction")
    watch.poll()
    before = watch.state("queries.idle_in_transaction", "lab-primary"), seconds(watch)
    assert before[0] is State.PASS, "five minutes are not over"

    def older() -> bool:
        watch.poll()
        return seconds(watch) > before[1] + 1

    until(older, 5, 0.3)
    heal("idle-in-transaction")
    until(lambda: seconds(watch) == 0, 5)


def seconds(watch: Watch) -> float:
    """How long the longest session of the primary has been idle in a transaction."""
    node = next(n for n in watch.poll().view.nodes if n.name == "lab-primary")
    return float((node.rows("queries.sessions") or ())[0]["idle_in_transaction_seconds"])


def test_deadlocks_are_counted_as_they_happen(watch: Watch, fault: Inject, heal: Inject, until: Until) -> None:
    assert watch.state("queries.deadlocks") in {State.PASS, State.INCONCLUSIVE}
    fault("deadlock")

    def counted() -> bool:
        watch.poll()
        return watch.state("queries.deadlocks") is State.WARN

    until(counted, 10, 0.5)
    assert watch.alerts("queries.deadlocks"), "one is enough"
    heal("deadlock")
    watch.poll()
    watch.turns("queries.deadlocks", State.PASS)


def test_transactions_rolled_back(watch: Watch, fault: Inject, heal: Inject, until: Until) -> None:
    fault("roll-back")

    def rolled_back() -> bool:
        watch.poll()
        return watch.state("queries.rollback_ratio") is State.WARN

    until(rolled_back, 10, 1)
    heal("roll-back")
    until(lambda: after_a_poll(watch, "queries.rollback_ratio") is State.PASS, 10, 0.5)


def test_a_setting_that_waits_for_a_restart(watch: Watch, fault: Inject, heal: Inject) -> None:
    assert watch.state("queries.pending_restart", "lab-primary") is State.PASS
    fault("pending-restart")
    watch.slot += SLOW
    watch.turns("queries.pending_restart", State.WARN, polls=2, node="lab-primary")
    heal("pending-restart")
    watch.slot += SLOW
    watch.turns("queries.pending_restart", State.PASS, polls=2, node="lab-primary")
