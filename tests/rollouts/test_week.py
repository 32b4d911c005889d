"""A week from its first tick to its last signature, as the people concerned do it; and everything that is refused on the way."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.ledger.models import Entry
from apps.metrics.kernel import State
from apps.metrics.models import Tier
from apps.metrics.poll import forget, poll, slot_of
from apps.metrics.registry import checks
from apps.playbook.pin import bundle
from apps.playbook.plan import Item, ItemKind
from apps.rollouts.baseline import samples
from apps.rollouts.checklist import Wish, tick
from apps.rollouts.models import Baseline, Issue, Pin, Reading, Rollout, Signature, Tick
from apps.rollouts.progress import Progress, progress
from apps.rollouts.refusals import Refused
from apps.rollouts.start import playbook_of, start
from tests.conftest import Inject
from tests.people import PASSWORD, Browser

FIRST, SECOND = "pre-rollout", "week-1-2"
NOTE = "Seen and in order."


@pytest.fixture
def rollout(lab: Lab, lead: Person) -> Rollout:
    """A rollout on the lab, polled once."""
    tier = register(lab.layout)
    poll(tier, slot_of(timezone.now()))
    return start(tier, "Phase 2", lead)


def at(rollout: Rollout, week: str = FIRST) -> Progress:
    """The week as it stands."""
    return next(w for w in progress(rollout) if w.week.slug == week)


def url(rollout: Rollout, rest: str = "", week: str = FIRST) -> str:
    return f"/rollouts/{rollout.pk}/weeks/{week}/{rest}"


def item_of(rollout: Rollout, kind: ItemKind) -> Item:
    """The first item of a kind in the first week."""
    return next(i for i in at(rollout).week.items() if i.kind is kind)


def asking(rollout: Rollout, item: Item, instead: Item) -> Rollout:
    """Another rollout on the same tier, whose first week asks something else for one item."""
    whole = progress(rollout)[0].week
    pauses = tuple(
        replace(pause, items=tuple(instead if one.slug == item.slug else one for one in pause.items))
        for pause in whole.pauses
    )
    playbook = playbook_of(rollout)
    weeks = (replace(whole, pauses=pauses), *playbook.weeks[1:])
    frozen = bundle(replace(playbook, weeks=weeks))
    pin, _made = Pin.objects.get_or_create(
        digest=frozen.digest, defaults={"data": frozen.data, "files": dict(frozen.files)}
    )
    return Rollout.objects.create(
        tier=rollout.tier, pin=pin, name=f"About {instead.of}", started_by=rollout.started_by, started_at=timezone.now()
    )


def settle_all(rollout: Rollout, ticker: Person) -> None:
    """Every item of the first week settled, without asking the tier: what is under test is what follows."""
    for item in at(rollout).week.items():
        Tick.objects.create(
            rollout=rollout, week=FIRST, item=item.slug, by=ticker, at=timezone.now(), outcome="done", digest="0" * 64
        )


def sign(client: Client, rollout: Rollout, slot: str, password: str = PASSWORD, **vote: str) -> int:
    """Vote and sign as the pages' forms do it; the status of the last answer."""
    drawn = client.post(url(rollout, f"sign/{slot}/"), {"decision": "approve", "reason": ""} | vote)
    if drawn.status_code != 302:
        return drawn.status_code
    return client.post(drawn["Location"], {"password": password}).status_code


def test_a_lead_starts_a_rollout_and_a_viewer_cannot(lab: Lab, lead: Person, viewer: Person, browser: Browser) -> None:
    register(lab.layout)
    assert browser(viewer).post("/rollouts/start/lab/", {"name": "Mine"}).status_code == 403
    assert not Rollout.objects.exists()
    answer = browser(lead).post("/rollouts/start/lab/", {"name": "Phase 2"})
    rollout = Rollout.objects.get()
    assert answer["Location"] == f"/rollouts/{rollout.pk}/"
    entry = Entry.objects.get(kind="rollout.start")
    assert rollout.pin.digest in bytes(entry.body).decode()
    again = browser(lead).post("/rollouts/start/lab/", {"name": "Phase 2"})
    assert again.status_code == 409
    assert "Choose another name" in again.content.decode()


