"""The timeline as people read, move and print it; and blockers, which let nobody approve."""

import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import rfc8785
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.models import Tier
from apps.rollouts.models import Deployment, Draft, Issue, Note, Rollout, Schedule, Signature, Tick
from apps.rollouts.progress import progress
from apps.rollouts.schedule import today
from apps.rollouts.start import start
from apps.rollouts.statement import covered
from apps.rollouts.timeline import timeline
from tests.people import PASSWORD, Browser

FIRST, SECOND = "pre-rollout", "week-1-2"
APPROVE = {"decision": "approve", "reason": ""}
WHY = "The replicas arrive a week later."


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier whose days begin when UTC's are eleven hours old."""
    return Tier.objects.create(slug="lab", name="Lab", time_zone="Pacific/Midway")


@pytest.fixture
def rollout(tier: Tier, lead: Person) -> Rollout:
    """A rollout that begins in the week after the next."""
    return start(tier, "Phase 2", lead)


def url(rollout: Rollout, rest: str = "timeline/") -> str:
    return f"/rollouts/{rollout.pk}/{rest}"


def monday(rollout: Rollout) -> date:
    return rollout.schedules.first().first_monday  # type: ignore[union-attr]


def begin(rollout: Rollout, weeks_ago: int, by: Person) -> None:
    """Let its first week have begun so many weeks ago."""
    now = today(rollout.tier)
    day = now - timedelta(days=now.weekday(), weeks=weeks_ago)
    Schedule.objects.create(rollout=rollout, first_monday=day, by=by, at=datetime.now(UTC))


def settle(rollout: Rollout, ticker: Person) -> None:
    for item in progress(rollout)[0].week.items():
        Tick.objects.create(
            rollout=rollout,
            week=FIRST,
            item=item.slug,
            by=ticker,
            at=datetime.now(UTC),
            outcome="done",
            digest="0" * 64,
        )


def sign(client: Client, where: str, vote: dict[str, str] = APPROVE) -> int:
    """Vote and confirm with the password, as the pages' forms do it; the status of the last answer."""
    drawn = client.post(where, vote)
    return client.post(drawn["Location"], {"password": PASSWORD}).status_code


def test_the_start_form_proposes_a_monday_and_refuses_other_days(tier: Tier, lead: Person, browser: Browser) -> None:
    client = browser(lead)
    proposed = re.search(r'name="first_monday" type="date" value="([\d-]+)"', client.get("/rollouts/").content.decode())
    assert proposed
    day = date.fromisoformat(proposed[1])
    assert day.weekday() == 0
    assert 7 <= (day - today(tier)).days < 14
    for wrong in (day + timedelta(days=1), date(9999, 12, 27), "soon"):
        answer = client.post("/rollouts/start/lab/", {"name": "Phase 2", "first_monday": str(wrong)})
        assert answer.status_code == 422, wrong
    assert not Rollout.objects.exists()
    assert client.post("/rollouts/start/lab/", {"name": "Phase 2", "first_monday": str(day)}).status_code == 302
    assert json.loads(bytes(Entry.objects.get(kind="rollout.start").body))["first_monday"] == str(day)


def test_moving_the_start_moves_all_dates_and_is_an_entry(
    rollout: Rollout, lead: Person, devops: Person, browser: Browser
) -> None:
    before = monday(rollout)
    later = before + timedelta(weeks=1)
    moved = {"first_monday": str(later), "why": WHY, "seen": str(before)}
    assert browser(devops).post(url(rollout, "timeline/move/"), moved).status_code == 403
    for wrong in ({"why": "short"}, {"first_monday": str(later + timedelta(days=2))}, {"first_monday": str(before)}):
        assert browser(lead).post(url(rollout, "timeline/move/"), moved | wrong).status_code in {409, 422}
    assert monday(rollout) == before
    assert browser(lead).post(url(rollout, "timeline/move/"), moved).status_code == 302
    assert monday(rollout) == later
    stale = browser(lead).post(
        url(rollout, "timeline/move/"), moved | {"first_monday": str(later + timedelta(weeks=1))}
    )
    assert stale.status_code == 409
    assert "Somebody moved it" in stale.content.decode()
    entry = json.loads(bytes(Entry.objects.get(kind="rollout.move").body))
    assert (entry["before"], entry["first_monday"], entry["why"]) == (str(before), str(later), WHY)
    assert f'datetime="{later}"' in browser(devops).get(url(rollout)).content.decode()


