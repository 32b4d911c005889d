"""What the questions bring from a real server, asked with the login that the portal polls with."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from apps.accounts.models import Person
from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.kernel import NodeKind, Row, State
from apps.queries import probes
from apps.queries.history import EVERY
from apps.queries.probes import PROBES, TIER_PROBES
from tests.conftest import Until
from tests.people import Browser
from tests.watch import Asking, Watch, flush, samples_of

SQL = Path(probes.__file__).parent / "sql"
TOP = next(probe for probe in TIER_PROBES if probe.id == "queries.top")


@pytest.fixture
def primary(lab: object, layout: Layout) -> Iterator[Asking]:
    """The primary, asked by the polling login."""
    asking = Asking(NodeKind.POSTGRES, layout.dsn(Node.PRIMARY, "opsportal_poll"), PROBES)
    yield asking
    asking.close()


@pytest.fixture
def owner(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A superuser's session in the application's database."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as connection:
        yield connection


def test_calls_of_others_are_counted_and_our_own_are_not(primary: Asking, owner: psycopg.Connection) -> None:
    primary.ask()
    quiet = samples_of(primary.ask().answers["queries.statements"])
    assert (quiet["queries.statements.calls", ""] or 0) < len(PROBES), "the questions themselves do not count"
    for _ in range(30):
        owner.execute("SELECT count(*) FROM api_key WHERE tier = 'Pro'")
    for _ in range(30):
        owner.execute("BEGIN")  # reads no data, and would halve every share
        owner.execute("COMMIT")
    busy = samples_of(primary.ask().answers["queries.statements"])
    assert 30 <= (busy["queries.statements.calls", ""] or 0) < 40
    assert 0 < (busy["queries.statements.p95_ms", ""] or 0) < 100
    assert busy["queries.statements.slow_share", ""] == 0


def test_the_top_names_the_statement_without_its_constants(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("SELECT pg_stat_statements_reset()")
    primary.derive(TOP, primary.ask())
    for _ in range(20):
        owner.execute("SELECT count(*) FROM generate_series(1, 100000) AS n WHERE n::text <> 'very private'")
    rows, samples = primary.derive(TOP, primary.ask())
    assert samples == {}
    whole = dict[str, Any](rows[0])
    text = "SELECT count(*) FROM generate_series($1, $2) AS n WHERE n::text <> $3"
    first = next(dict[str, Any](row) for row in rows if row["query"] == text)
    assert whole["object"] == ""
    assert whole["recent_calls"] >= 20
    assert first["recent_calls"] == 20
    assert first["recent_share"] > 0.5


def test_what_a_function_does_is_counted_once_with_its_call(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("SELECT pg_stat_statements_reset()")
    owner.execute("""
        CREATE FUNCTION pg_temp.busy() RETURNS bigint LANGUAGE plpgsql AS
        $$BEGIN RETURN (SELECT count(*) FROM generate_series(1, 200000) AS inner_one); END$$""")
    owner.execute("SET pg_stat_statements.track = 'all'")
    primary.derive(TOP, primary.ask())
    for _ in range(10):
        owner.execute("SELECT pg_temp.busy()")
    rows, _samples = primary.derive(TOP, primary.ask())
    whole, texts = dict[str, Any](rows[0]), [str(row["query"]) for row in rows]
    assert 10 <= whole["recent_calls"] < 20, "others of the lab may have asked something too"
    assert "SELECT pg_temp.busy()" in texts
    assert not any("inner_one" in text for text in texts)


def test_passwords_in_statements_are_not_read(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("CREATE ROLE short_lived PASSWORD 'open sesame'")
    owner.execute("DROP ROLE short_lived")
    owner.execute("SET application_name = 'culprit'")
    view = primary.ask()
    texts = [row["query"] for row in view.rows("queries.texts") or () if row["query"]]
    assert any(text.startswith("CREATE ROLE short_lived PASSWORD '…'") for text in texts)
    everything = str([view.rows(probe.id) for probe in PROBES])
    assert "sesame" not in everything


def test_the_longest_transaction_is_timed_and_listed(primary: Asking, owner: psycopg.Connection) -> None:
    with owner.transaction():
        owner.execute("SELECT 'a private matter', pg_sleep(1.1)")
        view = primary.ask()
    sessions = samples_of(view.answers["queries.sessions"])
    assert 1.1 <= (sessions["queries.sessions.longest_transaction_seconds", ""] or 0) < 60
    assert sessions["queries.sessions.idle_in_transaction", ""] == 1
    row = next(row for row in view.rows("queries.activity") or () if row["application"] == "lab")
    assert row["state"] == "idle in transaction"
    assert row["query"] == "SELECT '…', pg_sleep(…)"


def test_dead_rows_are_the_statistics_own(primary: Asking, owner: psycopg.Connection, until: Until) -> None:
    owner.execute("CREATE TABLE dying WITH (autovacuum_enabled = off) AS SELECT n FROM generate_series(1, 30000) AS n")
    try:
        owner.execute("DELETE FROM dying WHERE n % 2 = 0")

        def dying() -> Row | None:
            flush(owner)
            rows = primary.ask().rows("queries.tables") or ()
            return next((row for row in rows if row["object"] == "public.dying" and row["dead_rows"]), None)

        row, view = until(dying, 5), primary.ask()
        assert isinstance(row, dict)
        assert (row["live_rows"], row["dead_rows"], row["dead_ratio"]) == (15_000, 15_000, 0.5)
        assert (samples_of(view.answers["queries.tables"])["queries.tables.worst_dead_ratio", ""] or 0) >= 0.5
    finally:
        owner.execute("DROP TABLE dying")


def test_a_sequence_that_fills_is_seen(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("CREATE SEQUENCE narrow AS smallint")
    try:
        owner.execute("GRANT SELECT ON SEQUENCE narrow TO opsportal_poll")
        owner.execute("SELECT setval('narrow', 30000)")
        view = primary.ask()
        worst = samples_of(view.answers["queries.sequences"])["queries.sequences.worst_used", ""]
        assert worst == pytest.approx(30000 / 32767)
        owner.execute("REVOKE SELECT ON SEQUENCE narrow FROM opsportal_poll")
        row = next(row for row in primary.ask().rows("queries.sequences") or () if row["object"] == "public.narrow")
        assert row["used"] is None
        assert row["unreadable"] == 1
    finally:
        owner.execute("DROP SEQUENCE narrow")


def test_upkeep_and_locks_have_figures(primary: Asking) -> None:
    view = primary.ask()
    upkeep = samples_of(view.answers["queries.upkeep"])
    assert 0 < (upkeep["queries.upkeep.wraparound_used", ""] or 0) < 0.01
    assert upkeep["queries.upkeep.pending_restart", ""] == 0
    sessions = samples_of(view.answers["queries.sessions"])
    assert 0 < (sessions["queries.sessions.lock_table_used", ""] or 0) < 0.2
    assert samples_of(view.answers["queries.counters"])["queries.counters.archiver_failing", ""] == 0


def test_a_failing_archive_command_is_told(primary: Asking, owner: psycopg.Connection) -> None:
    """The view is read as it would be after a failure; a real one is a fault of the lab."""
    question = next(probe for probe in PROBES if probe.id == "queries.counters").question.for_version(15)  # type: ignore[union-attr]
    failing = question.replace(
        "FROM work, pg_stat_archiver",
        "FROM work, (VALUES (timestamptz '2026-01-02', timestamptz '2026-01-01')) AS archiver (last_failed_time, last_archived_time)",
    )
    row = owner.execute(sql.SQL(failing)).fetchone()
    assert row is not None
    assert row[-1] == 1


def test_fast_questions_cost_the_server_under_five_milliseconds(primary: Asking, owner: psycopg.Connection) -> None:
    primary.probes = [probe for probe in primary.probes if probe.every == timedelta(0)]
    primary.ask()
    spent = """SELECT coalesce(sum(total_exec_time), 0) FROM pg_stat_statements
               WHERE userid = 'opsportal_poll'::regrole AND query NOT LIKE '%pg_stat_statements(true)%'"""

    def cost() -> float:
        row = owner.execute(spent).fetchone()
        assert row is not None
        return float(row[0])

    costs = []
    for _ in range(7):
        before = cost()
        primary.ask()
        costs.append(cost() - before)
    assert sorted(costs)[3] < 5, costs


def test_checkpoints_that_a_replica_is_asked_for(owner: psycopg.Connection, layout: Layout, until: Until) -> None:
    upkeep = [probe for probe in PROBES if probe.id == "queries.upkeep"]
    asking = Asking(NodeKind.POSTGRES, layout.dsn(Node.REPLICA_1, "opsportal_poll"), upkeep)
    try:

        def requested() -> int:
            return int((asking.ask().rows("queries.upkeep") or ())[0]["checkpoints_requested"])

        before = requested()
        owner.execute("CHECKPOINT")
        with postgres.connect(layout, Node.REPLICA_1) as replica:

            def more() -> bool:
                replica.execute("CHECKPOINT")
                return requested() > before

            until(more, 5)
    finally:
        asking.close()


def test_a_login_without_rights_knows_nothing_rather_than_that_all_is_well(
    watch: Watch, owner: psycopg.Connection, browser: Browser, viewer: Person
) -> None:
    hidden = ("connections", "idle_in_transaction", "longest_transaction", "p95")
    try:
        owner.execute("REVOKE pg_monitor FROM opsportal_poll")
        watch.poll(4)
        known = {name: watch.state(f"queries.{name}", "lab-primary") for name in hidden}
        page = browser(viewer).get("/t/lab/queries/").content.decode()
    finally:
        owner.execute("GRANT pg_monitor TO opsportal_poll")
    assert not any(state.known for state in known.values()), known
    assert "&lt;insufficient privilege&gt;" not in page
    watch.turns("queries.connections", State.PASS, node="lab-primary")


def test_a_table_of_another_database_lends_its_number_to_none_of_this_one(
    owner: psycopg.Connection, layout: Layout, until: Until
) -> None:
    blocking = tuple(probe for probe in PROBES if probe.id == "queries.blocking")
    with ExitStack() as stack:
        for name, like in (("first_of_two", "template1"), ("second_of_two", "first_of_two")):
            owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like)))
            stack.callback(owner.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            with postgres.connect(layout, Node.PRIMARY, name) as session:
                text = (
                    "CREATE TABLE orders (id int)" if like == "template1" else "ALTER TABLE orders RENAME TO invoices"
                )
                session.execute(text.encode())
        holds, waits = (stack.enter_context(postgres.connect(layout, Node.PRIMARY, "first_of_two")) for _ in range(2))
        stack.callback(waits.close)  # in the midst of its statement
        holds.execute("BEGIN")
        holds.execute("LOCK TABLE orders")
        waits.pgconn.send_query(b"SELECT * FROM orders")

        def named(database: str) -> Row | None:
            asking = Asking(NodeKind.POSTGRES, layout.dsn(Node.PRIMARY, "opsportal_poll", database), blocking)
            try:
                rows = asking.ask().answers["queries.blocking"].rows
            finally:
                asking.close()
            return next((row for row in rows if row["object"] == str(waits.info.backend_pid)), None)

        until(lambda: named("first_of_two"), 10)
        first, second = named("first_of_two"), named("second_of_two")
        assert first is not None
        assert second is not None
        assert (first["relation"], second["relation"]) == ("public.orders", None)
        assert second["lock"] == "relation"


SPARSE = """
    CREATE TABLE sparse (id int, note text) WITH (autovacuum_enabled = off);
    INSERT INTO sparse SELECT n, repeat('x', 200) FROM generate_series(1, 20000) AS n;
    DELETE FROM sparse WHERE id > 1000 AND id < 20000;
