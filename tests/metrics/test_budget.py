"""A node that costs more than its cap is asked less, says so slot by slot, and is asked as ever once there is room again."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection
from django.test import Client, override_settings

from apps.accounts.models import Person
from apps.lab import redis as lab_redis
from apps.lab.layout import Layout
from apps.lab.layout import Node as Server
from apps.lab.tier import Lab
from apps.metrics import budget
from apps.metrics.alerts import Kind
from apps.metrics.budget import COST, Duty, cost
from apps.metrics.kernel import Answer, NodeKind, NodeRole, NodeView, State, TierView
from apps.metrics.models import Alert, LatestAnswer, Node, NodeStatus
from apps.metrics.poll import forget, slot_of
from tests.people import Browser
from tests.watch import STEP, Watch

COSTLY = "lab-primary"
ABOVE_OTHERS = 12_000  # bytes per poll: the primary's answers are longer, everybody else's shorter


@pytest.fixture
def emptied(lab: Lab, layout: Layout) -> None:
    """What Redis tells grows with what other tests did to it."""
    with lab_redis.session(layout) as client:
        client.flushall()
        client.slowlog_reset()


def level(watch: Watch, node: str = COSTLY) -> int:
    rows = LatestAnswer.objects.get(tier=watch.tier, probe=COST).rows
    return next(int(row["level"]) for row in rows if row["node"] == node)


def slots(watch: Watch) -> dict[str, Counter[str]]:
    """How each node's slots ended, by node: a failure's kind, or empty."""
    names = dict(Node.objects.filter(tier=watch.tier).values_list("pk", "name"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT node_id, failure FROM metrics_poll WHERE node_id = ANY(%s)", [list(names)])
        found: dict[str, Counter[str]] = {name: Counter() for name in names.values()}
        for node, failure in cursor.fetchall():
            found[names[node]][failure] += 1
    return found


def reaches(watch: Watch, wanted: int, polls: int = 60) -> None:
    for _ in range(polls):
        if level(watch) == wanted:
            return
        watch.poll()
    pytest.fail(f"the level is {level(watch)} after {polls} polls, not {wanted}")


def test_above_its_cap_a_node_is_asked_less_and_no_other_is(
    emptied: None, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "CALM_WINDOWS", 1)
    watch.poll(6)  # the slow probes of the beginning are out of the window
    with override_settings(NODE_BYTES_PER_POLL=ABOVE_OTHERS):
        reaches(watch, Duty.NO_SLOW)
        reaches(watch, Duty.HALF)
        assert watch.state("node.up", COSTLY) is State.PASS
        before = slots(watch)[COSTLY]
        watch.poll(8)
        found = slots(watch)
        since = found[COSTLY] - before
        assert since.total() == 8, "every slot has its row"
        assert since["backed_off"] in {4, 5, 6}, "every second slot or, if that was too much yet, every fourth"
        others = {name: set(ended) for name, ended in found.items() if name != COSTLY}
        assert others == {name: {""} for name in others}
        assert watch.state("node.backed_off", COSTLY) is State.WARN
        assert {(a.check_id, a.node and a.node.name) for a in Alert.objects.filter(closed_at=None)} <= {
            ("node.backed_off", COSTLY), ("node.budget", COSTLY),
        }, "it is neither down nor behind"  # fmt: skip
        assert NodeStatus.objects.get(node__name=COSTLY).up
        forget(watch.tier)  # as a worker does that starts anew
        watch.poll(4)
        assert slots(watch)[COSTLY]["backed_off"] - found[COSTLY]["backed_off"] in {2, 3}
    reaches(watch, Duty.FULL)
    watch.poll(2)
    assert not watch.alerts("node.backed_off")


def test_more_connections_of_ours_than_the_cap_are_backed_off_from_too(watch: Watch, layout: Layout) -> None:
    with ExitStack() as opened:
        for _ in range(2):  # and the poller's own
            opened.enter_context(psycopg.connect(layout.dsn(Server.PRIMARY, "opsportal_poll", direct=True)))
        with override_settings(NODE_CONNECTIONS=2, NODE_MS_PER_MINUTE=60_000):  # whatever else this machine does
            reaches(watch, Duty.NO_SLOW, polls=16)
    rows = LatestAnswer.objects.get(tier=watch.tier, probe=COST).rows
    assert {row["node"]: row["most"] for row in rows if row["level"]} == {COSTLY: "connections"}


def test_what_is_not_asked_long_enough_is_unknown_and_calls_nobody(watch: Watch) -> None:
    with override_settings(NODE_BYTES_PER_POLL=1000):
        reaches(watch, Duty.QUARTER)
        while not slots(watch)[COSTLY]["backed_off"] or watch.state("node.up", COSTLY) is State.PASS:
            watch.poll()
        watch.poll(4)
    assert not Alert.objects.filter(kind=Kind.SILENCE).exists()
    assert not Alert.objects.filter(check_id__startswith="replicas.").exists()


CAPS = {"ms_per_minute": 100.0, "bytes_per_poll": 1000.0, "connections": 2.0, "slot_seconds": 10}


def of(total_ms: float | None = None, received: int = 10, busy: float = 0.001) -> NodeView:
    kind = NodeKind.REDIS if total_ms is None else NodeKind.POSTGRES
    rows = ({"sessions": 1, "total_ms": total_ms},)
    answers = {} if total_ms is None else {"node.login": Answer("node.login", "", rows)}
    return NodeView(
        "it", kind, NodeRole.NONE, NodeRole.NONE, None, answers=answers, received_bytes=received, busy_seconds=busy
    )


def costs(*polls: NodeView) -> list[dict[str, object]]:
    """The row of each poll, slot after slot."""
    made: list[dict[str, object]] = []
    at = slot_of(datetime.now(UTC))
    for view in polls:
        at += STEP
        rows, _samples = cost(TierView(at, (view,), previous=tuple(made[-1:]), portal={"caps": CAPS}))
        made += [dict(row) for row in rows]
    return made


def test_milliseconds_are_the_servers_count_and_a_reset_is_no_cost() -> None:
    rows = costs(of(5000), of(5010), of(3), of(13))
    assert [row["ms_per_minute"] for row in rows] == [None, 60.0, None, 60.0]
    assert {row["measured_by"] for row in rows} == {"pg_stat_statements"}


def test_after_a_step_the_server_is_read_twice_before_it_is_judged() -> None:
    rows = costs(*(of(1000 * place, busy=0.0) for place in range(20)))
    assert [row["level"] for row in rows[:6]] == [Duty.FULL] * 5 + [Duty.NO_SLOW]
    assert [row["ms_per_minute"] for row in rows[6:8]] == [None, 6000.0]
    assert {row["measured_by"] for row in rows} == {"pg_stat_statements"}


def test_elsewhere_they_are_the_quickest_answer_so_that_a_busy_portal_blames_nobody() -> None:
    row = costs(of(busy=0.010), of(busy=0.900), of(busy=0.030))[-1]
    assert (row["ms_per_minute"], row["measured_by"]) == (60.0, "answers waited for")


def test_slow_probes_are_tried_again_only_after_five_calm_minutes() -> None:
    window = 6
    rows = costs(*[of(received=5000)] * window, *[of()] * (6 * window))
    levels = [row["level"] for row in rows]
    assert levels.index(Duty.NO_SLOW) == window - 1
    assert levels.count(Duty.NO_SLOW) == 5 * window


def test_the_page_of_the_nodes_says_what_each_costs_against_its_cap(
    watch: Watch, viewer: Person, browser: Browser
) -> None:
    watch.poll(7)
    client: Client = browser(viewer)
    for url in ("/t/lab/nodes/", "/portal/?tier=lab"):
        page = " ".join(client.get(url).content.decode().split())
        row = page.partition(f'id="cost-{COSTLY}"')[2].partition("</tr>")[0]
        assert "of 1 s" in row, url
        assert "of 500 kB" in row
        assert ">of 4</span>" in row, "connections"
        assert "counted by pg_stat_statements" in row
        assert "answers waited for" in page
        assert "python manage.py doctor" in page