def test_an_auto_item_is_ticked_with_frozen_evidence(rollout: Rollout, qa: Person, browser: Browser) -> None:
    assert browser(qa).post(url(rollout, "items/replicas-provisioned/tick/")).status_code == 302
    tick = Tick.objects.get()
    assert tick.evidence[0]["state"] == "pass"
    assert tick.evidence[0]["question"]
    assert tick.evidence[0]["rows"]
    page = browser(qa).get(url(rollout)).content.decode()
    assert tick.digest in page
    assert Entry.objects.filter(kind="rollout.tick", subject__endswith="/replicas-provisioned").count() == 1


def test_an_auto_item_that_does_not_pass_is_refused_with_the_reason(
    rollout: Rollout, qa: Person, browser: Browser, fault: Inject
) -> None:
    fault("stop-replica-1")
    answer = browser(qa).post(url(rollout, "items/nodes-answer/tick/"), headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "lab-replica-1" in answer.content.decode()
    assert not Tick.objects.exists()
    assert not Entry.objects.filter(kind="rollout.tick").exists()


def test_an_auto_item_of_one_table_asks_about_that_table_only(rollout: Rollout, qa: Person) -> None:
    plain = item_of(rollout, ItemKind.AUTO)
    wanted = replace(plain, check="partitions.partitioned", of="public.message_queue")
    rollout = asking(rollout, plain, wanted)
    done = tick(rollout, at(rollout), wanted, Wish(), qa)
    assert isinstance(done, Tick)
    assert [(e["object"], e["value"]) for e in done.evidence] == [("public.message_queue", 1)]
    for of, told in (("public.conversation", "allowed yes"), ("public.nothing", "says nothing of public.nothing")):
        other = replace(wanted, of=of)
        another = asking(rollout, wanted, other)
        with pytest.raises(Refused, match=told):
            tick(another, at(another), other, Wish(), qa)


def test_a_live_value_is_as_good_as_its_item_asks(rollout: Rollout, viewer: Person, browser: Browser) -> None:
    page = browser(viewer).get(url(rollout, week="week-8"))
    (row,) = (row for row in page.context["sheet"].rows if row.item.slug == "monthly-partitions")
    assert row.live.values == (0,), "no month of it is partitioned, which the check alone passes"
    assert row.live.state is State.FAIL
    shown = page.content.decode().partition('id="item-monthly-partitions"')[2].partition("</li>")[0]
    assert "state-fail" in shown
    assert "ago" in shown


def test_an_observed_value_is_judged(rollout: Rollout, qa: Person, browser: Browser) -> None:
    item = item_of(rollout, ItemKind.OBSERVE)
    client, where = browser(qa), url(rollout, f"items/{item.slug}/tick/")
    assert item.expect is not None
    outside = (item.expect.low or 0) - 1 if item.expect.low is not None else (item.expect.high or 0) + 1
    for wrong in ("", "many", "nan", "inf", str(outside)):
        assert client.post(where, {"value": wrong}).status_code == 422, wrong
    assert not Tick.objects.exists()
    inside = item.expect.low if item.expect.low is not None else item.expect.high
    assert client.post(where, {"value": str(inside)}).status_code == 302
    assert Tick.objects.get().value == inside


def test_a_challenge_needs_two_people(rollout: Rollout, qa: Person, devops: Person, browser: Browser) -> None:
    where = url(rollout, f"items/{item_of(rollout, ItemKind.CHALLENGE).slug}/tick/")
    assert browser(qa).post(where, {"note": "Line 3."}).status_code == 302
    assert not Tick.objects.exists()
    assert browser(qa).post(where).status_code == 409
    early = browser(devops).post(where)
    assert early.status_code == 409
    assert "Qa read it out a moment ago" in early.content.decode(), "who meant to read it out confirms nothing unseen"
    assert f'name="reading" value="{Reading.objects.get().pk}"' in browser(devops).get(url(rollout)).content.decode()
    told = {"reading": str(Reading.objects.get().pk), "note": "Seen."}
    assert browser(devops).post(where, told).status_code == 302
    tick = Tick.objects.get()
    assert (tick.read_by, tick.by, tick.note) == (qa, devops, "Line 3. · Seen.")


def test_the_second_of_two_ticks_changes_nothing(rollout: Rollout, qa: Person, dba: Person, browser: Browser) -> None:
    where = url(rollout, f"items/{item_of(rollout, ItemKind.ATTEST).slug}/tick/")
    assert browser(qa).post(where, {"note": NOTE}).status_code == 302
    answer = browser(dba).post(where, {"note": "I say otherwise."})
    assert answer.status_code == 409
    assert "Qa ticked this" in answer.content.decode()
    assert Tick.objects.get().note == NOTE


def test_not_applicable_needs_a_reason(rollout: Rollout, qa: Person, browser: Browser) -> None:
    plain = next(i for i in at(rollout).week.items() if not i.critical)
    told = {"not_applicable": "on", "note": "There is no such thing here."}
    assert browser(qa).post(url(rollout, f"items/{plain.slug}/tick/"), told | {"note": "no"}).status_code == 422
    assert browser(qa).post(url(rollout, f"items/{plain.slug}/tick/"), told).status_code == 302
    assert Tick.objects.get().outcome == "n/a"


def test_a_tick_taken_back_stays_on_record(rollout: Rollout, qa: Person, browser: Browser) -> None:
    item = item_of(rollout, ItemKind.ATTEST)
    browser(qa).post(url(rollout, f"items/{item.slug}/tick/"), {"note": NOTE})
    assert browser(qa).post(url(rollout, f"items/{item.slug}/undo/"), {"why": "oops"}).status_code == 422
    browser(qa).post(url(rollout, f"items/{item.slug}/undo/"), {"why": "It was the wrong cluster."})
    assert not at(rollout).done.ticks
    assert Tick.objects.get().undone_why == "It was the wrong cluster."
    assert Entry.objects.filter(kind="rollout.untick").exists()


def test_signatures_wait_for_the_checklist(rollout: Rollout, dba: Person, browser: Browser) -> None:
    assert sign(browser(dba), rollout, "dba") == 409
    assert not Signature.objects.exists()


def test_the_next_week_opens_when_everybody_has_signed(
    rollout: Rollout, qa: Person, devops: Person, dba: Person, lead: Person, browser: Browser
) -> None:
    settle_all(rollout, qa)
    for person, slot in ((devops, "devops"), (dba, "dba")):
        assert sign(browser(person), rollout, slot) == 302
        assert not at(rollout, SECOND).open
    where = url(rollout, "items/announced/tick/", SECOND)
    assert browser(qa).post(where, {"note": NOTE}).status_code == 409
    assert sign(browser(lead), rollout, "lead") == 302
    assert at(rollout).signed
    assert at(rollout, SECOND).open
    assert browser(qa).post(where, {"note": NOTE}).status_code == 302
    assert Entry.objects.filter(kind="rollout.sign").count() == 3
    assert browser(qa).post(url(rollout, "issues/"), {"text": "Late."}).status_code == 409
    tick = next(iter(at(rollout).done.ticks))
    assert browser(qa).post(url(rollout, f"items/{tick}/undo/"), {"why": "I changed my mind."}).status_code == 409
    assert at(rollout).signed


def test_a_wrong_password_signs_nothing(rollout: Rollout, qa: Person, dba: Person, browser: Browser) -> None:
    settle_all(rollout, qa)
    assert sign(browser(dba), rollout, "dba", password="guessed") == 422
    assert not Signature.objects.exists()
    assert not Entry.objects.filter(kind="rollout.sign").exists()


def test_only_the_role_signs_and_nobody_twice(
    rollout: Rollout, qa: Person, dba: Person, person: Callable[..., Person], browser: Browser
) -> None:
    settle_all(rollout, qa)
    assert sign(browser(qa), rollout, "dba") == 403
    both = person("both", [Role.DBA, Role.DEVOPS])
    assert sign(browser(both), rollout, "dba") == 302
    assert sign(browser(both), rollout, "devops") == 403
    assert sign(browser(dba), rollout, "dba") == 409
    assert Signature.objects.get().by == both


def test_a_signature_turns_stale_when_what_it_covers_changes(
    rollout: Rollout, qa: Person, dba: Person, browser: Browser
) -> None:
    settle_all(rollout, qa)
    sign(browser(dba), rollout, "dba")
    assert at(rollout).slots[1].good
    browser(qa).post(url(rollout, "issues/"), {"text": "The restore took an hour longer."})
    slot = at(rollout).slots[1]
    assert slot.stale
    assert not slot.good
    assert "changed since signing" in browser(dba).get(url(rollout)).content.decode()
    assert sign(browser(dba), rollout, "dba") == 302
    assert at(rollout).slots[1].good
    assert Signature.objects.count() == 2


def test_what_was_read_is_what_is_signed(rollout: Rollout, qa: Person, dba: Person, browser: Browser) -> None:
    settle_all(rollout, qa)
    drawn = browser(dba).post(url(rollout, "sign/dba/"), {"decision": "approve"})
    browser(qa).post(url(rollout, "issues/"), {"text": "Noted while the statement was read."})
    answer = browser(dba).post(drawn["Location"], {"password": PASSWORD})
    assert answer.status_code == 409
    assert "The week changed while you were reading" in answer.content.decode()
    assert not Signature.objects.exists()


def test_a_rejection_blocks_and_says_why(rollout: Rollout, qa: Person, dba: Person, browser: Browser) -> None:
    settle_all(rollout, qa)
    assert sign(browser(dba), rollout, "dba", decision="reject") == 422
    assert sign(browser(dba), rollout, "dba", decision="reject", reason="The backup is of last month.") == 302
    assert next(g for g in at(rollout).gates if g.slug == "signed").state == "blocked"
    assert "The backup is of last month." in browser(qa).get(url(rollout)).content.decode()


def test_a_rejection_is_not_replaced_by_somebody_else(
    rollout: Rollout, qa: Person, dba: Person, person: Callable[..., Person], browser: Browser
) -> None:
    settle_all(rollout, qa)
    sign(browser(dba), rollout, "dba", decision="reject", reason="The backup is of last month.")
    browser(qa).post(url(rollout, "issues/"), {"text": "Something that makes it stale."})
    other = person("other", [Role.DBA])
    assert sign(browser(other), rollout, "dba") == 409
    assert sign(browser(dba), rollout, "dba") == 302
    assert b"last month" not in bytes(Signature.objects.get(revoked_at=None).statement)


def test_only_ones_own_signature_is_revoked(
    rollout: Rollout, qa: Person, dba: Person, lead: Person, browser: Browser
) -> None:
    settle_all(rollout, qa)
    sign(browser(dba), rollout, "dba")
    where, why = url(rollout, "sign/dba/revoke/"), {"why": "I looked at the wrong replica."}
    assert browser(lead).post(where, why).status_code == 403
    assert browser(dba).post(where, {"why": "oops"}).status_code == 422
    drawn = browser(dba).post(where, why)
    assert browser(lead).post(drawn["Location"], {"password": PASSWORD}).status_code == 404
    assert browser(dba).post(drawn["Location"], {"password": "guessed"}).status_code == 422
    assert at(rollout).slots[1].signature is not None
    assert browser(dba).post(drawn["Location"], {"password": PASSWORD}).status_code == 302
    assert at(rollout).slots[1].signature is None
    assert Signature.objects.get().revoked_why == why["why"]
    entry = Entry.objects.get(kind="rollout.revoke")
    assert entry.content["statement"] == bytes(Signature.objects.get().revocation.statement).decode()


def test_a_baseline_is_captured_from_samples_and_superseded_not_overwritten(
    rollout: Rollout, qa: Person, devops: Person, dba: Person, lead: Person, browser: Browser
) -> None:
    settle_all(rollout, qa)
    for person, slot in ((devops, "devops"), (dba, "dba"), (lead, "lead")):
        sign(browser(person), rollout, slot)
    tier, last = Tier.objects.get(), slot_of(timezone.now())
    forget(tier)  # a worker drops slots from before the last one it polled
    for number in (3, 2, 1):  # with the one before, fewer than a comparison needs
        poll(tier, last - number * timedelta(seconds=settings.POLL_SECONDS))
    where = url(rollout, "baseline/", SECOND)
    assert browser(devops).post(where, {"window": "2y"}).status_code == 422
    for typed in ("much", "1" + " " * 1000 + "x1", "9" * 400):
        refused = browser(devops).post(where, {"window": "15m", "early": "yes", "entered-query-mean": typed})
        assert refused.status_code == 422
        assert "is not understood; write it like 250 ms" in refused.content.decode()
    assert not Baseline.objects.exists()
    early = browser(devops).post(where, {"window": "15m", "entered-query-mean": "4.5"})
    assert early.status_code == 422
    assert " of 5" in early.content.decode()
    assert not Baseline.objects.exists()
    all_the_same = {"window": "15m", "early": "yes"}
    assert browser(devops).post(where, all_the_same | {"entered-query-mean": "4.5"}).status_code == 302
    assert " of 5" in bytes(Entry.objects.get(kind="rollout.baseline").body).decode()
    first = Baseline.objects.get(metric="query-mean")
    assert (first.value, first.samples) == (4.5, [])
    measured = Baseline.objects.get(metric="response-time")
    assert measured.samples[0]["points"]
    since, check = last - timedelta(minutes=15), checks()["queries.p95"]
    everywhere, judged = (samples(tier, check.metric, since, timezone.now(), of) for of in (None, check))
    assert len({line.node for line in everywhere}) == 3
    assert {line.node for line in judged} == {"lab-primary"}  # the replicas' statements are none of its own
    assert browser(devops).post(where, all_the_same | {"entered-query-mean": "5"}).status_code == 302
    assert Baseline.objects.filter(metric="query-mean").count() == 2
    assert Baseline.objects.get(metric="query-mean", superseded_at=None).value == 5


def test_an_issue_is_noted_and_closed(rollout: Rollout, on_call: Person, viewer: Person, browser: Browser) -> None:
    assert browser(viewer).post(url(rollout, "issues/"), {"text": "Slow."}).status_code == 403
    assert browser(on_call).post(url(rollout, "issues/"), {"text": ""}).status_code == 422
    browser(on_call).post(url(rollout, "issues/"), {"text": "<script>alert(1)</script> seen"})
    issue = Issue.objects.get()
    page = browser(viewer).get(url(rollout)).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    browser(on_call).post(url(rollout, f"issues/{issue.pk}/close/"), {"resolution": "Restarted it."})
    issue.refresh_from_db()
    assert issue.resolved_by == on_call


def test_strangers_and_wrong_addresses(rollout: Rollout, stranger: Person, qa: Person, browser: Browser) -> None:
    assert browser(stranger).get(url(rollout)).status_code == 404
    assert browser(qa).get("/rollouts/999/").status_code == 404
    assert browser(qa).get(url(rollout, week="week-99")).status_code == 404
    assert browser(qa).post(url(rollout, "items/none/tick/")).status_code == 404
    assert browser(qa).get(url(rollout, "items/announced/tick/")).status_code == 405
