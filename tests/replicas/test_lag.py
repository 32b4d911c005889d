"""Replication lag that never says less than the truth: whatever the primary writes and the replica replays."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.kernel import Answer, Failure, FailureKind, NodeKind, NodeRole, NodeView, Row, Rows, TierView
from apps.replicas.lag import MOST_POINTS, Cause, Measured, Standing, lag, measure, remember, upper_bound

START = 1_800_000_000.0


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


def primary(at: float, position: int, timeline: int = 1) -> Row:
    """A primary's answer to `wal`, `at` seconds after the start."""
    return {
        "now": moment(at),
        "lsn_bytes": position,
        "timeline": timeline,
        "system_identifier": "7",
        "in_recovery": False,
    }


def replica(replayed: int, commit: float | None = None, **other: Any) -> Row:
    """A replica's answer to `wal`: streaming, unless said otherwise."""
    return {
        "now": moment(0),
        "lsn_bytes": replayed,
        "received_bytes": replayed,
        "receiver_status": "streaming",
        "message_age_seconds": 0.5,
        "receiver_timeout_seconds": 60.0,
        "replay": "not paused",
        "last_commit_at": None if commit is None else moment(commit),
        "timeline": 1,
        "system_identifier": "7",
        "in_recovery": True,
    } | other


def kept(found: Measured) -> Row:
    """What is remembered of a replica until the next poll."""
    points = [list(point) for point in found.points]  # as JSON brings it back
    return {"history": "7/1", "points": points, "lag_bytes": found.bytes_behind}


# A course: what the primary writes in each interval (bytes; does it commit?), and how much of what it lacks the replica replays.
STEPS = st.lists(
    st.tuples(st.floats(0.1, 30), st.integers(0, 5000), st.booleans(), st.floats(0, 1), st.booleans()),
    min_size=1,
    max_size=60,
)


@given(STEPS)
def test_the_lag_is_never_less_than_the_age_of_the_oldest_write_the_replica_lacks(
    steps: list[tuple[float, int, bool, float, bool]],
) -> None:
    now, position, replayed = 0.0, 1000, 1000
    writes: list[tuple[float, int, bool]] = [(0.0, 1000, True)]  # when, up to where, committed
    before: Row | None = None
    for pause, written, commits, progress, forget in steps:
        now += pause
        if written:
            position += written
            writes.append((now - pause / 2, position, commits))
        replayed += int((position - replayed) * progress)
        commit = max((at for at, upto, committed in writes if committed and upto <= replayed), default=None)
        found = measure(replica(replayed, commit), primary(now, position), before)
        lacking = [at for at, upto, _committed in writes if upto > replayed]
        truth = now - min(lacking) if lacking else 0.0
        assert found.seconds is not None
        assert found.seconds >= truth - 1e-3
        assert found.bytes_behind == position - replayed
        if replayed == position:
            assert found.seconds == 0
        before = None if forget else kept(found)  # the portal may restart at any time


def test_an_idle_primary_makes_no_lag_however_old_its_last_commit() -> None:
    first = measure(replica(500, commit=0), primary(10, 500), None)
    second = measure(replica(500, commit=0), primary(86_400, 500), kept(first))
    assert (second.standing, second.seconds) == (Standing.IDLE, 0.0)


def test_equal_positions_do_not_hide_a_dead_receiver() -> None:
    dead = replica(500, commit=0, receiver_status=None, message_age_seconds=None)
    found = measure(dead, primary(10, 500), None)
    assert (found.standing, found.cause) == (Standing.BROKEN, Cause.NO_RECEIVER)
    later = measure(dead, primary(70, 900), kept(found))
    assert later.seconds == 60, "since the poll at which it still had everything"


def test_a_receiver_that_hears_nothing_is_dead_though_its_row_says_streaming() -> None:
    found = measure(replica(500, message_age_seconds=61.0), primary(10, 900), None)
    assert (found.standing, found.cause) == (Standing.BROKEN, Cause.SILENT)