def test_a_rollout_from_before_there_were_dates_says_so_and_can_be_given_some(
    rollout: Rollout, lead: Person, viewer: Person, browser: Browser
) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
    ):
        cursor.execute("DELETE FROM rollouts_schedule")
    undated = Rollout.objects.create(
        tier=rollout.tier, pin=rollout.pin, name="Old", started_by=lead, started_at=datetime.now(UTC)
    )
    page = browser(viewer).get(url(undated)).content.decode()
    assert "Old has no dates yet" in page
    assert '<svg class="gantt"' not in page
    assert browser(viewer).get(url(undated, "timeline.json")).json()["weeks"][1]["planned"] is None
    chosen = {"first_monday": str(monday(rollout)), "why": WHY, "seen": ""}
    assert browser(lead).post(url(undated, "timeline/move/"), chosen).status_code == 302
    assert "Old is on plan; its first block begins in" in browser(viewer).get(url(undated)).content.decode()


def test_it_says_how_far_behind_its_plan_it_is(rollout: Rollout, lead: Person) -> None:
    assert re.fullmatch(r"Phase 2 is on plan; its first block begins in \d+ days", timeline(rollout).verdict)
    begin(rollout, 0, lead)
    late = today(rollout.tier).weekday() + 1
    seen = timeline(rollout)
    assert seen.rows[0].late == late
    assert seen.verdict == f"Phase 2 is {late} day{'s' if late > 1 else ''} behind its plan"
    assert seen.rows[1].late == 0


def test_the_lead_says_which_week_is_under_way_and_what_it_needs_once(
    rollout: Rollout, lead: Person, viewer: Person, browser: Browser
) -> None:
    client, needs = browser(viewer), "Before week 1. Next: settle the prerequisites (0 of 31)."
    begin(rollout, -3, lead)
    page = client.get(url(rollout)).content.decode()
    assert f"Under way until then: {needs}" in page
    assert "gantt-today" not in page, "its first date is still to come"
    assert "The upright line is today" not in page
    begin(rollout, 0, lead)
    page = client.get(url(rollout)).content.decode()
    assert f"Under way: {needs}" in page
    assert "gantt-today" in page
    assert "The upright line is today" in page


def test_who_caught_up_is_on_plan_again(
    rollout: Rollout, qa: Person, dba: Person, lead: Person, devops: Person, browser: Browser
) -> None:
    settle(rollout, qa)
    for who, slot in ((devops, "devops"), (dba, "dba"), (lead, "lead")):
        assert sign(browser(who), f"/rollouts/{rollout.pk}/weeks/{FIRST}/sign/{slot}/") == 302
    assert timeline(rollout).verdict.startswith("Phase 2 is on plan; its first block begins in")
    begin(rollout, 0, lead)
    assert timeline(rollout).rows[0].late
    assert timeline(rollout).verdict == "Phase 2 is in week 1 and on plan again"


def test_the_log_is_by_the_tiers_day(rollout: Rollout, devops: Person, viewer: Person, browser: Browser) -> None:
    for hour, what in ((9, "v1 on one host"), (12, "=v1 <b>everywhere</b>")):
        Deployment.objects.create(
            rollout=rollout, week=SECOND, what=what, minutes=3, by=devops, at=datetime(2026, 12, 2, hour, tzinfo=UTC)
        )
    (first, (one,)), (second, (other,)) = timeline(rollout).rows[1].log
    assert (first, one.what) == (date(2026, 12, 1), "v1 on one host")
    assert (second, other.what) == (date(2026, 12, 2), "=v1 <b>everywhere</b>")
    page = browser(viewer).get(url(rollout)).content.decode()
    assert "&lt;b&gt;everywhere" in page
    assert "<b>everywhere" not in page


def test_notes_stay_and_are_entries(rollout: Rollout, on_call: Person, viewer: Person, browser: Browser) -> None:
    said = {"week": SECOND, "text": "<script>alert(1)</script> freeze until Thursday"}
    assert browser(viewer).post(url(rollout, "timeline/notes/"), said).status_code == 403
    assert browser(on_call).post(url(rollout, "timeline/notes/"), said | {"text": ""}).status_code == 422
    assert browser(on_call).post(url(rollout, "timeline/notes/"), said | {"week": "week-99"}).status_code == 404
    assert not Note.objects.exists()
    assert browser(on_call).post(url(rollout, "timeline/notes/"), said).status_code == 302
    assert "&lt;script&gt;alert(1)" in browser(viewer).get(url(rollout)).content.decode()
    assert Entry.objects.get(kind="rollout.note").subject == f"rollout/{rollout.pk}/{SECOND}"


