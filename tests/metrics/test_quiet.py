"""Alerts over the real tier: a node that is down speaks for its checks, mutes are recorded, changes are told once, thresholds count."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Person
from apps.lab import postgres
from apps.lab.layout import Node as Server
from apps.lab.tier import Lab
from apps.ledger.models import Entry
from apps.metrics import muting, removal, thresholds
from apps.metrics.alerting import Channel
from apps.metrics.alerts import STEADY
from apps.metrics.kernel import State
from apps.metrics.models import Alert, Delivery, Mute, Node, Standing
from apps.metrics.now import check_now
from apps.metrics.poll import Memory, assess, collector, due, targets_of
from apps.metrics.record import record
from apps.metrics.registry import checks
from apps.metrics.secrets import seal
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import STEP, Watch

REPLICA = "lab-replica-1"


@pytest.fixture
def told(watch: Watch, lead: Person) -> Callable[[], list[tuple[str, str, str]]]:
    """What a channel that wants everything was told: node, change and check."""
    Channel.objects.create(
        tier=watch.tier, name="all", kind="json", target=seal("https://example.org/"), least="warn", made_by=lead
    )
    return lambda: [
        (one.message["node"], change["change"], change["check"])
        for one in Delivery.objects.order_by("made_at")
        for change in one.message["changes"]
    ]


def test_a_node_that_is_down_alerts_once_and_its_checks_say_whose_silence_it_is(
    watch: Watch,
    told: Callable[[], list[tuple[str, str, str]]],
    fault: Inject,
    heal: Inject,
    browser: Browser,
    viewer: Person,
) -> None:
    fault("stop-replica-1")
    watch.poll(6)
    of_node = Alert.objects.filter(node__name=REPLICA, closed_at=None)
    assert [alert.check_id for alert in of_node if not alert.quiet] == ["node.up"]
    assert not of_node.filter(kind="no_data").exists()
    assert [one for one in told() if one[0] == REPLICA] == [(REPLICA, "opened", "node.up")]
    silent = Standing.objects.filter(node__name=REPLICA, state="no_data").count()
    page = browser(viewer).get("/alerts/?tier=lab").content.decode()
    assert f"{silent} of its checks have no data" in page
    heal("stop-replica-1")
    for _ in range(10):
        watch.poll()
        if not Alert.objects.filter(node__name=REPLICA, check_id="node.up", closed_at=None).exists():
            break
    assert [one for one in told() if one[2] == "node.up"] == [
        (REPLICA, "opened", "node.up"),
        (REPLICA, "resolved", "node.up"),
    ]


def test_the_poolers_and_the_primarys_dependents_are_explained_by_them(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], fault: Inject
) -> None:
    fault("stop-primary")
    watch.poll(8)
    loud = {alert.check_id for alert in Alert.objects.filter(tier=watch.tier, closed_at=None) if not alert.quiet}
    assert loud == {"node.up"}
    assert {node for node, _change, _check in told()} == {"lab-primary"}
    explained = Alert.objects.filter(tier=watch.tier, closed_at=None, cause__name="lab-primary")
    assert explained.exists(), "what fails because of it is recorded"


def test_a_muted_alert_is_recorded_and_told_only_if_it_is_bad_when_the_mute_ends(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], fault: Inject, on_call: Person
) -> None:
    now = timezone.now()
    node = Node.objects.get(name="lab-redis")
    window = Mute(
        tier=watch.tier,
        node=node,
        starts_at=now - timedelta(minutes=1),
        ends_at=now + timedelta(hours=1),
        reason="upgrade",
        by=on_call,
    )
    muting.begin(window)
    fault("stop-redis")
    watch.poll(4)
    alert = Alert.objects.get(check_id="node.up", closed_at=None)
    assert (alert.mute, alert.announced) == (window, "")
    assert "lab-redis" not in {node for node, _change, _check in told()}, "others may miss it aloud"
    muting.end(window, on_call)
    watch.poll()
    assert ("lab-redis", "opened", "node.up") in told()
    assert [entry.kind for entry in Entry.objects.filter(kind__startswith="mute.").order_by("seq")] == [
        "mute.begin",
        "mute.end",
    ]


def test_a_window_mutes_its_own_check_from_its_first_moment_up_to_its_last(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], on_call: Person, dba: Person
) -> None:
    check, node = checks()["node.clock_offset"], Node.objects.get(name=REPLICA)
    thresholds.change(watch.tier, check, node, (1e-9, 5.0), "clocks must agree", dba)
    opens = watch.slot + STEP + check.hold
    by = {"tier": watch.tier, "reason": "ntpd is moved", "by": on_call}
    Mute.objects.create(check_id="node.up", node=node, starts_at=watch.slot, ends_at=opens + 9 * STEP, **by)
    first = Mute.objects.create(check_id=check.id, starts_at=watch.slot, ends_at=opens + STEP, **by)
    second = Mute.objects.create(node=node, starts_at=opens + 3 * STEP, ends_at=opens + 9 * STEP, **by)
    found = []
    watch.poll()
    for after in (check.hold, STEP, STEP, STEP):
        watch.poll(after=after)
        (alert,) = watch.alerts(check.id)
        found.append((watch.slot - opens, alert.mute, [change for _node, change, of in told() if of == check.id]))
    assert found == [
        (0 * STEP, first, []),
        (1 * STEP, None, ["opened"]),
        (2 * STEP, None, ["opened"]),
        (3 * STEP, second, ["opened"]),
    ]


def test_the_third_opening_within_an_hour_flaps_and_its_message_says_so(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], dba: Person, viewer: Person, browser: Browser
) -> None:
    check, node = checks()["node.clock_offset"], Node.objects.get(name=REPLICA)
    opened = []
    for _ in range(3):
        made = thresholds.change(watch.tier, check, node, (1e-9, 5.0), "clocks must agree", dba)
        watch.poll()
        watch.poll(after=check.hold)
        opened += watch.alerts(check.id)
        thresholds.revert(made, dba)
        watch.poll(2)
    assert [alert.flapping for alert in opened] == [False, False, True]
    assert watch.alerts(check.id) == opened[2:], "two passes end it no more"
    assert [change for _node, change, of in told() if of == check.id] == ["opened", "resolved"] * 2 + ["opened"]
    assert "flapping" in browser(viewer).get(f"/alerts/{opened[2].pk}/").content.decode()
    watch.poll(after=STEADY)
    assert not watch.alerts(check.id)


def test_open_alerts_are_brought_up_to_date_together(watch: Watch, dba: Person) -> None:
    check = checks()["node.clock_offset"]
    for node in Node.objects.filter(kind="postgres"):
        thresholds.change(watch.tier, check, node, (1e-9, 5.0), "every clock is late", dba)
    watch.poll(8)
    opened = Alert.objects.filter(check_id=check.id, closed_at=None)
    assert opened.count() == 3
    with CaptureQueriesContext(connection) as asked:
        watch.poll()
    assert [one["sql"] for one in asked if one["sql"].startswith('UPDATE "metrics_alert"')] == []
    now = {one.node_id: one.value for one in Standing.objects.filter(check_id=check.id)}
    for alert in opened:
        assert (alert.value, alert.updated_at, alert.announced) == (now[alert.node_id], watch.slot, "warn")


def test_a_threshold_set_by_somebody_counts_in_the_poll_on_check_now_and_on_pages(
    watch: Watch, dba: Person, browser: Browser
) -> None:
    check = checks()["node.clock_offset"]
    assert watch.state(check.id, REPLICA) is State.PASS
    tiny = 1e-9
    node = Node.objects.get(name=REPLICA)
    made = thresholds.change(watch.tier, check, node, (tiny, 5.0), "clocks must agree", dba)
    watch.poll()
    assert watch.state(check.id, REPLICA) is State.WARN
    assert watch.state(check.id, "lab-primary") is State.PASS
    checked = check_now(watch.tier, check.id)
    of_node = next(e for e in checked.evidence if e.node == REPLICA)
    assert (of_node.state, of_node.warn) == ("warn", tiny)
    assert "clocks must agree" in of_node.thresholds
    assert "default warns from 1" in of_node.thresholds
    page = browser(dba).get(f"/t/lab/checks/{check.id}/").content.decode()
    assert "by Dba" in page
    assert "clocks must agree" in page
    assert thresholds.revert(made, dba)
    watch.poll()
    assert watch.state(check.id, REPLICA) is State.PASS
    kinds = [(e.kind, json.loads(bytes(e.body))["check"]) for e in Entry.objects.filter(kind__startswith="threshold")]
    assert sorted(kinds) == [("threshold.revert", check.id), ("threshold.set", check.id)]


def test_a_dashboard_tells_who_set_other_thresholds_than_the_default(
    watch: Watch, dba: Person, viewer: Person, browser: Browser
) -> None:
    page, check = "/t/lab/pools/", checks()["pools.utilisation"]
    assert "by Dba" not in browser(viewer).get(page).content.decode()
    thresholds.change(watch.tier, check, None, (0.42, 0.5), "small pools", dba)
    shown = browser(viewer).get(page).content.decode().replace("\xa0", " ")
    for text in ("warns from 42 %", "by Dba", "small pools", "default warns from"):
        assert text in shown


def test_data_that_stay_away_are_an_alert_of_their_own_kind(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], lab: Lab
) -> None:
    """The probe fails while its node answers: its grant was taken away."""

    def grant(words: str) -> None:
        with postgres.connect(lab.layout, Server.PRIMARY, database="messaging") as connection:
            connection.execute(words)

    grant("REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC")
    try:
        watch.poll(5)
        silent = Alert.objects.filter(kind="no_data", node__name="lab-primary", closed_at=None)
        assert {alert.state for alert in silent} == {"no_data"}
        assert not Alert.objects.filter(check_id="node.up", closed_at=None).exists()
        assert {change for node, change, _check in told() if node == "lab-primary"} == {"opened"}
    finally:
        grant("GRANT SELECT ON pg_catalog.pg_stat_activity TO PUBLIC")
    watch.poll(4)
    assert not silent.all().exists()
    assert set(Alert.objects.filter(kind="no_data").values_list("closed_by", flat=True)) == {"back"}


def test_an_alert_that_somebody_took_is_told_again_when_it_gets_worse_and_stays_taken(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], on_call: Person, dba: Person, browser: Browser
) -> None:
    check, node, tiny = checks()["node.clock_offset"], Node.objects.get(name=REPLICA), 1e-9
    thresholds.change(watch.tier, check, node, (tiny, 5.0), "clocks must agree", dba)
    watch.poll(int(check.hold / STEP) + 2)
    (alert,) = watch.alerts(check.id)
    assert browser(on_call).post(f"/alerts/{alert.pk}/acknowledge/", {"note": "ntpd is back soon"}).status_code == 302
    watch.poll(2)
    mine = [(change, of) for _node, change, of in told() if of == check.id]
    assert mine == [("opened", check.id)], "as bad as before is no news"
    thresholds.change(watch.tier, check, node, (tiny / 10, tiny), "clocks must agree", dba)
    watch.poll(int(check.hold_of(State.FAIL) / STEP) + 2)
    assert [change for _node, change, of in told() if of == check.id] == ["opened", "worse"]
    (alert,) = watch.alerts(check.id)
    assert (alert.state, alert.acknowledged_by) == ("fail", on_call)
    shown = browser(dba).get(f"/alerts/{alert.pk}/").content.decode()
    assert "ntpd is back soon" in shown


def test_a_node_removed_while_it_is_asked_leaves_nothing_behind(
    watch: Watch, told: Callable[[], list[tuple[str, str, str]]], fault: Inject, devops: Person
) -> None:
    fault("stop-replica-1")
    watch.poll()
    slot, memory = watch.slot + STEP, Memory()
    targets = targets_of(watch.tier)
    polled = collector().poll(targets, {one.id: due(one, memory, slot) for one in targets}, {})
    measured = assess(watch.tier, slot, polled, memory)
    node = Node.objects.select_related("tier").get(name=REPLICA)
    assert removal.remove(node, devops)
    assert not removal.remove(node, devops), "somebody was quicker"
    with transaction.atomic():
        verdicts = record(watch.tier, slot, polled, measured)
    assert {REPLICA} & {verdict.node for verdict in verdicts} == set()
    assert not Standing.objects.filter(node=node).exists(), "it would stand for ever"
    assert not Alert.objects.filter(node=node, closed_at=None).exists()
    assert not [one for one in told() if one[0] == REPLICA]
    assert Standing.objects.filter(tier=watch.tier, node__name="lab-primary", at=slot).exists(), (
        "the others' poll is kept"
    )


@pytest.mark.usefixtures("told")
def test_who_was_told_that_an_alert_began_is_told_that_its_node_is_no_longer_watched(
    watch: Watch, fault: Inject, devops: Person, browser: Browser
) -> None:
    fault("stop-replica-1")
    watch.poll(4)
    assert browser(devops).post(f"/t/lab/nodes/{REPLICA}/remove/", {"typed": REPLICA}).status_code == 302
    changes = [change for one in Delivery.objects.filter(group=REPLICA) for change in one.message["changes"]]
    assert {change["change"]: change["title"] for change in changes} == {
        "opened": "Answering",
        "resolved": "Answering: no longer watched",
    }
    watch.poll()
    assert not Alert.objects.filter(node__name=REPLICA, closed_at=None).exists()
    assert browser(devops).post(f"/t/lab/nodes/{REPLICA}/remove/", {"typed": REPLICA}).status_code == 404