"""


def test_how_bloated_a_table_is_and_when_it_was_seen_to(
    primary: Asking, owner: psycopg.Connection, until: Until
) -> None:
    def told() -> Row:
        flush(owner)
        rows = primary.ask().rows("queries.tables") or ()
        return next(row for row in rows if row["object"] == "public.sparse")

    owner.execute(SPARSE)
    try:
        assert (told()["last_vacuum"], told()["last_analyse"]) == (None, None)
        owner.execute("VACUUM (ANALYZE) sparse")
        assert until(lambda: told()["last_vacuum"] and told()["last_analyse"], 5)
        assert told()["bloat_ratio"] is None, "who may not read it is not told how wide its rows are"
        owner.execute("GRANT SELECT ON sparse TO opsportal_poll")
        owner.execute("INSERT INTO sparse SELECT n FROM generate_series(1, 70) AS n")
        assert until(lambda: told()["changed_rows"] == 70, 5)
        row = dict[str, Any](told())
        assert row["bloat_ratio"] == pytest.approx(0.95, abs=0.02), "one row of twenty is left in the place of all"
        (age,) = owner.execute(
            "SELECT age(relfrozenxid)::float8 / current_setting('autovacuum_freeze_max_age')::int "
            "FROM pg_class WHERE relname = 'sparse'"
        ).fetchone() or (0,)
        assert 0 < row["frozen_used"] == pytest.approx(age, rel=0.5)
    finally:
        owner.execute("DROP TABLE sparse")


def test_texts_are_read_for_statements_that_were_never_seen_and_then_no_more(
    watch: Watch, owner: psycopg.Connection, until: Until
) -> None:
    owner.execute("SELECT pg_stat_statements_reset()")  # else a hundred others may have taken more time
    spent = """SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements
               WHERE userid = 'opsportal_poll'::regrole AND query LIKE '%left(min(query),%'"""

    def reads() -> int:
        """How often texts are read, by a poll a minute later."""
        before = (owner.execute(spent).fetchone() or (0,))[0]
        watch.poll(after=EVERY)
        return int((owner.execute(spent).fetchone() or (0,))[0]) - int(before)

    until(lambda: reads() == 0, 15)  # once all are known
    owner.execute("SELECT count(*) AS unseen_so_far, pg_sleep(0.3) FROM generate_series(1, 100)")
    until(lambda: reads() == 1, 15)
    texts = [row["query"] for row in watch.poll().tier_answers["queries.top"].rows]
    assert any("unseen_so_far" in text for text in texts)
    asking = {path.name.partition(".")[0] for path in SQL.glob("*.sql") if "(true)" in path.read_text(encoding="utf-8")}
    assert asking == {"texts"}, "all others leave the texts where they are"


def test_sessions_that_do_nothing_are_not_among_those_that_wait(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("SELECT 1")  # and waits for its client since
    assert "ClientRead" not in {row["event"] for row in primary.ask().rows("queries.waits") or ()}
