"""The way back: drilled against the clock before anything is deployed, gone for good when it must be, and on the record either way."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import Person
from apps.lab.switches import BACK, NAMES
from apps.ledger.models import Entry
from apps.playbook.pin import bundle
from apps.playbook.validate import current
from apps.rollouts.models import Deployment, Pin, RollbackRun, RollbackStep, Rollout, Signature
from apps.rollouts.rollback import rollback_ready
from tests.people import Browser, MakePerson
from tests.rollouts.conftest import at, begin, drilled

WEEK = "week-3-4"
BAD = "Reads fail."


@pytest.fixture
def block(lead: Person, qa: Person) -> Rollout:
    """A rollout of one block that waits for its deployment only; its rollback is promised to take a minute."""
    whole = current().playbook
    return begin(replace(whole, weeks=(replace(whole.week(WEEK), baseline=()),)), lead, qa)


def url(rollout: Rollout, rest: str = "") -> str:
    return f"/rollouts/{rollout.pk}/weeks/{WEEK}/{rest}"


def ready(rollout: Rollout) -> bool:
    """What the deployment asks."""
    week = at(rollout, WEEK)
    return rollback_ready(week.week, week.done)


def test_a_week_is_deployed_once_its_rollback_was_drilled_in_time(
    block: Rollout, devops: Person, browser: Browser
) -> None:
    client, told = browser(devops), {"what": "Replica reads", "minutes": ""}
    refused = client.post(url(block, "deployment/"), told)
    assert refused.status_code == 409
    assert "was not drilled on this playbook yet" in refused.content.decode()
    assert not Deployment.objects.exists()
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    page = client.get(where).content.decode()
    assert "manage.py lab load set replica_reads off" in page
    assert 'class="left"' in page
    assert client.post(where + "end/", {"end": "finished"}).status_code == 422, "nothing was done yet"
    assert client.post(where + "step/", {"number": 1, "state": "done"}).status_code == 302
    assert client.post(where + "end/", {"end": "finished"}).status_code == 302
    run = RollbackRun.objects.get()
    assert run.took_seconds == pytest.approx((RollbackStep.objects.get().at - run.at).total_seconds())
    assert "Drill in the lab: done in time" in client.get(where).content.decode()
    assert client.post(url(block, "deployment/"), told).status_code == 302
    kinds = list(Entry.objects.order_by("seq").values_list("kind", flat=True))
    assert kinds == ["rollback.begin", "rollback.step", "rollback.end", "rollout.deploy"]
    ended = json.loads(bytes(Entry.objects.get(kind="rollback.end").body))
    assert len(ended["open"]) == 2, "the steps after the promised time may stay open"


def test_only_a_drill_in_time_at_this_pin_counts_and_the_last_one_decides(block: Rollout, devops: Person) -> None:
    assert not ready(block)
    drilled(block, WEEK, devops, took_seconds=61)
    assert not ready(block)
    good = drilled(block, WEEK, devops)
    assert ready(block)
    other = bundle(current().playbook)
    RollbackRun.objects.filter(pk=good.pk).update(
        pin=Pin.objects.create(digest=other.digest, data=other.data, files=dict(other.files))
    )
    assert not ready(block), "drilled along another playbook"
    RollbackRun.objects.filter(pk=good.pk).update(pin=block.pin, end="failed", took_seconds=None)
    assert not ready(block)
    RollbackRun.objects.filter(pk=good.pk).update(end="abandoned")
    drilled(block, WEEK, devops)
    assert ready(block)


def test_a_rollback_for_good_needs_a_deployment_a_reason_and_who_may_deploy(
    block: Rollout, devops: Person, lead: Person, viewer: Person, person: MakePerson, browser: Browser
) -> None:
    start, client = url(block, "rollback/start/"), browser(devops)
    for other in (lead, viewer):
        assert browser(other).post(start, {"why": BAD}).status_code == 403
    outside = person("outside", ["devops"], tier_slug="elsewhere")
    assert browser(outside).post(start, {"why": BAD}).status_code == 404
    nothing = client.post(start, {"why": BAD})
    assert nothing.status_code == 409
    assert "Nothing was deployed" in nothing.content.decode()
    deployed = Deployment.objects.create(rollout=block, week=WEEK, what="Reads", by=devops, at=block.started_at)
    for wrong in ({"why": ""}, {"why": BAD, "drilled_on": "moon"}):
        assert client.post(start, wrong).status_code == 422
    assert not RollbackRun.objects.exists()
    assert client.post(start, {"why": BAD}).status_code == 302
    assert client.post(start, {"why": BAD}).status_code == 409, "one at a time"
    assert deployed.what in client.get(url(block)).content.decode()
    led = client.get(f"/rollouts/rollback/{block.tier.slug}/{WEEK}/")
    assert led["Location"] == url(block, "rollback/")
    assert "Go on with it" in client.get(led["Location"]).content.decode()


def test_what_was_rolled_back_for_good_is_not_deployed_until_it_is_deployed_again(
    block: Rollout, devops: Person, browser: Browser
) -> None:
    drilled(block, WEEK, devops)
    client, told = browser(devops), {"what": "Replica reads", "minutes": ""}
    client.post(url(block, "deployment/"), told)
    assert gate(block, "deployed") == "done"
    where = client.post(url(block, "rollback/start/"), {"why": BAD})["Location"]
    assert "being rolled back since" in client.get(url(block)).content.decode()
    client.post(where + "end/", {"end": "abandoned", "why": "It was the monitoring."})
    assert gate(block, "deployed") == "done", "nothing was taken back"
    where = client.post(url(block, "rollback/start/"), {"why": BAD})["Location"]
    during = client.post(url(block, "deployment/"), told)
    assert during.status_code == 409
    assert "is rolling this week back" in during.content.decode()
    client.post(where + "step/", {"number": 1, "state": "done"})
    never = client.post(where + "end/", {"end": "abandoned", "why": "Never mind that."})
    assert never.status_code == 409, "it was taken back, whatever the end is called"
    client.post(where + "end/", {"end": "finished"})
    assert gate(block, "deployed") == "now"
    assert not at(block, WEEK).signed
    page = client.get(url(block)).content.decode()
    assert re.search(r"Deployed</strong><small>rolled back \d", page)
    assert client.post(url(block, "watch/start/"), {}).status_code == 409
    assert client.post(url(block, "deployment/"), told).status_code == 302
    assert gate(block, "deployed") == "done"


def gate(rollout: Rollout, slug: str) -> str:
    """Where a gate of the week stands."""
    return next(g.state.value for g in at(rollout, WEEK).gates if g.slug == slug)


def test_a_failed_step_is_tried_again_and_of_two_people_one_wins(
    block: Rollout, devops: Person, dba: Person, browser: Browser
) -> None:
    client = browser(devops)
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "staging"})["Location"]
    for wrong in ({"number": 1, "state": "failed"}, {"number": 1, "state": "skipped", "note": "no"}, {"number": "x"}):
        assert client.post(where + "step/", wrong).status_code == 422
    assert client.post(where + "step/", {"number": 2, "state": "done"}).status_code == 409, "not the present one"
    client.post(where + "step/", {"number": 1, "state": "failed", "note": "<i>No answer</i>"})
    assert "&lt;i&gt;No answer" in client.get(where).content.decode()
    assert browser(dba).post(where + "step/", {"number": 1, "state": "done"}).status_code == 302
    late = client.post(where + "step/", {"number": 1, "state": "done"})
    assert late.status_code == 409
    assert "settled already" in late.content.decode()
    assert [s.state for s in RollbackStep.objects.all()] == ["failed", "done"]


def test_the_clock_is_what_is_stored_and_a_late_drill_says_so(
    block: Rollout, devops: Person, viewer: Person, browser: Browser
) -> None:
    client = browser(devops)
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    run = RollbackRun.objects.get()
    RollbackRun.objects.filter(pk=run.pk).update(at=run.at - timedelta(seconds=90))
    client.post(where + "step/", {"number": 1, "state": "done"})
    client.post(where + "end/", {"end": "finished"})
    assert "Drill in the lab: done late" in browser(viewer).get(where).content.decode()
    page = browser(viewer).get(url(block)).content.decode()
    assert "The last run took 1" in page
    assert "waits for the drill of the rollback" in page


@pytest.mark.parametrize("end", ["failed", "abandoned"])
def test_a_run_that_is_not_finished_says_why(block: Rollout, devops: Person, browser: Browser, end: str) -> None:
    client = browser(devops)
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    assert client.post(where + "end/", {"end": end}).status_code == 422
    assert client.post(where + "end/", {"end": end, "why": "The switch is stuck."}).status_code == 302
    assert "The switch is stuck." in client.get(where).content.decode()
    assert client.post(where + "step/", {"number": 1, "state": "done"}).status_code == 409
    assert not ready(block)


def test_a_drill_that_failed_was_late_or_left_something_out_proves_nothing(
    lead: Person, qa: Person, devops: Person, browser: Browser
) -> None:
    whole = current().playbook
    back = whole.week(WEEK).rollback
    assert back is not None
    back = replace(back, steps=tuple(replace(step, afterwards=False) for step in back.steps))
    block = begin(replace(whole, weeks=(replace(whole.week(WEEK), baseline=(), rollback=back),)), lead, qa)
    client, never = browser(devops), {"end": "abandoned", "why": "Never mind that."}
    drilled(block, WEEK, devops)
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    client.post(where + "step/", {"number": 1, "state": "skipped", "note": "Not needed here."})
    for number in range(2, len(back.steps) + 1):
        client.post(where + "step/", {"number": number, "state": "done"})
    left_out = client.post(where + "end/", {"end": "finished"})
    assert left_out.status_code == 409
    assert "was left out" in left_out.content.decode()
    assert client.post(where + "end/", never).status_code == 302
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    client.post(where + "step/", {"number": 1, "state": "failed", "note": "No answer."})
    assert client.post(where + "end/", never).status_code == 409
    assert client.post(where + "end/", never | {"end": "failed"}).status_code == 302
    assert not ready(block)
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    late = RollbackRun.objects.get(ended_at=None)
    RollbackRun.objects.filter(pk=late.pk).update(at=late.at - timedelta(seconds=90))
    assert client.post(where + "end/", never).status_code == 409


def test_a_signed_week_that_is_being_rolled_back_is_not_signed_meanwhile(
    lead: Person, qa: Person, dba: Person, devops: Person, browser: Browser
) -> None:
    whole = current().playbook
    bare = replace(whole.week(WEEK), baseline=(), improvements=(), watch=None)
    rollout = begin(replace(whole, weeks=(bare, whole.weeks[-1])), lead, qa)
    drilled(rollout, WEEK, devops)
    Deployment.objects.create(rollout=rollout, week=WEEK, what="Reads", by=devops, at=timezone.now())
    week = at(rollout, WEEK)
    for slot, who in zip(week.week.sign_offs, (dba, devops, lead, qa), strict=False):
        Signature.objects.create(
            rollout=rollout, week=WEEK, slot=slot.slug, role=slot.roles[0], meaning=slot.meaning, decision="approve",
            covers=week.covers, by=who, at=timezone.now(), statement=b"{}", digest="",
        )  # fmt: skip
    assert at(rollout, "final").open
    assert browser(devops).post(url(rollout, "rollback/start/"), {"why": BAD}).status_code == 302
    assert not at(rollout, "final").open


def test_an_open_page_is_told_of_the_next_step_only(block: Rollout, devops: Person, browser: Browser) -> None:
    client, live = browser(devops), {"HX-Request": "true"}
    where = client.post(url(block, "rollback/start/"), {"drilled_on": "lab"})["Location"]
    assert client.get(where, {"version": "0-", "asked": "1"}, headers=live).status_code == 204
    client.post(where + "step/", {"number": 1, "state": "failed", "note": "No answer."})
    assert 'id="ask"' not in client.get(where, {"version": "0-", "asked": "1"}, headers=live).content.decode()
    client.post(where + "step/", {"number": 1, "state": "done"})
    assert 'id="ask"' in client.get(where, {"version": "1-", "asked": "1"}, headers=live).content.decode()


def test_a_week_without_a_rollback_needs_no_drill(ready: Rollout, devops: Person, browser: Browser) -> None:
    where = f"/rollouts/{ready.pk}/weeks/pre-rollout/rollback/"
    assert "needs no rollback" in browser(devops).get(where).content.decode()
    assert browser(devops).post(where + "start/", {"drilled_on": "lab"}).status_code == 409


def test_the_lab_knows_what_to_type_for_every_block() -> None:
    whole = current().playbook
    assert BACK.keys() == {week.slug for week in whole.weeks if week.rollback}
    assert {name for names in BACK.values() for name in names} <= set(NAMES)
