"""Plans on demand from a real server: nothing is executed, hostile statements and values stay data, and each refusal says what to do."""

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.readers import Target
from apps.queries.advice import Table, guesses
from apps.queries.explain import NoPlan, Planned, Problem, explain
from apps.queries.plan import steps
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import Watch

BIG = """
    CREATE TABLE big (id bigint, owner int, note text) WITH (autovacuum_enabled = off);
    INSERT INTO big SELECT n, n % 5000, repeat('x', 200) FROM generate_series(1, 60000) AS n;
    ANALYZE big;
    CREATE TABLE closed (id int);
"""


@pytest.fixture
def owner(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A superuser's session in the application's database, with a big table that the polling login may read and a closed one."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as connection:
        connection.execute(BIG)
        connection.execute("GRANT SELECT ON big TO opsportal_poll")
        yield connection
        connection.execute("DROP TABLE IF EXISTS big, closed")


@pytest.fixture
def primary(layout: Layout) -> Target:
    """The primary as the portal reads it."""
    return Target(1, "lab-primary", NodeKind.POSTGRES, NodeRole.PRIMARY, layout.dsn(Node.PRIMARY, "opsportal_poll"))


def known(owner: psycopg.Connection, statement: str, *values: object) -> int:
    """Execute a statement once, and the id under which the server counts it."""
    owner.execute(statement.encode(), values)
    written = statement
    for number in range(1, len(values) + 1):
        written = written.replace("%s", f"${number}", 1)
    row = owner.execute("SELECT queryid FROM pg_stat_statements WHERE query = %s LIMIT 1", [written]).fetchone()
    assert row is not None
    return int(row[0])


def plan(target: Target, queryid: int, *values: str | None) -> Planned:
    return explain(target, queryid, list(values) or None)


def test_a_plan_for_any_values_and_one_for_these(owner: psycopg.Connection, primary: Target) -> None:
    owner.execute("CREATE INDEX big_owner ON big (owner)")
    queryid = known(owner, "SELECT note FROM big WHERE owner = %s AND id < %s", 7, 3)
    generic = plan(primary, queryid)
    assert (generic.generic, list(generic.types)) == (True, ["integer", "bigint"])
    chosen = plan(primary, queryid, "7", "100")
    assert not chosen.generic
    (condition,) = [text for step in steps(chosen.plan) for name, text in step.details if name == "Index Cond"]
    assert "7" in condition
    assert sum(step.dearest for step in steps(chosen.plan)) == 1


def test_values_are_values_whatever_they_contain(owner: psycopg.Connection, primary: Target) -> None:
    queryid = known(owner, "SELECT owner FROM big WHERE note = %s", "a")
    text = "x'); DROP TABLE big; --\\"
    assert text.replace("'", "''") in str(plan(primary, queryid, text).plan)
    assert owner.execute("SELECT count(*) FROM big").fetchone() == (60_000,)
    with pytest.raises(NoPlan) as refused:
        plan(primary, known(owner, "SELECT id FROM big WHERE owner = %s", 1), "1) OR (true")
    assert refused.value.problem is Problem.VALUE


def test_nothing_is_executed_and_utilities_cannot_be_asked(owner: psycopg.Connection, primary: Target) -> None:
    owner.execute("GRANT DELETE ON big TO opsportal_poll")
    queryid = known(owner, "DELETE FROM big WHERE owner = %s", -1)
    assert plan(primary, queryid, "7").plan["Operation"] == "Delete"
    assert owner.execute("SELECT count(*) FROM big WHERE owner = 7").fetchone() == (12,)
    with pytest.raises(NoPlan) as refused:
        plan(primary, known(owner, "COMMENT ON TABLE big IS 'large'"))
    assert refused.value.problem is Problem.KIND


SLY = """
    CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS $$BEGIN INSERT INTO closed VALUES (7); RETURN 1; END$$;
    CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN writes(); END$$;
    GRANT INSERT ON closed TO opsportal_poll;
    ALTER ROLE opsportal_poll SET default_transaction_read_only = off;  -- as that of another tier
"""
FORGED = """
    CREATE SCHEMA forged;
    CREATE FUNCTION forged.pg_stat_statements(boolean) RETURNS TABLE (query text, dbid oid, queryid bigint) LANGUAGE sql AS
        $$SELECT 'SELECT 1; SELECT 2', oid, 1::bigint FROM pg_database WHERE datname = current_database()$$;
    GRANT USAGE ON SCHEMA forged TO PUBLIC;
    ALTER ROLE opsportal_poll SET search_path = forged, public;
"""
HONEST = """
    DROP FUNCTION IF EXISTS sly(), writes();
    DROP SCHEMA IF EXISTS forged CASCADE;
    ALTER ROLE opsportal_poll RESET search_path;
    ALTER ROLE opsportal_poll SET default_transaction_read_only = on;
"""


def test_what_a_function_writes_while_it_is_planned_is_refused(owner: psycopg.Connection, primary: Target) -> None:
    owner.execute(SLY)
    try:
        with pytest.raises(NoPlan, match="in a read-only transaction") as refused:
            plan(primary, known(owner, "SELECT sly()"))
    finally:
        owner.execute(HONEST)
    assert refused.value.problem is Problem.REFUSED
    assert owner.execute("SELECT count(*) FROM closed").fetchone() == (1,), "what its owner called it for"


def test_two_statements_in_a_text_are_not_taken_for_one(owner: psycopg.Connection, primary: Target) -> None:
    owner.execute(FORGED)
    try:
        with pytest.raises(NoPlan) as refused:
            plan(primary, 1)
    finally:
        owner.execute(HONEST)
    assert refused.value.problem is Problem.KIND


def test_a_missing_privilege_is_named_and_one_to_write_is_not_asked_for(
    owner: psycopg.Connection, primary: Target
) -> None:
    with pytest.raises(NoPlan) as refused:
        plan(primary, known(owner, "SELECT id FROM public.closed WHERE id = %s", 1))
    assert (refused.value.problem, refused.value.grant) == (
        Problem.DENIED,
        "GRANT SELECT ON public.closed TO opsportal_poll;",
    )
    owner.execute(refused.value.grant.encode())
    assert (
        plan(primary, known(owner, "SELECT id FROM public.closed WHERE id = %s", 1)).plan["Relation Name"] == "closed"
    )
    with pytest.raises(NoPlan) as refused:
        plan(primary, known(owner, "UPDATE closed SET id = %s", 2))
    assert (refused.value.problem, refused.value.grant) == (Problem.DENIED, "")


def test_a_table_held_by_ddl_and_a_frozen_server_are_not_waited_for(
    owner: psycopg.Connection, primary: Target, fault: Inject
) -> None:
    queryid = known(owner, "SELECT id FROM big WHERE note = %s", "b")
    owner.execute("BEGIN")
    owner.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(NoPlan) as refused:
        plan(primary, queryid)
    owner.execute("ROLLBACK")
    assert refused.value.problem is Problem.LOCKED
    fault("freeze-primary")
    started = monotonic()
    with pytest.raises(NoPlan) as refused:
        plan(primary, queryid)
    assert refused.value.problem in {Problem.UNREACHABLE, Problem.SLOW}
    assert timedelta(seconds=monotonic() - started) < timedelta(seconds=7)


def test_an_index_is_guessed_for_what_is_read_whole_and_never_made(owner: psycopg.Connection, primary: Target) -> None:
    found = plan(primary, known(owner, "SELECT id FROM big WHERE owner = %s AND note > %s", 5, "a"))
    (guess,) = found.guesses
    assert guess.statement == "CREATE INDEX CONCURRENTLY ON public.big (owner, note);"
    assert (guess.cost_with is not None) is found.judged
    assert owner.execute("SELECT count(*) FROM pg_index WHERE indrelid = 'big'::regclass").fetchone() == (0,)


@pytest.fixture
def hypopg(owner: psycopg.Connection) -> None:
    """The extension, which `make test` installs where a package has it for this PostgreSQL."""
    if owner.execute("SELECT FROM pg_available_extensions WHERE name = 'hypopg'").fetchone() is None:
        pytest.skip("this PostgreSQL has no hypopg")
    owner.execute("CREATE EXTENSION IF NOT EXISTS hypopg")


@pytest.mark.parametrize("values", [(), ("7",)], ids=["for any values", "for these"])
def test_the_planner_says_what_a_guessed_index_would_save(
    owner: psycopg.Connection, hypopg: None, primary: Target, values: tuple[str, ...]
) -> None:
    found = plan(primary, known(owner, "SELECT id FROM big WHERE owner = %s", 5), *values)
    assert found.judged
    (guess,) = found.guesses
    assert guess.statement == "CREATE INDEX CONCURRENTLY ON public.big (owner);"
    assert (guess.saved or 0) > 0.9, f"{guess.cost} without it, {guess.cost_with} with it"


def test_small_tables_and_scans_that_keep_most_rows_need_no_index() -> None:
    scan = {
        "Node Type": "Seq Scan",
        "Schema": "s",
        "Relation Name": "t",
        "Filter": "(t.a = 1)",
        "Plan Rows": 5,
        "Total Cost": 9.0,
    }
    assert guesses(scan, {"s.t": Table(["a"], 5000, 100_000)})
    assert not guesses(scan, {"s.t": Table(["a"], 50, 100_000)})
    assert not guesses(scan | {"Plan Rows": 90_000}, {"s.t": Table(["a"], 5000, 100_000)})
    assert not guesses(scan | {"Filter": "(lower(t.a) = 'x'::text)"}, {"s.t": Table(["a"], 5000, 100_000)})


def test_costs_count_as_often_as_a_part_is_repeated() -> None:
    outer = {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Total Cost": 10.0, "Plan Rows": 100}
    inner = {"Node Type": "Index Scan", "Parent Relationship": "Inner", "Total Cost": 2.0, "Plan Rows": 1}
    loop = {"Node Type": "Nested Loop", "Total Cost": 215.0, "Plan Rows": 100, "Plans": [outer, inner]}
    assert [(step.own_cost, step.dearest) for step in steps(loop)] == [(5.0, False), (10.0, False), (200.0, True)]
    limit = {"Node Type": "Limit", "Total Cost": 21.5, "Plan Rows": 10, "Plans": [loop]}
    assert sum(step.own_cost for step in steps(limit)) == pytest.approx(21.5)


def test_on_the_page(
    watch: Watch, owner: psycopg.Connection, browser: Browser, dba: Person, viewer: Person, stranger: Person
) -> None:
    owner.execute("SELECT pg_stat_statements_reset()")  # else a hundred others may have taken more time
    queryid = known(owner, "SELECT id FROM big WHERE owner = %s", 9)
    watch.poll()
    address = f"/t/lab/queries/{queryid}/"
    page = browser(dba).post(address + "plan/", {"node": "lab-primary"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "Seq Scan" in text
    assert "costs the most" in text
    assert 'name="p1"' in text
    wrong = browser(dba).post(
        address + "plan/", {"node": "lab-primary", "count": "1", "type1": "integer", "p1": "<nine>"}
    )
    assert wrong.status_code == 422
    assert "not of its parameter" in wrong.content.decode()
    assert "<nine>" not in wrong.content.decode()
    assert browser(dba).post(address + "plan/", {"node": "lab-redis"}).status_code == 404
    assert browser(dba).get(address + "plan/").status_code == 405
    assert browser(viewer).post(address + "plan/", {"node": "lab-primary"}).status_code == 403
    assert browser(stranger).post(address + "plan/", {"node": "lab-primary"}).status_code == 404
    assert "Show the plan" not in browser(viewer).get(address).content.decode()