def test_a_known_issue_counts_where_it_was_seen(rollout: Rollout, on_call: Person, browser: Browser) -> None:
    known = progress(rollout)[1].week.issues[0].slug
    browser(on_call).post(f"/rollouts/{rollout.pk}/weeks/{SECOND}/issues/", {"text": "Seen.", "known": known})
    seen = next(one for one in timeline(rollout).rows[1].seen if one.known.slug == known)
    assert (len(seen.issues), seen.still_open) == (1, 1)


def test_the_json_has_the_digest_that_is_printed_and_it_changes_with_what_happened(
    rollout: Rollout, on_call: Person, viewer: Person, stranger: Person, browser: Browser
) -> None:
    client = browser(viewer)
    first = client.get(url(rollout, "timeline.json")).json()
    digest = first.pop("digest")
    assert digest == hashlib.sha256(rfc8785.dumps(first)).hexdigest()
    assert digest in client.get(url(rollout)).content.decode()
    assert client.get(url(rollout, "timeline.json")).json()["digest"] == digest
    browser(on_call).post(url(rollout, "timeline/notes/"), {"week": SECOND, "text": "Freeze until Thursday."})
    assert client.get(url(rollout, "timeline.json")).json()["digest"] != digest
    assert browser(stranger).get(url(rollout, "timeline.json")).status_code == 404


def test_an_open_blocker_lets_nobody_approve_and_everybody_reject(
    rollout: Rollout,
    qa: Person,
    dba: Person,
    lead: Person,
    on_call: Person,
    viewer: Person,
    support: Person,
    browser: Browser,
) -> None:
    settle(rollout, qa)
    week = f"/rollouts/{rollout.pk}/weeks/{FIRST}/"
    browser(on_call).post(week + "issues/", {"text": "The backup is empty.", "blocker": "on"})
    blocker = Issue.objects.get()
    assert f"blocked by issue #{blocker.pk}" in browser(viewer).get(week).content.decode()
    assert "The backup is empty." in browser(viewer).get(url(rollout)).content.decode()
    assert "The backup is empty.” is open" in browser(dba).get(week + "sign/dba/").content.decode()
    answer = browser(dba).post(week + "sign/dba/", APPROVE)
    assert answer.status_code == 409
    assert "close it with what was done" in answer.content.decode()
    assert not Draft.objects.exists()
    rejected = {"decision": "reject", "reason": "The backup is empty indeed."}
    assert sign(browser(lead), week + "sign/lead/", rejected) == 302
    other = browser(support).post(week + f"issues/{blocker.pk}/close/", {"resolution": "okay."})
    assert other.status_code == 403
    assert "closed by who noted it" in other.content.decode()
    browser(on_call).post(week + f"issues/{blocker.pk}/close/", {"resolution": "Made a new one, restored it."})
    closed = progress(rollout)[0].covered["issues"][0]["closed"]
    assert closed == {"by": on_call.username, "with": "Made a new one, restored it."}
    assert sign(browser(dba), week + "sign/dba/") == 302


def test_a_blocker_noted_while_somebody_signs_stops_the_signature(
    rollout: Rollout, qa: Person, dba: Person, on_call: Person, browser: Browser
) -> None:
    settle(rollout, qa)
    week = f"/rollouts/{rollout.pk}/weeks/{FIRST}/"
    drawn = browser(dba).post(week + "sign/dba/", APPROVE)
    assert drawn.status_code == 302
    browser(on_call).post(week + "issues/", {"text": "The backup is empty.", "blocker": "on"})
    assert browser(dba).post(drawn["Location"], {"password": PASSWORD}).status_code == 409
    assert not Signature.objects.exists()
    assert not Entry.objects.filter(kind="rollout.sign").exists()


def test_a_blocker_noted_after_an_approval_makes_it_stale(
    rollout: Rollout, qa: Person, dba: Person, on_call: Person, browser: Browser
) -> None:
    settle(rollout, qa)
    week = f"/rollouts/{rollout.pk}/weeks/{FIRST}/"
    assert sign(browser(dba), week + "sign/dba/") == 302
    browser(on_call).post(week + "issues/", {"text": "The backup is empty.", "blocker": "on"})
    assert [slot.stale for slot in progress(rollout)[0].slots if slot.signature] == [True]


def test_what_is_no_blocker_is_covered_as_before(rollout: Rollout, on_call: Person, browser: Browser) -> None:
    browser(on_call).post(f"/rollouts/{rollout.pk}/weeks/{FIRST}/issues/", {"text": "A remark."})
    at = progress(rollout)[0]
    assert covered(rollout, at.week, at.done)["issues"] == [
        {"id": Issue.objects.get().pk, "text": "A remark.", "by": on_call.username}
    ]
