"""A question that fails says why, and the others of the same poll are answered."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.collect import Collector, NodePoll
from apps.metrics.kernel import FailureKind, NodeKind, NodeRole
from apps.metrics.probe import Probe, Question, Variant
from apps.metrics.readers import Target


def probe(name: str, text: str) -> Probe:
    return Probe(f"test.{name}", NodeKind.POSTGRES, Question((Variant(text),)))


GOOD = [probe(f"good_{number}", f"SELECT {number} AS number") for number in range(6)]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector(timedelta(seconds=4))
    yield made
    made.close()


def ask(collector: Collector, layout: Layout, *probes: Probe) -> NodePoll:
    target = Target(1, "it", NodeKind.POSTGRES, NodeRole.PRIMARY, layout.dsn(Node.PRIMARY, "opsportal_poll"))
    (polled,) = collector.poll([target], {1: probes}, {})
    return polled


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("SELECT * FROM nowhere", FailureKind.ERROR, 'relation "nowhere" does not exist'),
        ("SELECT 1 / 0 AS nothing", FailureKind.ERROR, "division by zero"),
        ("SELECT rolpassword FROM pg_authid", FailureKind.DENIED, "permission denied"),
        ("SELECT pg_sleep(3)", FailureKind.TIMEOUT, "over 2 s"),
    ],
)
def test_one_failure_is_one_probes_own(
    lab: object, layout: Layout, collector: Collector, place: int, text: str, kind: FailureKind, words: str
) -> None:
    if kind is FailureKind.TIMEOUT and place:
        return  # once is slow enough
    bad = probe("bad", text)
    probes = [*GOOD[:place], bad, *GOOD[place:]]
    for _ in range(2):
        polled = ask(collector, layout, *probes)
        assert polled.failure is None
        failure = polled.answers["test.bad"].failure
        assert failure is not None
        assert failure.kind is kind
        assert words in failure.message
        assert [polled.answers[good.id].rows[0]["number"] for good in GOOD] == list(range(6))


def test_several_failures_are_told_apart(lab: object, layout: Layout, collector: Collector) -> None:
    one, two = probe("one", "SELECT 1 / 0 AS nothing"), probe("two", "SELECT * FROM nowhere")
    for _ in range(2):
        polled = ask(collector, layout, GOOD[0], one, GOOD[1], two)
        told = {name: answer.failure.message for name, answer in polled.answers.items() if answer.failure}
        assert told.keys() == {"test.one", "test.two"}
        assert "division" in told["test.one"]
        assert "nowhere" in told["test.two"]


def test_a_question_behind_a_lock_is_blocked_and_answers_when_it_is_gone(
    lab: object, layout: Layout, collector: Collector
) -> None:
    size = probe("size", "SELECT pg_total_relation_size('api_key') AS bytes")
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as owner, owner.transaction():
        owner.execute("LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE")
        polled = ask(collector, layout, *GOOD, size)
        failure = polled.answers["test.size"].failure
        assert failure is not None
        assert failure.kind is FailureKind.BLOCKED
        assert "Locked by DDL" in failure.message
        assert polled.answers["test.good_0"].failure is None
    assert ask(collector, layout, *GOOD, size).answers["test.size"].rows[0]["bytes"] > 0
