"""The gates of a week as a path of verdicts: what satisfies them, what an override does and does not, and who is needed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.ledger.models import Entry
from apps.metrics.kernel import State
from apps.metrics.registry import checks
from apps.playbook.plan import Gate as When
from apps.playbook.plan import ItemKind
from apps.playbook.validate import current
from apps.rollouts.models import (
    Baseline,
    Comparison,
    Deployment,
    Draft,
    Override,
    Reading,
    Rollout,
    Signature,
    Tick,
    Watch,
)
from apps.rollouts.overrides import scopes
from apps.rollouts.progress import progress
from apps.rollouts.words import _covers as covers_in_words
from tests.people import PASSWORD, Browser
from tests.rollouts.conftest import at, begin, drilled

WEEK = "week-1-2"
WHY = "The load test is repeated on Monday; nothing depends on it until then."
People = Callable[..., Person]


@pytest.fixture
def block(lead: Person, qa: Person) -> Rollout:
    """A rollout of one block, its items settled, nothing else done."""
    whole = current().playbook
    return begin(replace(whole, weeks=(next(w for w in whole.weeks if w.slug == WEEK),)), lead, qa)


def url(rollout: Rollout, rest: str = "") -> str:
    return f"/rollouts/{rollout.pk}/weeks/{WEEK}/{rest}"


def gate(rollout: Rollout, slug: str) -> Any:
    return next(g for g in at(rollout, WEEK).gates if g.slug == slug)


def states(rollout: Rollout) -> dict[str, str]:
    return {g.slug: g.state.value for g in at(rollout, WEEK).gates}


def captured(rollout: Rollout, by: Person, **conditions: object) -> None:
    now = timezone.now()
    for metric in at(rollout, WEEK).week.baseline:
        Baseline.objects.create(
            rollout=rollout, week=WEEK, by=by, at=now, metric=metric.slug, unit=metric.unit, value=1.0,
            start=now, end=now, samples=[], digest="", conditions=conditions if metric.slug == "response-time" else {},
        )  # fmt: skip


def through(rollout: Rollout, by: Person, watched: State = State.PASS, compared: State = State.PASS) -> None:
    """Captured, drilled, deployed, watched and compared."""
    captured(rollout, by)
    drilled(rollout, WEEK, by)
    Deployment.objects.create(rollout=rollout, week=WEEK, what="Logging", by=by, at=timezone.now())
    now = timezone.now()
    plan = at(rollout, WEEK).week.watch
    assert plan is not None
    tallies = {e.slug: {"seen": 9**6, "measured": 9**6, "looks": 7} for e in plan.entries}
    if watched is State.FAIL:
        tallies["error-rate"]["failures"] = 99
    Watch.objects.create(
        rollout=rollout, week=WEEK, by=by, at=now, begins=now, ends=now, terms={}, tallies=tallies, state=watched,
        said="as it was", ended_at=now,
    )  # fmt: skip
    Comparison.objects.create(
        rollout=rollout, week=WEEK, by=by, at=timezone.now(), state=compared, said="As it was", results=[], samples={}, digest=""
    )  # fmt: skip


def test_the_seven_gates_stand_in_their_order_and_the_first_missing_one_is_the_present_one(
    block: Rollout, devops: Person
) -> None:
    order = ["prerequisites", "baseline", "deployed", "validated", "watched", "compared", "signed"]
    assert list(states(block)) == order
    assert states(block)["prerequisites"] == "done"
    assert states(block)["baseline"] == "now"
    assert states(block)["watched"] == "later"
    captured(block, devops)
    assert states(block)["deployed"] == "now"
    assert not at(block, WEEK).ready_to_sign


@pytest.mark.parametrize(
    ("verdict", "ready"),
    [
        (State.PASS, True),
        (State.WARN, True),
        (State.FAIL, False),
        (State.INCONCLUSIVE, False),
        (State.NO_DATA, False),
        (State.ERROR, False),
    ],
)
def test_only_what_passes_or_warns_lets_a_week_be_signed(
    block: Rollout, devops: Person, verdict: State, ready: bool
) -> None:
    through(block, devops, compared=verdict)
    assert gate(block, "compared").verdict is verdict
    assert at(block, WEEK).ready_to_sign is ready


def test_each_gate_holds_an_approval_up_and_no_gate_a_rejection(
    block: Rollout, devops: Person, browser: Browser
) -> None:
    client, where = browser(devops), url(block, "sign/devops/")
    for gate_title in ("baseline", "deployed"):
        if gate_title == "deployed":
            captured(block, devops)
        answer = client.post(where, {"decision": "approve", "reason": ""})
        assert answer.status_code == 409
        assert f"First: {gate_title}" in answer.content.decode()
    assert not Draft.objects.exists()
    assert "Reject already now" in client.get(url(block)).content.decode()
    drawn = client.post(where, {"decision": "reject", "reason": "This week has no window that suits us."})
    assert client.post(drawn["Location"], {"password": PASSWORD}).status_code == 302
    assert states(block)["signed"] == "blocked"
    assert states(block)["deployed"] == "now"


def test_an_approval_does_not_outlive_the_override_that_let_it_be_drawn_up(
    block: Rollout, devops: Person, dba: Person, browser: Browser
) -> None:
    through(block, devops, watched=State.FAIL)
    Override.objects.create(
        rollout=block, week=WEEK, by=devops, at=timezone.now(), scope="gate:watched", title="Watched", verdict="fail",
        reason=WHY, expires_at=timezone.now() + timedelta(hours=1), critical=True, confirmed_by=dba, confirmed_at=timezone.now(),
    )  # fmt: skip
    client = browser(devops)
    drawn = client.post(url(block, "sign/devops/"), {"decision": "approve", "reason": ""})
    assert drawn.status_code == 302
    Override.objects.update(expires_at=timezone.now())
    answer = client.post(drawn["Location"], {"password": PASSWORD})
    assert answer.status_code == 409
    assert "First: watched" in answer.content.decode()
    assert not Signature.objects.exists()


def test_a_watch_that_was_repeated_until_it_passed_is_signed_as_such(block: Rollout, devops: Person) -> None:
    through(block, devops)
    assert "before" not in at(block, WEEK).covered["watch"]
    long_ago = timezone.now() - timedelta(hours=1)
    Watch.objects.create(
        rollout=block, week=WEEK, by=devops, at=long_ago, begins=long_ago, ends=long_ago, terms={}, state="fail",
        said="Lag: 6 failures, 5 tolerated", ended_at=long_ago,
    )  # fmt: skip
    covers = at(block, WEEK).covered
    assert covers["watch"]["before"] == ["fail: Lag: 6 failures, 5 tolerated"]
    said = {"covered": covers, "open_issues": []}
    assert any("one watch before it: fail: Lag" in line for line in covers_in_words(said))


def test_a_comparison_from_before_the_end_of_the_watch_does_not_count(block: Rollout, devops: Person) -> None:
    through(block, devops)
    Comparison.objects.update(at=timezone.now() - timedelta(hours=1))
    Deployment.objects.update(at=timezone.now() - timedelta(hours=2))
    assert gate(block, "compared").verdict is State.INCONCLUSIVE
    assert "before the watch was over" in gate(block, "compared").detail


def test_a_baseline_that_never_moves_is_stale_and_lets_nothing_be_deployed(
    block: Rollout, devops: Person, browser: Browser
) -> None:
    captured(block, devops, unchanging=True)
    assert gate(block, "baseline").verdict is State.NO_DATA
    page = browser(devops).get(url(block)).content.decode()
    assert "as a source says that hangs" in page
    assert browser(devops).post(url(block, "deployment/"), {"what": "Logging"}).status_code == 409


def test_an_item_of_a_shadow_check_never_holds_a_week_up(lead: Person, qa: Person) -> None:
    whole = current().playbook
    week = next(w for w in whole.weeks if w.slug == WEEK)
    shadow = next(check.id for check in checks().values() if check.shadow)
    pause = next(p for p in week.pauses if p.gate is When.PREREQUISITE)
    hidden = replace(pause.items[0], slug="hidden", kind=ItemKind.AUTO, check=shadow)
    rollout = begin(
        replace(whole, weeks=(replace(week, pauses=(replace(pause, items=(*pause.items, hidden)), *week.pauses[1:])),)),
        lead,
        qa,
    )
    Tick.objects.filter(item="hidden").update(undone_at=timezone.now())
    assert gate(rollout, "prerequisites").state == "done"
    Tick.objects.filter(item=pause.items[0].slug).update(undone_at=timezone.now())
    assert gate(rollout, "prerequisites").state == "now"


def test_an_override_lets_it_go_on_until_it_expires_and_leaves_the_verdict(
    block: Rollout, devops: Person, lead: Person, qa: Person, browser: Browser
) -> None:
    captured(block, devops)
    Baseline.objects.filter(metric="cpu").update(superseded_at=timezone.now())
    told = {"scope": "metric:cpu", "reason": WHY, "length": "8h"}
    assert browser(qa).post(url(block, "overrides/"), told).status_code == 403
    assert browser(devops).post(url(block, "overrides/"), told | {"reason": "Because."}).status_code == 422
    assert browser(devops).post(url(block, "overrides/"), told | {"length": "9y"}).status_code == 422
    assert browser(devops).post(url(block, "overrides/"), told | {"scope": "metric:memory"}).status_code == 409
    assert browser(devops).post(url(block, "overrides/"), told | {"scope": "gate:deployed"}).status_code == 409
    assert not Override.objects.exists()
    covers = at(block, WEEK).covers
    assert browser(devops).post(url(block, "overrides/"), told).status_code == 302
    found = gate(block, "baseline")
    assert (found.state, found.verdict, found.counts) == ("done", State.INCONCLUSIVE, State.WARN)
    assert at(block, WEEK).covers != covers
    assert WHY in str(at(block, WEEK).covered["overrides"])
    assert Entry.objects.get(kind="rollout.override").actor == devops.username
    page = browser(lead).get(url(block)).content.decode()
    assert WHY in page
    assert "overridden" in page
    Override.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert gate(block, "baseline").state == "now"
    assert "expired" in browser(lead).get(url(block)).content.decode()
    assert Override.objects.get().verdict == "inconclusive"


def test_what_is_critical_needs_a_second_person(
    block: Rollout, devops: Person, dba: Person, browser: Browser, person: People
) -> None:
    through(block, devops, watched=State.FAIL)
    names = {scope.name: scope.critical for scope in scopes(at(block, WEEK))}
    assert names["gate:watched"]
    assert names["check:app.error_rate"]  # it would trigger the rollback
    told = {"scope": "check:app.error_rate", "reason": WHY, "length": "24h"}
    assert browser(devops).post(url(block, "overrides/"), told).status_code == 302
    made = Override.objects.get()
    assert gate(block, "watched").state == "now"
    assert "overrides" not in at(block, WEEK).covered
    where = url(block, f"overrides/{made.pk}/confirm/")
    assert browser(devops).post(where).status_code == 409
    assert browser(person("product", [Role.PRODUCT])).post(where).status_code == 403
    assert gate(block, "watched").state == "now"
    assert browser(dba).post(where).status_code == 302
    assert browser(person("second", [Role.DBA])).post(where).status_code == 409
    assert gate(block, "watched").state == "done"
    assert gate(block, "watched").verdict is State.FAIL
    assert at(block, WEEK).covered["overrides"][0]["confirmed_by"] == dba.username
    assert at(block, WEEK).ready_to_sign
    kinds = set(Entry.objects.values_list("kind", flat=True))
    assert {"rollout.override", "rollout.confirm-override"} <= kinds


def test_what_was_let_pass_is_what_people_saw_and_nothing_worse_or_later(
    block: Rollout, devops: Person, dba: Person, browser: Browser
) -> None:
    through(block, devops, watched=State.FAIL)
    good = {
        "rollout": block,
        "week": WEEK,
        "title": "It",
        "reason": WHY,
        "expires_at": timezone.now() + timedelta(days=7),
    }
    seen = Override.objects.create(
        by=devops, at=timezone.now(), scope="entry:error-rate", verdict="inconclusive", critical=False, **good
    )
    assert gate(block, "watched").state == "now", "it failed since"
    Override.objects.filter(pk=seen.pk).update(verdict="fail")
    assert gate(block, "watched").state == "done"
    again = timezone.now()
    Deployment.objects.create(rollout=block, week=WEEK, what="Logging, again", by=devops, at=again)
    Watch.objects.update(at=again, begins=again, ends=again, ended_at=again)
    assert gate(block, "watched").verdict is State.FAIL
    assert gate(block, "watched").state != "done", "it was made of the watch before"


def test_a_watch_that_goes_on_is_set_aside_as_a_whole_only_and_a_proposal_that_became_worse_is_made_anew(
    block: Rollout, devops: Person, dba: Person, browser: Browser
) -> None:
    through(block, devops)
    kept = Watch.objects.get()
    Watch.objects.update(ended_at=None, state="", tallies={}, ends=timezone.now() + timedelta(hours=1))
    assert [scope.name for scope in scopes(at(block, WEEK)) if scope.name.startswith("entry:")] == []
    told = {"scope": "gate:watched", "reason": WHY, "length": "24h"}
    assert browser(devops).post(url(block, "overrides/"), told).status_code == 302
    made, failed = Override.objects.get(), {**kept.tallies, "error-rate": kept.tallies["error-rate"] | {"failures": 99}}
    Watch.objects.update(ended_at=timezone.now(), state="fail", tallies=failed)
    refused = browser(dba).post(url(block, f"overrides/{made.pk}/confirm/"))
    assert refused.status_code == 409
    assert "became worse (fail)" in refused.content.decode()


def test_what_is_validated_is_what_was_deployed_last(
    block: Rollout, devops: Person, qa: Person, browser: Browser
) -> None:
    captured(block, devops)
    drilled(block, WEEK, devops)
    item = next(i for i in at(block, WEEK).week.items(When.VALIDATION) if i.kind is ItemKind.ATTEST)
    Tick.objects.filter(item=item.slug).update(undone_at=timezone.now())
    tick, settled = url(block, f"items/{item.slug}/tick/"), {"note": "Looked at it."}
    early = browser(qa).post(tick, settled)
    assert early.status_code == 409
    assert "record the deployment first" in early.content.decode()
    told = {"what": "Logging", "minutes": ""}
    assert browser(devops).post(url(block, "deployment/"), told).status_code == 302
    assert gate(block, "validated").detail.startswith("0 of"), "ticks from before open again, and stay on record"
    assert browser(qa).post(tick, settled).status_code == 302
    assert gate(block, "validated").detail.startswith("1 of")
    assert browser(devops).post(url(block, "deployment/"), told).status_code == 302
    assert Deployment.objects.count() == 1, "the same form sent twice"
    half = next(i for i in at(block, WEEK).week.items(When.VALIDATION) if i.kind is ItemKind.CHALLENGE)
    critical = next(i for i in at(block, WEEK).week.items(When.VALIDATION) if i.critical and i != half)
    Tick.objects.filter(item__in=[half.slug, critical.slug]).update(undone_at=timezone.now())
    assert browser(qa).post(url(block, f"items/{half.slug}/tick/"), {"note": "Nothing leaks."}).status_code == 302
    aside = {"not_applicable": "on", "note": "This version has no such thing."}
    assert browser(qa).post(url(block, f"items/{critical.slug}/tick/"), aside).status_code == 302
    read = {"reading": str(Reading.objects.get().pk)}
    assert browser(devops).post(url(block, "deployment/"), told | {"what": "Logging 2"}).status_code == 302
    assert browser(devops).post(url(block, f"items/{half.slug}/tick/"), read).status_code == 409
    assert browser(devops).post(url(block, f"items/{critical.slug}/agree/")).status_code == 409
    assert gate(block, "validated").detail.startswith("0 of")
    assert Tick.objects.filter(item=item.slug, undone_why="Deployed again since.").count() == 1


def test_an_override_is_ended_with_a_reason_and_stays_on_record(
    block: Rollout, devops: Person, dba: Person, browser: Browser
) -> None:
    captured(block, devops)
    Baseline.objects.filter(metric="cpu").update(superseded_at=timezone.now())
    browser(devops).post(url(block, "overrides/"), {"scope": "metric:cpu", "reason": WHY, "length": "7d"})
    made = Override.objects.get()
    where = url(block, f"overrides/{made.pk}/end/")
    assert browser(dba).post(where, {"why": "no"}).status_code == 422
    assert gate(block, "baseline").state == "done"
    assert browser(dba).post(where, {"why": "The value is there now."}).status_code == 302
    assert browser(dba).post(where, {"why": "The value is there now."}).status_code == 409
    assert gate(block, "baseline").state == "now"
    assert "The value is there now." in str(at(block, WEEK).covered["overrides"])
    assert "The value is there now." in browser(dba).get(url(block)).content.decode()


def test_a_week_signed_with_an_override_stays_signed_when_that_expires(
    block: Rollout, devops: Person, dba: Person, backend: Person, lead: Person
) -> None:
    through(block, devops, watched=State.FAIL)
    Override.objects.create(
        rollout=block, week=WEEK, by=devops, at=timezone.now(), scope="gate:watched", title="Watched", verdict="fail",
        reason=WHY, expires_at=timezone.now() - timedelta(hours=1), critical=True, confirmed_by=dba, confirmed_at=timezone.now(),
    )  # fmt: skip
    week, then = at(block, WEEK), timezone.now() - timedelta(hours=2)
    for off, person in zip(week.week.sign_offs, (devops, backend, lead), strict=True):
        signed = {"slot": off.slug, "role": off.roles[0], "meaning": off.meaning, "decision": "approve"}
        Signature.objects.create(
            rollout=block, week=WEEK, by=person, at=then, statement=b"{}", digest="", covers=week.covers, **signed
        )
    assert at(block, WEEK).signed
    assert gate(block, "watched").state == "done"
    assert gate(block, "watched").verdict is State.FAIL
    Signature.objects.filter(slot="lead").update(revoked_at=timezone.now())
    assert gate(block, "watched").state == "now"


def test_the_page_says_what_is_missing_and_who_can_supply_it(
    block: Rollout, devops: Person, viewer: Person, browser: Browser
) -> None:
    page = browser(viewer).get(url(block))
    now = page.context["sheet"].present
    assert now.gate.slug == "baseline"
    assert (len(now.missing), now.more) == (6, 3)
    assert str(devops) in now.people
    assert str(viewer) not in now.people
    text = page.content.decode()
    assert "Who can:" in text
    assert str(devops) in text
    assert 'aria-current="step"' in text


def test_a_rollout_takes_as_many_queries_however_much_was_done(
    block: Rollout, devops: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    through(block, devops)
    found = Rollout.objects.select_related("tier", "pin").get(pk=block.pk)
    with django_assert_num_queries(10):
        progress(found)
    now = timezone.now()
    for _number in range(5):
        Deployment.objects.create(rollout=block, week=WEEK, what="Again", by=devops, at=now)
        Watch.objects.create(
            rollout=block, week=WEEK, by=devops, at=now, begins=now, ends=now, terms={}, state="pass", ended_at=now
        )
    with django_assert_num_queries(10):
        progress(found)
