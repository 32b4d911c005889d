"""What the questions about replication bring from real servers, and what they mean together."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row

from apps.lab import postgres
from apps.lab.binaries import find
from apps.lab.layout import DATABASE, HOST, Layout, Node, make_folder
from apps.lab.processes import Roster, bare_environment
from apps.metrics.kernel import Answer, NodeKind, NodeRole, NodeView, Row, TierView
from apps.metrics.probe import Question
from apps.replicas.lag import lag
from apps.replicas.probes import PROBES, derive_reads, derive_wal, read_slots
from apps.replicas.topology import drift, split, standbys, topology
from tests.conftest import Until
from tests.watch import Asking, samples_of, values

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def asking(layout: Layout, node: Node) -> Iterator[Asking]:
    server = Asking(NodeKind.POSTGRES, layout.dsn(node, "opsportal_poll"), PROBES)
    yield server
    server.close()


@pytest.fixture
def primary(lab: object, layout: Layout) -> Iterator[Asking]:
    yield from asking(layout, Node.PRIMARY)


@pytest.fixture
def replica(lab: object, layout: Layout) -> Iterator[Asking]:
    yield from asking(layout, Node.REPLICA_1)


@pytest.fixture
def owner(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A superuser's session in the application's database."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as connection:
        yield connection


def named(view: NodeView, name: str, declared: NodeRole) -> NodeView:
    return replace(view, name=name, declared_role=declared)


def changed(view: NodeView, **columns: object) -> NodeView:
    """The same answer with other values in some columns: what the server would say in another state."""
    answer = view.answers["replicas.wal"]
    row: Row = {**answer.rows[0], **columns}
    return replace(view, answers={**view.answers, "replicas.wal": Answer(answer.probe_id, answer.question, (row,))})


def told(view: TierView, derive: object = topology) -> dict[tuple[str, str], float | None]:
    assert callable(derive)
    _rows, samples = derive(view)
    return {(sample.node, sample.metric.rpartition(".")[2]): sample.value for sample in samples}


def test_both_sides_of_replication_answer(primary: Asking, replica: Asking) -> None:
    here, there = primary.ask(), replica.ask()
    mine, theirs = (here.rows("replicas.wal") or ())[0], (there.rows("replicas.wal") or ())[0]
    assert (mine["in_recovery"], theirs["in_recovery"]) == (False, True)
    assert mine["system_identifier"] == theirs["system_identifier"]
    assert mine["timeline"] == theirs["timeline"]
    assert theirs["receiver_status"] == "streaming"
    assert theirs["replay"] == "not paused"
    assert {row["object"] for row in here.rows("replicas.senders") or ()} == {"lab-replica-1", "lab-replica-2"}
    assert there.rows("replicas.senders") is None, "only a primary is asked for its senders"


def test_the_primary_counts_the_standbys_that_stream_to_it(primary: Asking, replica: Asking) -> None:
    here = named(primary.ask(), "p", NodeRole.PRIMARY)
    there = named(replica.ask(), "r", NodeRole.REPLICA)
    found = told(TierView(NOW, (here, there, replace(there, name="s"))), standbys)
    assert found == {("p", "streaming"): 1, ("p", "with_slot"): 1}
    three = TierView(NOW, (here, *(replace(there, name=name) for name in "rst")))
    assert told(three, standbys)["p", "streaming"] == pytest.approx(2 / 3), "declared, and never seen"
    assert not told(TierView(NOW, (there,)), standbys), "no primary, no sight"


def test_what_only_collects_wal_is_no_standby(primary: Asking, layout: Layout, until: Until) -> None:
    folder = layout.folder("collected")
    make_folder(folder, layout.user)
    roster = Roster(folder)
    where = f"host={HOST} port={layout.port(Node.PRIMARY, direct=True)} user=replicator"
    command = [str(find().watched / "pg_receivewal"), "-D", str(folder), "-d", where]
    secret = bare_environment({"PGPASSWORD": layout.password("postgres", "replicator")})
    roster.start("collector", command, log=folder / "log", cwd=folder, user=layout.user, env=secret)
    try:

        def collector() -> Row | None:
            rows = primary.ask().rows("replicas.senders") or ()
            return next((row for row in rows if row["object"] == "pg_receivewal"), None)

        until(lambda: (row := collector()) and row["state"] == "streaming")
        found = collector()
        assert found is not None
        assert found["standby"] is False
        view = named(primary.ask(), "p", NodeRole.PRIMARY)
        _rows, samples = standbys(
            TierView(
                NOW,
                (view, *(replace(view, name=n, declared_role=NodeRole.REPLICA, role=NodeRole.REPLICA) for n in "rst")),
            )
        )
        assert values(samples)["replicas.standbys.streaming", ""] == pytest.approx(2 / 3)
    finally:
        roster.stop("collector")
        shutil.rmtree(folder)


def test_wal_is_counted_as_it_is_written(primary: Asking, owner: psycopg.Connection) -> None:
    primary.ask()
    owner.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000))")
    samples = samples_of(primary.ask().answers["replicas.wal"])
    assert (samples["replicas.wal.bytes_per_second", ""] or 0) > 100_000


def test_a_snapshot_held_long_is_counted_in_transactions(
    primary: Asking, owner: psycopg.Connection, layout: Layout
) -> None:
    before = samples_of(primary.ask().answers["replicas.wal"])["replicas.wal.oldest_xmin_age", ""] or 0
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as holder, holder.transaction():
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        for _ in range(40):
            owner.execute("SELECT pg_current_xact_id()")
        held = samples_of(primary.ask().answers["replicas.wal"])["replicas.wal.oldest_xmin_age", ""] or 0
    assert held >= max(40, before)


def test_slots_tell_what_they_keep(primary: Asking) -> None:
    samples = samples_of(primary.ask().answers["replicas.slots"])
    for slot in ("replica_1", "replica_2"):
        assert samples["replicas.slots.active", slot] == 1
        assert samples["replicas.slots.wal_standing", slot] == 0
        assert (samples["replicas.slots.safe_ratio", slot] or 0) > 0.9


def test_a_lost_slot_is_worse_than_one_that_reaches_far_back() -> None:
    lost = {"object": "s", "active": 0, "wal_standing": 3, "safe_ratio": 0.0, "kept_bytes": None}
    samples = values(read_slots((lost,)))
    assert samples["replicas.slots.wal_standing", "s"] == 3
    assert samples["replicas.slots.kept_bytes", "s"] is None


def test_a_slot_that_conflicts_is_lost_on_16(owner: psycopg.Connection) -> None:
    if owner.info.server_version >= 160_000:
        pytest.skip("this PostgreSQL says by itself which slots conflict")
    question = next(probe.question for probe in PROBES if probe.id == "replicas.slots")
    assert isinstance(question, Question)
    with owner.transaction(force_rollback=True), owner.cursor(row_factory=dict_row) as cursor:
        cursor.execute("CREATE SCHEMA later")
        cursor.execute(
            "CREATE VIEW later.pg_replication_slots AS SELECT *, nullif(slot_name = 'replica_1', false) AS conflicting"
            " FROM pg_catalog.pg_replication_slots"
        )
        cursor.execute("SET LOCAL search_path = later, pg_catalog")
        slots = {row["object"]: row for row in cursor.execute(question.for_version(16).encode())}
    one, other = slots["replica_1"], slots["replica_2"]
    assert (one["wal_standing"], one["lost_because"]) == (3, "rows_removed or wal_level_insufficient")
    assert (other["wal_standing"], other["lost_because"], other["inactive_seconds"]) == (0, None, None)


def test_roles_timelines_and_how_many_serve(primary: Asking, replica: Asking) -> None:
    one = named(primary.ask(), "p", NodeRole.PRIMARY)
    two = named(replica.ask(), "r", NodeRole.REPLICA)
    whole = told(TierView(NOW, (one, two)))
    assert whole["", "one_primary"] == 1
    assert whole["", "replicas_in_service"] == 1
    assert whole["r", "timeline_differs"] == 0
    assert whole["r", "role_differs"] == 0
    assert (whole["r", "clock_skew_seconds"] or 0) < 2

    promoted = told(TierView(NOW, (one, replace(changed(two, in_recovery=False), role=NodeRole.PRIMARY))))
    assert (promoted["", "one_primary"], promoted["", "primaries"]) == (0, 2)
    assert promoted["r", "role_differs"] == 1

    other = told(TierView(NOW, (one, changed(two, timeline=9))))
    assert other["r", "timeline_differs"] == 1

    deaf = TierView(NOW, (one, changed(two, receiver_status=None)))
    assert told(deaf)["", "replicas_in_service"] == 0
    assert told(deaf, lag)["r", "receiver"] == 0
    assert told(deaf, lag)["r", "streaming"] == 0

    skewed = told(TierView(NOW, (one, changed(two, now="2036-01-01T00:00:00+00:00"))))
    assert (skewed["r", "clock_skew_seconds"] or 0) > 86_400


def test_no_replica_declared_is_nothing_to_miss(primary: Asking) -> None:
    assert told(TierView(NOW, (named(primary.ask(), "p", NodeRole.PRIMARY),)))["", "replicas_in_service"] is None


def test_settings_are_compared_and_kept_between_readings(primary: Asking, replica: Asking) -> None:
    one = named(primary.ask(), "p", NodeRole.PRIMARY)
    two = named(replica.ask(), "r", NodeRole.REPLICA)
    rows, samples = drift(TierView(NOW, (one, two)))
    assert [sample.value for sample in samples] == [0]
    silent = (replace(one, answers={"replicas.wal": one.answers["replicas.wal"]}), replace(two, answers={}))
    kept, none = drift(TierView(NOW, silent, previous=tuple(rows)))
    assert list(none) == [], "nothing was read anew"
    assert [row["settings"] for row in kept] == [row["settings"] for row in rows]


def test_conflicts_are_counted_since_the_poll_before_and_not_across_a_restart(replica: Asking) -> None:
    row = dict((replica.ask().rows("replicas.wal") or ())[0])
    conflicts = ("replicas.wal.conflicts", "")
    assert values(derive_wal((row | {"conflicts": 3},), (row | {"conflicts": 1},), 10))[conflicts] == 2
    restarted = row | {"conflicts": 3, "started_at": "2036-01-01T00:00:00+00:00"}
    assert conflicts not in values(derive_wal((restarted,), (row,), 10))
    assert values(derive_wal((row | {"in_recovery": False},), (row,), 10)) == {}


def test_selects_count_where_they_read_data(primary: Asking, owner: psycopg.Connection, until: Until) -> None:
    def selects() -> int:
        return int((primary.ask().rows("replicas.reads") or ())[0]["selects"])

    before = selects()
    for _ in range(10):
        owner.execute("SELECT tier FROM api_key WHERE id = 2")
        owner.execute(
            "-- To insert or update nothing.\n/* for update: no */ SELECT id, tier, id FROM api_key WHERE id = 2"
        )
        owner.execute("SELECT 1")  # reads no data
    with owner.transaction(force_rollback=True):
        owner.execute("SELECT tier FROM api_key WHERE id = 2 FOR UPDATE")  # a write's first half
        owner.execute("/* select */ UPDATE api_key SET tier = tier WHERE id = 2")
        owner.execute("WITH gone AS (DELETE FROM api_key WHERE id = -1 RETURNING 1) SELECT count(*) FROM gone")
    assert 20 <= selects() - before < 30


def test_the_share_of_reads(primary: Asking, replica: Asking) -> None:
    def with_rate(view: NodeView, rate: float) -> NodeView:
        before, now = ({"selects": n, "dealloc": 0, "stats_reset": None} for n in (0, rate * 10))
        samples = tuple(derive_reads((now,), (before,), 10))
        return replace(view, answers={**view.answers, "replicas.reads": Answer("replicas.reads", "", (now,), samples)})

    one = with_rate(named(primary.ask(), "p", NodeRole.PRIMARY), 30)
    two = with_rate(named(replica.ask(), "r", NodeRole.REPLICA), 70)
    _rows, samples = split(TierView(NOW, (one, two)))
    assert [sample.value for sample in samples] == [0.7]
    before = {"selects": 1, "dealloc": 0, "stats_reset": None}
    assert list(derive_reads((before | {"selects": 5, "dealloc": 1},), (before,), 10)) == [], (
        "statements were thrown out"
    )