@pytest.mark.parametrize("said", ["paused", "pause requested"])
def test_paused_replay_is_broken_though_it_receives(said: str) -> None:
    found = measure(replica(500, commit=0, replay=said), primary(12, 900), None)
    assert (found.standing, found.cause, found.seconds) == (Standing.BROKEN, Cause.PAUSED, 12)


def test_without_a_primary_the_lag_is_unknown_not_zero() -> None:
    assert measure(replica(500), None, None) == Measured(Standing.UNKNOWN, Cause.NO_PRIMARY)


def test_catching_up_and_falling_behind_are_told_apart() -> None:
    first = measure(replica(100, commit=0), primary(60, 10_000), None)
    shrinking = measure(replica(9_000, commit=0), primary(70, 12_000), kept(first))
    assert (shrinking.standing, shrinking.cause) == (Standing.CATCHING_UP, Cause.NONE)
    growing = measure(replica(9_000, commit=0), primary(80, 20_000), kept(shrinking))
    assert (growing.standing, growing.cause) == (Standing.CATCHING_UP, Cause.GROWING)


def test_one_in_step_with_a_busy_primary_streams() -> None:
    found = measure(replica(9_990, commit=59.9), primary(60, 10_000), None)
    assert found.standing is Standing.STREAMING
    assert found.seconds == pytest.approx(0.1)


def test_another_history_forgets_the_readings() -> None:
    before = kept(measure(replica(100), primary(0, 100), None))
    found = measure(replica(100), primary(50, 5_000, timeline=2), before)
    assert found.seconds is None, "what the old primary had says nothing about the new one"


@given(st.lists(st.tuples(st.floats(0.1, 10), st.integers(1, 100)), min_size=1, max_size=2 * MOST_POINTS))
def test_forgetting_readings_never_makes_the_bound_smaller(steps: list[tuple[float, int]]) -> None:
    now, position = 0.0, 0
    points: tuple[tuple[float, int], ...] = ((0.0, 0),)
    everything = [(0.0, 0)]
    for pause, written in steps:
        now, position = now + pause, position + written
        points = remember(points, (now, position), 0)
        everything.append((now, position))
    assert len(points) <= MOST_POINTS + 1
    for replayed in (0, position // 3, position // 2, position):
        exact = upper_bound(replayed, everything, now, None)
        bound = upper_bound(replayed, points, now, None)
        assert exact is not None
        assert bound is not None
        assert bound >= exact


def node(name: str, role: NodeRole, answer: Row | None) -> NodeView:
    given: dict[str, Answer] = {}
    if answer is not None:
        given["replicas.wal"] = Answer("replicas.wal", "", (answer,))
    failure = None if answer is not None else Failure(FailureKind.TIMEOUT, "It did not answer within 4 s.")
    return NodeView(name, NodeKind.POSTGRES, role, role, datetime.fromtimestamp(START, UTC), failure, given)


def poll(
    at: float, *nodes: NodeView, previous: Rows = ()
) -> tuple[dict[str, Row], dict[tuple[str, str], float | None]]:
    rows, samples = lag(TierView(datetime.fromtimestamp(START + at, UTC), nodes, previous=previous))
    told = {(sample.node, sample.metric.rpartition(".")[2]): sample.value for sample in samples}
    return {row["node"]: row for row in rows}, told


def test_readings_outlive_polls_without_a_primary() -> None:
    one = node("one", NodeRole.REPLICA, replica(100))
    rows, _told = poll(0, node("p", NodeRole.PRIMARY, primary(0, 100)), one)
    rows, told = poll(10, node("p", NodeRole.PRIMARY, None), one, previous=tuple(rows.values()))
    assert rows["one"]["standing"] == "unknown"
    assert told["one", "seconds"] is None
    rows, told = poll(20, node("p", NodeRole.PRIMARY, primary(20, 300)), one, previous=tuple(rows.values()))
    assert told["one", "seconds"] == 20


def test_a_replica_that_does_not_answer_has_a_row_and_no_samples() -> None:
    rows, told = poll(0, node("p", NodeRole.PRIMARY, primary(0, 100)), node("one", NodeRole.REPLICA, None))
    assert (rows["one"]["standing"], rows["one"]["cause"]) == ("unknown", "it does not answer")
    assert told == {}
