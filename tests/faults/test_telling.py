"""Notices, own queries and log lines of the portal itself: each is kept from its end for real, its check fires and passes again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from apps.accounts.models import Person
from apps.lab.faults import FAULTS, telling
from apps.lab.faults.portal import Portal
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.metrics import announce, damaged, outbox, seal, webhook
from apps.metrics.alerting import Channel, Delivery, DeliveryState
from apps.metrics.kernel import State
from apps.metrics.levels import HOUR, floored
from apps.metrics.models import ProcessRun
from apps.metrics.poll import forget
from apps.metrics.secrets import seal as sealed
from apps.telemetry import lines, windows
from apps.telemetry.outbox import client
from apps.telemetry.outbox import outbox as telemetry
from tests.conftest import Inject, Until
from tests.people import Browser
from tests.receivers import Hook, Mailbox
from tests.watch import Watch

Prove = Callable[[str, Callable[[], object]], None]


def read_anew(watch: Watch) -> None:
    """Poll, and have the portal's own figures read with it, as they are once a minute."""
    forget(watch.tier)
    watch.poll()


@pytest.fixture
def prove(own: Portal, watch: Watch, lab: Lab, fault: Inject) -> Prove:
    """`prove(fault, look)`: all that it declares fires and passes again, while `look` is what the portal does between two polls."""

    def run(name: str, look: Callable[[], object]) -> None:
        def turn() -> None:
            look()
            read_anew(watch)

        trial = Trial(FAULTS[name], FAULTS[name].fires)
        told = [outcome.line() for outcome in Prover(lab.servers, watch.tier, turn, 30).prove(trial)]
        assert not [line for line in told if "NOT PROVEN" in line], "\n".join(told)

    return run


def five_minutes_pass() -> None:
    """For the notices that wait."""
    Delivery.objects.update(made_at=F("made_at") - timedelta(minutes=5), next_at=datetime.now(UTC))


def test_a_receiver_that_never_answers_holds_up_what_is_told(
    prove: Prove, lead: Person, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "WHOLE", 0.5)
    seen = []

    def look() -> None:
        if outbox.deliver():
            five_minutes_pass()
            tried = Delivery.objects.exclude(problem="").get()
            seen.append((tried.state, tried.problem, browser(lead).get("/portal/").content.decode()))

    prove(telling.DEAF, look)
    state, problem, page = seen[0]
    assert (state, problem) == (DeliveryState.PENDING, "It did not answer within 0 s.")
    assert "60 waiting, the oldest for 5\xa0min" in page
    assert not Channel.objects.exists(), "what was put in is gone"


def test_a_receiver_that_is_gone_has_notices_given_up(prove: Prove, lead: Person, browser: Browser) -> None:
    pages = []

    def look() -> None:
        if outbox.deliver():
            pages.append(browser(lead).get("/portal/").content.decode())

    prove(telling.GONE, look)
    assert "nothing waits; 3 were given up within a day" in pages[0]


def test_notices_that_wait_are_told_once_the_receiver_takes_them(
    own: Portal, watch: Watch, lead: Person, mailbox: Mailbox
) -> None:
    fields = {"kind": "email", "target": sealed("ops@example.org"), "shown": "", "least": "warn"}
    channel = Channel.objects.create(tier=watch.tier, name="ops", made_by=lead, **fields)
    for _ in range(3):
        announce.test(channel, "lead")
    mailbox.refusing = "452 full"
    outbox.deliver()
    five_minutes_pass()
    read_anew(watch)
    assert watch.state("portal.outbox_age") is State.WARN
    mailbox.refusing = ""
    while outbox.deliver():
        pass
    read_anew(watch)
    assert watch.state("portal.outbox_age") is State.PASS
    assert len(mailbox.mails) == 3


def test_what_nobody_waits_for_is_not_given_up(own: Portal, watch: Watch, lead: Person, hook: Hook) -> None:
    """Of a channel that was removed, of a person who wants no mail; a day later nobody needs to look any more."""
    now = datetime.now(UTC)
    fields = {
        "tier": watch.tier,
        "kind": "json",
        "target": sealed(hook.url),
        "shown": "",
        "least": "warn",
        "made_by": lead,
    }
    gone, there = (Channel.objects.create(name=name, **fields) for name in ("gone", "there"))
    hook.answers = [410, 410]
    kept = [announce.test(channel, "lead") for channel in (gone, there)][1]
    announce.announce_to(
        {lead: [announce.news("Your turn", State.PASS, "", now, announce.Change.TURN)]}, watch.tier, now
    )
    Person.objects.filter(pk=lead.pk).update(tell_turns=False)
    outbox.deliver()
    Channel.objects.filter(pk=gone.pk).update(removed_at=now)
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.GIVEN_UP}
    read_anew(watch)
    assert watch.value("portal.outbox_given_up") == 1
    told = Delivery.objects.get(pk=kept.pk)
    told.message["changes"][0]["check"] = "portal.outbox_given_up"
    told.save()
    read_anew(watch)
    assert watch.value("portal.outbox_given_up") == 0, "what told of this is not counted by it"
    Delivery.objects.filter(pk=kept.pk).update(message=kept.message)
    Delivery.objects.filter(pk=kept.pk).update(next_at=F("next_at") - timedelta(days=1, minutes=2))
    read_anew(watch)
    assert watch.state("portal.outbox_given_up") is State.PASS


def test_tables_that_are_held_make_own_queries_slow(prove: Prove, watch: Watch, until: Until) -> None:
    """Of each look only what was asked since the last one counts, as after ten minutes."""

    def look() -> None:
        with client() as there:
            there.delete(*there.keys(f"{windows.TALLY}*"), "nothing")
        ProcessRun.objects.filter(name="worker").update(seen_at=datetime.now(UTC))  # as it says that it lives
        watch.poll()
        until(telemetry.flush)  # it may rest from a Redis that was away

    prove(telling.HOLD, look)
    assert {query.name for query in windows.slow_queries()}


def test_log_lines_that_do_not_fit_while_redis_is_away_are_missed(prove: Prove, own: Portal) -> None:
    with client() as there:
        there.set(f"{lines.DROPPED}:1", 7)  # of some hour before
        prove(telling.FLOOD, lambda: None)
        assert there.get(f"{lines.DROPPED}:1") == b"7"
        there.delete(f"{lines.DROPPED}:1")
        assert lines.dropped(there) == 0
    assert lines.find(lines.Wanted(program="culprit", text="log lines dropped")).lines


def test_a_damaged_chunk_counts_for_whoever_comes_upon_it(
    prove: Prove, own: Portal, watch: Watch, until: Until
) -> None:
    hour = floored(watch.slot, HOUR)
    seal.seal(hour)
    prove(telling.DAMAGE, lambda: None)
    with own.store() as store, client() as there:
        assert damaged.count(there) == 0
        series, start, packed = store.execute(telling.CHUNK, {"tier": "lab", "metric": telling.METRIC}).fetchone() or ()
        store.execute(telling.CHANGE, {"series": series, "start": start, "before": packed, "after": b"no chunk"})
        store.execute("UPDATE metrics_sealed SET polls = -1")  # as after a late poll
        seal.seal(hour)
        until(telemetry.flush)
        assert damaged.count(there) == 1
        there.delete(damaged.KEY)
