"""Marks on charts: what happened to a tier, from the ledger and the alerts, in one query; nothing of another tier."""

import csv
import io
from datetime import UTC, datetime, timedelta

import plotly.graph_objects as go
import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.ledger.models import Entry
from apps.metrics.board import Chart
from apps.metrics.figures import draw
from apps.metrics.kernel import Unit
from apps.metrics.limits_drawn import Judged
from apps.metrics.lines import Line
from apps.metrics.marks import MOST, Mark, in_words, marks, on
from apps.metrics.models import Alert, Node, NodeStatus, Tier
from apps.metrics.ranges import Range
from tests.people import Browser
from tests.watch import Watch

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)
WITHIN = Range(NOW - 60 * MINUTE, NOW + 30 * MINUTE)  # the tests may be long under way
HOSTILE = "</script><b>x"
LAG = Chart("lag", "Replay lag", Unit.SECONDS, ("replicas.lag.seconds",), check="replicas.replay_lag")
CALLS = Chart("calls", "Calls", Unit.PER_SECOND, ("queries.statements.calls_per_second",))


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier with a rollout begun, an alert that came and went, and one that is open since before the range."""
    tier, other = (Tier.objects.create(slug=slug, name=slug) for slug in ("lab", "other"))
    node = Node.objects.create(tier=tier, name="replica-2", kind="postgres", role="replica", address="postgresql://h")
    moments = {"updated_at": NOW, "state": "fail", "check_id": "replicas.replay_lag"}
    Alert.objects.create(tier=tier, node=node, opened_at=NOW - 30 * MINUTE, closed_at=NOW - 10 * MINUTE, **moments)
    Alert.objects.create(tier=tier, opened_at=NOW - 90 * MINUTE, **moments | {"check_id": "cache.up"})
    Alert.objects.create(tier=other, opened_at=NOW - 20 * MINUTE, **moments)
    with transaction.atomic():
        append(kind="rollout.start", subject="rollout/1", actor="ada", body={"name": HOSTILE}, tier="lab")
        append(kind="rollout.tick", subject="rollout/1", actor="ada", body={"text": "x"}, tier="lab")
        append(kind="rollout.start", subject="rollout/2", actor="ada", body={"name": "not here"}, tier="other")
    return tier


def test_what_happened_comes_in_order_by_one_query(
    tier: Tier, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        found = marks(tier, WITHIN, [LAG])
    assert [(mark.text, mark.state, mark.small) for mark in found] == [
        ("Alert opened: Replay lag replica-2", "fail", True),
        ("Alert closed: Replay lag replica-2", "", True),
        (f"ada started the rollout “{HOSTILE}”.", "", False),
    ]
    assert not marks(tier, Range(NOW - 200 * MINUTE, NOW - 100 * MINUTE), [LAG])


def test_a_chart_shows_alerts_of_its_own_checks_and_nodes_and_of_nodes_that_were_down(tier: Tier) -> None:
    moments = {"opened_at": NOW - 20 * MINUTE, "updated_at": NOW, "state": "fail", "tier": tier}
    shown, other = Node.objects.get(name="replica-2"), Node.objects.create(tier=tier, name="replica-3", kind="postgres")
    for check_id, node in (("node.up", shown), ("node.up", other), ("replicas.replay_lag", other), ("cache.up", shown)):
        Alert.objects.create(check_id=check_id, node=node, **moments)
    lines = [Line("replicas.lag.seconds", "replica-2", "", [NOW.timestamp()], [0.2])]
    told = [mark.text for mark in on(LAG, marks(tier, WITHIN, [LAG, CALLS]), lines) if mark.check_id]
    assert sorted(told) == [
        "Alert closed: Replay lag replica-2",
        "Alert opened: Answering replica-2",
        "Alert opened: Replay lag replica-2",
    ]
    lines = [Line("queries.statements.calls_per_second", "replica-2", "", [NOW.timestamp()], [1.0])]
    told = [mark.text for mark in on(CALLS, marks(tier, WITHIN, [LAG, CALLS]), lines) if mark.check_id]
    assert told == ["Alert opened: Answering replica-2"]


def test_a_rollout_keeps_its_mark_beside_any_number_of_alerts(tier: Tier) -> None:
    node = Node.objects.get(name="replica-2")
    for number in range(MOST):
        opened = NOW + number * timedelta(seconds=1) + MINUTE
        Alert.objects.create(
            tier=tier, node=node, check_id="replicas.replay_lag", object=str(number), state="warn", opened_at=opened,
            updated_at=opened,
        )  # fmt: skip
    found = marks(tier, WITHIN, [LAG])
    assert len(found) == MOST
    assert [mark.text for mark in found if not mark.small] == [f"ada started the rollout “{HOSTILE}”."]


def test_they_are_drawn_told_and_written_into_files(tier: Tier, viewer: Person, browser: Browser) -> None:
    lines = [Line("replicas.lag.seconds", "replica-2", "", [NOW.timestamp()], [0.2])]
    found = marks(tier, WITHIN, [LAG])
    drawing = draw(LAG, lines, WITHIN, ["replica-2"], Judged(None), marked=found)
    go.Figure(drawing.figure)  # type: ignore[attr-defined,no-untyped-call]
    drawn = drawing.figure["layout"]["meta"]["marks"]
    assert [mark["at"] for mark in drawn] == [round(mark.at.timestamp() * 1000) for mark in found]
    assert "</script>" not in drawing.island
    assert "Alert opened: Replay lag replica-2" in drawing.marked
    with transaction.atomic():
        tier.alerts.update(node=None)
    address = f"/t/lab/replicas/tables/lag.csv?{WITHIN.query}"
    text = browser(viewer).get(address).content.decode("utf-8-sig")
    told = [mark.text for mark in marks(tier, WITHIN, [LAG])]
    assert [row[2] for row in csv.reader(io.StringIO(text)) if row[0] == "mark"] == told
    document = browser(viewer).get(address.replace(".csv", ".json")).json()
    assert [mark["text"] for mark in document["marks"]] == told


def test_many_marks_are_told_briefly() -> None:
    many = [Mark(NOW, str(number), f"event {number}.") for number in range(5)]
    assert in_words(many).endswith("and 2 earlier")
    assert in_words([]) == ""


def test_a_changed_role_is_a_mark_and_an_entry(watch: Watch) -> None:
    NodeStatus.objects.filter(node__name="lab-replica-1").update(role="primary")
    watch.poll(2)
    (entry,) = Entry.objects.filter(kind="node.role")
    assert entry.sentence == "lab-replica-1 was found to be replica; before it was primary."
    assert entry.sentence in [mark.text for mark in marks(watch.tier, WITHIN, [LAG])]
