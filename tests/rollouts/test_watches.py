"""A watch from its start to its end: from stored samples alone, through a killed process, and everything that ends or refuses it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.alerting import ChannelKind
from apps.metrics.kernel import NodeKind, State
from apps.metrics.models import Channel, Delivery, Node, Series, Threshold
from apps.metrics.registry import checks
from apps.metrics.secrets import seal
from apps.metrics.store import copy
from apps.playbook.plan import Watch as Plan
from apps.playbook.plan import WatchEntry, Week
from apps.playbook.validate import current
from apps.rollouts.advancing import advance, advance_all
from apps.rollouts.models import Deployment, Look, Observation, Rollout, Watch
from apps.rollouts.watches import begin as begin_watch
from tests.conftest import Until
from tests.people import Browser
from tests.rollouts.conftest import at, begin, drilled

WEEK, MINUTE, POLL = "week-1-2", timedelta(minutes=1), timedelta(seconds=10)
LATENCY = WatchEntry(
    slug="latency", title="Time of an answer", check="app.latency", every=MINUTE, max_tolerated_failures=1
)
PLAN = Plan(length=20 * MINUTE, entries=(LATENCY,))
FINE, BAD = [0.05, 0.06, 0.07, 0.055, 0.065, 0.075], [9.0] * 6
Deploy = Callable[..., Rollout]


@pytest.fixture
def deployed(stored: None, lead: Person, qa: Person, devops: Person) -> Deploy:
    """`deployed(plan)`: a rollout of one block with this watch, deployed, on a tier with an application."""

    def make(plan: Plan = PLAN) -> Rollout:
        whole = current().playbook
        week: Week = next(w for w in whole.weeks if w.slug == WEEK)
        rollout = begin(replace(whole, weeks=(replace(week, watch=plan, baseline=(), improvements=()),)), lead, qa)
        Node.objects.create(tier=rollout.tier, name="app", kind=NodeKind.APPLICATION, address="http://h/")
        drilled(rollout, WEEK, devops)
        Deployment.objects.create(rollout=rollout, week=WEEK, what="Logging", by=devops, at=timezone.now())
        return rollout

    return make


def measured(watch: Watch, first: int, minutes: Sequence[Sequence[float] | None], *, answered: bool = True) -> None:
    """Polls and samples of one minute after the other; None: no poll in it. Not `answered`: polled in vain."""
    tier, check = watch.rollout.tier, checks()["app.latency"]
    node = Node.objects.get(tier=tier)
    series, _made = Series.objects.get_or_create(tier=tier, node=node, metric=check.metric, object="")
    begins = datetime.fromtimestamp(watch.begins.timestamp() // 10 * 10 + 10, watch.begins.tzinfo)
    moments = [
        (begins + (first + n) * MINUTE + k * POLL, value)
        for n, minute in enumerate(minutes)
        for k, value in enumerate(minute or ())
    ]
    columns = ("node_id", "at", "failure", "message", "duration_seconds")
    polls = [(node.pk, when, "" if answered else "timeout", "", 0.01) for when, _value in moments]
    copy("metrics_poll", columns, ("int8", "timestamptz", "text", "text", "float8"), polls)
    if answered:
        rows = [(series.pk, when, value) for when, value in moments]
        copy("metrics_sample", ("series_id", "at", "value"), ("int8", "timestamptz", "float8"), rows)


def varied(count: int) -> list[list[float]]:
    return [[value + n / 1000 for value in FINE] for n in range(count)]


def start(rollout: Rollout, by: Person) -> Watch:
    return begin_watch(rollout, at(rollout, WEEK), by)


def gate(rollout: Rollout) -> Any:
    return next(g for g in at(rollout, WEEK).gates if g.slug == "watched")


def url(rollout: Rollout, rest: str = "") -> str:
    return f"/rollouts/{rollout.pk}/weeks/{WEEK}/{rest}"


def test_it_passes_after_its_whole_length_and_not_before(deployed: Deploy, devops: Person, browser: Browser) -> None:
    rollout = deployed()
    assert gate(rollout).detail == "not started"
    assert browser(devops).post(url(rollout, "watch/start/")).status_code == 302
    watch = Watch.objects.get()
    measured(watch, 0, varied(20))
    assert advance_all(watch.begins + 10.5 * MINUTE) == 0
    assert Observation.objects.filter(state="pass").count() == 10
    assert gate(rollout).state == "now"
    page = browser(devops).get(url(rollout)).content.decode()
    assert "to go" in page
    assert "of 20, needs 19" in page
    assert advance_all(watch.begins + 21 * MINUTE) == 1
    watch.refresh_from_db()
    assert (watch.state, watch.said) == ("pass", "100.0 % covered, 0 failures")
    assert gate(rollout).state == "done"
    assert gate(rollout).verdict is State.PASS
    entry = Entry.objects.get(kind="rollout.watched")
    assert entry.actor == "system"
    assert watch.digest in bytes(entry.body).decode()
    assert at(rollout, WEEK).covered["watch"]["digest"] == watch.digest
    assert advance_all(watch.begins + 22 * MINUTE) == 0


def test_the_failure_after_the_tolerated_one_ends_it_at_once_and_is_told(deployed: Deploy, devops: Person) -> None:
    rollout = deployed()
    Channel.objects.create(
        tier=rollout.tier,
        name="ops",
        kind=ChannelKind.JSON,
        target=seal("https://h/"),
        secret=seal(""),
        least=State.FAIL,
        made_by=devops,
    )
    watch = start(rollout, devops)
    measured(watch, 0, [*varied(2), BAD, *varied(2)])
    assert not advance(watch.pk, watch.begins + 6 * MINUTE)
    measured(watch, 5, [BAD])
    assert advance(watch.pk, watch.begins + 8 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "fail"
    assert "Time of an answer: 2 failures, 1 tolerated" in watch.said
    assert gate(rollout).verdict is State.FAIL
    assert gate(rollout).state == "now"
    assert "2 failures" in Delivery.objects.get().message["changes"][0]["title"]


def test_what_nobody_measured_is_not_fine(deployed: Deploy, devops: Person) -> None:
    rollout = deployed(replace(PLAN, coverage=0.5))
    watch = start(rollout, devops)
    measured(watch, 0, varied(3))
    measured(watch, 8, varied(3))
    assert advance(watch.pk, watch.begins + 12 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "inconclusive"
    assert "in a row without a measurement, 3 allowed" in watch.said


def test_a_node_that_does_not_answer_fails_it_after_the_allowed_errors(deployed: Deploy, devops: Person) -> None:
    rollout = deployed(replace(PLAN, max_gap=9, coverage=0.5))
    watch = start(rollout, devops)
    measured(watch, 0, varied(2))
    measured(watch, 2, varied(5), answered=False)
    assert advance(watch.pk, watch.begins + 8 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "fail"
    assert "without an answer, 3 allowed" in watch.said


def test_a_source_that_hangs_is_stale(deployed: Deploy, devops: Person) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    measured(watch, 0, [[0.05] * 6] * 12)
    assert advance(watch.pk, watch.begins + 12.5 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "no_data"
    assert gate(rollout).state == "now"


def test_a_threshold_moved_afterwards_moves_no_watch(deployed: Deploy, devops: Person) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    Threshold.objects.create(
        tier=rollout.tier, check_id="app.latency", warn=50, fail=60, reason="Quiet.", by=devops, at=timezone.now()
    )
    measured(watch, 0, [BAD, BAD])
    assert advance(watch.pk, watch.begins + 4 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "fail"


def test_deploying_again_asks_for_another_watch(deployed: Deploy, devops: Person) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    measured(watch, 0, varied(20))
    advance(watch.pk, watch.begins + 21 * MINUTE)
    assert gate(rollout).state == "done"
    Deployment.objects.create(rollout=rollout, week=WEEK, what="APM", by=devops, at=timezone.now())
    assert gate(rollout).state == "now"
    assert gate(rollout).verdict is State.INCONCLUSIVE
    assert start(rollout, devops).pk != watch.pk


def test_a_watch_that_cannot_be_advanced_is_told_and_keeps_no_other_from_it(deployed: Deploy, devops: Person) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    measured(watch, 0, varied(20))
    earlier = {"at": watch.at - MINUTE, "begins": watch.begins, "ends": watch.ends}
    lost = Watch.objects.create(rollout=rollout, week="gone", by=devops, terms={}, **earlier)
    with capture_logs() as lines:
        assert advance_all(watch.begins + 21 * MINUTE) == 1
    watch.refresh_from_db()
    assert watch.state == "pass"
    assert [line["watch"] for line in lines if line["event"] == "watch.stuck"] == [lost.pk]


def test_a_shadow_check_is_shown_and_changes_nothing(deployed: Deploy, devops: Person) -> None:
    shadow = next(check for check in checks().values() if check.shadow)
    never = WatchEntry(slug="shadow", title="In the shadow", check=shadow.id, every=MINUTE)
    rollout = deployed(replace(PLAN, entries=(LATENCY, never)))
    watch = start(rollout, devops)
    measured(watch, 0, varied(20))
    assert advance(watch.pk, watch.begins + 21 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "pass"
    assert Observation.objects.filter(entry="shadow").exists()
    alone = deployed_alone(rollout, never)
    assert gate(alone).verdict is State.INCONCLUSIVE


def deployed_alone(rollout: Rollout, entry: WatchEntry) -> Rollout:
    """The same, with nothing but a shadow check to watch."""
    whole = current().playbook
    week = next(w for w in whole.weeks if w.slug == WEEK)
    rollout.tier.slug = "other"
    person = rollout.started_by
    weeks = (replace(week, watch=Plan(length=MINUTE, entries=(entry,)), baseline=(), improvements=()),)
    Rollout.objects.filter(pk=rollout.pk).update(name="before")
    type(rollout.tier).objects.filter(pk=rollout.tier_id).update(slug="before")
    made = begin(replace(whole, weeks=weeks), person, person)
    Deployment.objects.create(rollout=made, week=WEEK, what="Logging", by=person, at=timezone.now())
    watch = start(made, person)
    advance(watch.pk, watch.begins + 3 * MINUTE)
    return made


def test_where_only_people_look_every_interval_needs_a_look(
    deployed: Deploy, devops: Person, on_call: Person, viewer: Person, browser: Browser
) -> None:
    people = WatchEntry(slug="errors", title="New errors", look_every=10 * MINUTE)
    rollout = deployed(replace(PLAN, entries=(people,)))
    watch = start(rollout, devops)
    told = {"entry": "errors", "fine": "yes", "note": "None since the morning."}
    assert browser(viewer).post(url(rollout, "watch/look/"), told).status_code == 403
    assert browser(on_call).post(url(rollout, "watch/look/"), told | {"entry": "latency"}).status_code == 422
    assert browser(on_call).post(url(rollout, "watch/look/"), told | {"note": ""}).status_code == 422
    assert not Look.objects.exists()
    for _time in range(2):
        assert browser(on_call).post(url(rollout, "watch/look/"), told).status_code == 302
    assert "None since the morning." in browser(viewer).get(url(rollout)).content.decode()
    assert not advance(watch.pk, watch.begins + 5 * MINUTE)
    assert advance(watch.pk, watch.begins + 20 * MINUTE)
    watch.refresh_from_db()
    assert watch.state == "inconclusive"
    assert "looked at in 1 of 2 intervals" in watch.said
    assert Entry.objects.filter(kind="rollout.look").count() == 2


def test_it_is_aborted_with_a_reason_and_stays_on_record(
    deployed: Deploy, devops: Person, qa: Person, browser: Browser
) -> None:
    rollout = deployed()
    start(rollout, devops)
    assert browser(devops).post(url(rollout, "watch/start/")).status_code == 409
    assert browser(qa).post(url(rollout, "watch/abort/"), {"why": "I do not like it."}).status_code == 403
    assert browser(devops).post(url(rollout, "watch/abort/"), {"why": "no"}).status_code == 422
    assert (
        browser(devops).post(url(rollout, "watch/abort/"), {"why": "The load test ran too early."}).status_code == 302
    )
    assert (
        browser(devops).post(url(rollout, "watch/abort/"), {"why": "The load test ran too early."}).status_code == 409
    )
    watch = Watch.objects.get()
    assert (watch.state, watch.aborted_by) == ("inconclusive", devops)
    assert "The load test ran too early." in watch.said
    assert Entry.objects.get(kind="rollout.abort-watch").actor == devops.username
    assert browser(devops).post(url(rollout, "watch/start/")).status_code == 302
    assert "One watch before" in browser(devops).get(url(rollout)).content.decode()


def test_an_open_page_is_sent_what_moved_and_nothing_else(deployed: Deploy, devops: Person, browser: Browser) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    page = browser(devops).get(url(rollout))
    mark = page.context["sheet"].watch_mark
    measured(watch, 0, varied(3))
    advance(watch.pk, watch.begins + 4 * MINUTE)
    answer = browser(devops).get(url(rollout, "watch/"), {"mark": mark}, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert 'id="watch-now"' in text
    assert 'id="path"' in text
    assert "<form" not in text
    seen = answer.context["sheet"].watch_mark
    assert seen != mark
    again = browser(devops).get(url(rollout, "watch/"), {"mark": seen}, headers={"HX-Request": "true"})
    assert again.status_code in {200, 204}  # a minute may have gone by
    if again.status_code == 200:
        assert again.context["sheet"].to_go != answer.context["sheet"].to_go


ADVANCE = """
import sys, django
django.setup()
from datetime import datetime
from apps.rollouts.advancing import advance
advance(int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_killed_in_the_middle_is_missed_by_nobody(
    transactional_db: None, deployed: Deploy, devops: Person, portal_environment: dict[str, str], until: Until
) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    measured(watch, 0, varied(20))
    middle, end = watch.begins + 10.5 * MINUTE, watch.begins + 21 * MINUTE
    with transaction.atomic():
        Rollout.objects.select_for_update().get(
            pk=rollout.pk
        )  # where the process will wait, all observed and nothing written
        words = [sys.executable, "-c", ADVANCE, str(watch.pk), middle.isoformat()]
        variables = portal_environment | {"DJANGO_SETTINGS_MODULE": "opsportal.settings"}
        with subprocess.Popen(words, env=variables) as killed:
            try:
                until(_somebody_waits, 30)
            finally:
                killed.send_signal(signal.SIGKILL)
        assert killed.returncode == -signal.SIGKILL
    assert not Observation.objects.exists()
    assert not advance(watch.pk, middle)
    assert Observation.objects.count() == 10
    assert advance(watch.pk, end)
    watch.refresh_from_db()
    assert watch.state == "pass"
    numbers = list(Observation.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(20))


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_two_who_advance_at_once_count_every_interval_once(
    transactional_db: None, deployed: Deploy, devops: Person
) -> None:
    rollout = deployed()
    watch = start(rollout, devops)
    measured(watch, 0, [BAD, *varied(11)])
    now = watch.begins + 13 * MINUTE

    def move() -> None:
        advance(watch.pk, now)
        connection.close()

    threads = [Thread(target=move) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watch.refresh_from_db()
    assert watch.tallies["latency"]["seen"] == Observation.objects.count() == 12
    assert watch.tallies["latency"]["failures"] == 1
