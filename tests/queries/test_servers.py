"""What the servers' answers tell together: a restart is seen and passes, a text is kept once read, a gap is not bridged."""

from datetime import UTC, datetime, timedelta

from apps.metrics.kernel import Answer, Failure, FailureKind, NodeKind, NodeRole, NodeView, Rows, TierView
from apps.queries.servers import servers, top

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def node(answers: dict[str, Rows], role: NodeRole = NodeRole.PRIMARY, name: str = "one") -> NodeView:
    given = {probe: Answer(probe, "", rows) for probe, rows in answers.items()}
    return NodeView(name, NodeKind.POSTGRES, role, role, NOON, None, given)


def down(name: str = "one") -> NodeView:
    failure = Failure(FailureKind.UNREACHABLE, "Connection refused")
    return NodeView(name, NodeKind.POSTGRES, NodeRole.PRIMARY, NodeRole.PRIMARY, NOON, failure)


def started(at: str) -> dict[str, Rows]:
    return {"queries.counters": ({"started_at": at},)}


def test_a_restart_is_told_for_ten_minutes_and_across_the_time_it_was_down() -> None:
    rows: Rows = ()
    told = []
    course = [started("8:00"), started("8:00"), None, started("9:00"), started("9:00"), started("9:00")]
    times = [0, 10, 20, 30, 40, 640]
    for seconds, answer in zip(times, course, strict=True):
        view = TierView(NOON + timedelta(seconds=seconds), (node(answer) if answer else down(),), previous=rows)
        found, samples = servers(view)
        rows = tuple(found)
        told.append({sample.metric.rpartition(".")[2]: sample.value for sample in samples})
    assert [one.get("restarted") for one in told] == [0, 0, None, 1, 1, 0]
    assert [one["primary_up"] for one in told] == [1, 1, 0, 1, 1, 1]


def test_a_promoted_replica_is_the_primary_then() -> None:
    promoted = NodeView("two", NodeKind.POSTGRES, NodeRole.REPLICA, NodeRole.PRIMARY, NOON)
    _rows, samples = servers(TierView(NOON, (down(), promoted)))
    assert {s.metric: s.value for s in samples if s.metric.endswith("primary_up")} == {"queries.servers.primary_up": 1}


def statements(calls: int) -> Rows:
    whole = {
        "object": "",
        "calls": calls,
        "total_ms": calls * 2.0,
        "rows": 0,
        "entries": 1,
        "dealloc": 0,
        "stats_reset": None,
    }
    return (whole, {"object": "77", "calls": calls, "total_ms": calls * 2.0, "rows": 0})


def test_a_text_is_kept_once_it_was_read_and_a_gap_is_not_bridged() -> None:
    rows: Rows = ()
    course: list[NodeView] = [
        node({"queries.statements": statements(10), "queries.texts": ({"object": "77", "query": "SELECT $1"},)}),
        node({"queries.statements": statements(15)}),
        down(),
        node({"queries.statements": statements(99)}),
    ]
    told = []
    for one in course:
        found, _samples = top(TierView(NOON, (one,), previous=rows))
        rows = tuple(found)
        told.append([(row["query"], row["recent_calls"]) for row in rows if row["object"]])
    assert told == [[("SELECT $1", 0)], [("SELECT $1", 5)], [], [("", 0)]]
