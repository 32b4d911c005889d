"""A newer definition of a week: shown with what differs, adopted by the lead's signature for that week alone, and proved elsewhere."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import Person, RoleGrant
from apps.accounts.roles import Role
from apps.ledger.keys import SigningKey
from apps.ledger.models import Entry
from apps.ledger.offline.verify import LOG, Bundle, pack, unpack
from apps.playbook.plan import Gate as When
from apps.rollouts.checklist import Wish, tick
from apps.rollouts.models import Amendment, Baseline, Rollout, Signature, Tick, Watch
from apps.rollouts.pins import pinned
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import readiness
from apps.rollouts.watching import outdated
from tests.authenticator import Passkey
from tests.people import PASSWORD, Browser
from tests.rollouts.conftest import FINAL, WEEK, at, bundled, drilled, settle
from tests.rollouts.test_signing import shown, sign, url

REASON = "The restore is tried on both hosts from now on."
LATER, BLOCK = "week-1-2", "week-3-4"
ITEM, NEW = "text: The backup was restored on another host,", "text: The backup was restored on two other hosts,"
RESTORED = "backup-restored"


@pytest.fixture
def files(tmp_path: Path, settings: Settings, ready: Rollout) -> Path:
    """The playbook's files, which somebody goes on editing after the rollout was started."""
    folder = tmp_path / "playbook"
    shutil.copytree(settings.PLAYBOOK, folder)
    settings.PLAYBOOK = folder
    return folder


def edit(folder: Path, week: str, old: str, new: str) -> None:
    path = folder / "weeks" / f"{week}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def draw(client: Client, rollout: Rollout, week: str = WEEK, why: str = REASON) -> str:
    answer = client.post(url(rollout, f"weeks/{week}/amendment/draw/"), {"why": why})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def adopt(client: Client, rollout: Rollout, week: str = WEEK) -> None:
    assert client.post(draw(client, rollout, week), {"password": PASSWORD}).status_code == 302


def page(client: Client, rollout: Rollout, rest: str = f"weeks/{WEEK}/amendment/") -> str:
    return client.get(url(rollout, rest)).content.decode()


def test_an_edit_shows_with_its_difference_and_changes_nothing_until_it_is_adopted(
    ready: Rollout, files: Path, viewer: Person, browser: Browser
) -> None:
    client = browser(viewer)
    assert "Newer definition available" not in page(client, ready, "")
    before = at(ready).covers
    edit(files, WEEK, ITEM, NEW)
    edit(files, WEEK, "meaning: The rollout may begin", "meaning: <b>Go</b>")
    assert at(ready).covers == before
    for place in ("", f"weeks/{WEEK}/"):
        assert "Newer definition available" in page(client, ready, place), place
    assert "Newer definition available" not in page(client, ready, f"weeks/{LATER}/")
    told = page(client, ready)
    assert "restored on two other hosts" in told
    assert "Sign-off “Engineering lead”" in told
    assert "&lt;b&gt;Go&lt;/b&gt;" in told
    assert "<form" not in told[told.index("<main") :]
    assert client.post(url(ready, f"weeks/{WEEK}/amendment/draw/"), {"why": REASON}).status_code == 403
    (files / "plan.yaml").write_text("weeks: [", encoding="utf-8")
    assert "Newer definition available" not in page(client, ready, ""), "a playbook with mistakes offers nothing"


def test_adopting_is_signed_for_one_week_and_takes_what_was_signed_and_settled_otherwise(
    ready: Rollout, files: Path, lead: Person, dba: Person, devops: Person, qa: Person, browser: Browser
) -> None:
    for who, slot in ((devops, "devops"), (dba, "dba"), (lead, "lead")):
        assert sign(browser(who), ready, slot) == 302
    own, later = ready.pin.digest, at(ready, LATER)
    assert later.open
    edit(files, WEEK, ITEM, NEW)
    client = browser(lead)
    told = page(client, ready)
    assert "Adopting the newer definition closes the weeks after it" in told
    assert "Dba’s signature as DBA becomes stale" in told
    assert client.post(url(ready, f"weeks/{WEEK}/amendment/draw/"), {"why": "short"}).status_code == 422
    key = Passkey()
    key.enrol(lead)
    where = draw(client, ready)
    said = page(client, ready, where.removeprefix(url(ready, "")))
    assert "adopt for Before week 1" in said
    assert "one settled item is settled anew" in said
    assert client.post(where, {"answer": key.answer(shown(client, where))}).status_code == 302
    now, made = at(ready), Amendment.objects.get()
    assert now.covered["playbook"] == made.pin.digest != own
    assert client.get(url(ready, "criteria.json")).json()["amended"] == {WEEK: made.pin.digest}
    assert now.week.item(RESTORED).text.startswith("The backup was restored on two other hosts")
    assert [slot.stale for slot in now.slots] == [True] * 3
    assert RESTORED not in now.done.ticks
    assert Tick.objects.get(item=RESTORED).undone_by == lead
    assert not at(ready, LATER).open
    assert at(ready, LATER).covers == later.covers, "another week keeps its pin and what was signed of it"
    signature = Signature.objects.get(slot="dba")
    told = page(browser(qa), ready, f"signatures/{signature.pk}/")
    assert "Pinned playbook" in told
    assert "restored on two other hosts" in told, "the difference, not only its digest"
    entry = Entry.objects.get(kind="rollout.amend")
    assert entry.sentence == f"lead adopted the definition {made.pin.digest[:12]} of Before week 1 (passkey): {REASON}"
    assert entry.content["takes"]["items"] == [pinned(own).week(WEEK).item(RESTORED).text]
    settle(ready, qa, only=RESTORED)
    assert sign(browser(dba), ready, "dba") == 302
    assert Signature.objects.get(slot="dba", revoked_at=None).said["covered"]["playbook"] == made.pin.digest


def test_a_removed_slot_ends_its_signature_so_that_its_signer_may_sign_elsewhere(
    ready: Rollout, files: Path, lead: Person, dba: Person, browser: Browser
) -> None:
    assert sign(browser(dba), ready, "dba") == 302
    edit(files, WEEK, "roles: [devops], meaning", "roles: [devops, dba], meaning")
    line = '  - {slug: dba, title: DBA, roles: [dba], meaning: "I saw the backup restored and the replicas stream"}\n'
    edit(files, WEEK, line, "")
    assert "its slot is removed" in page(browser(lead), ready)
    adopt(browser(lead), ready)
    assert Signature.objects.get().revoked_by == lead
    assert sign(browser(dba), ready, "devops") == 302


def test_the_week_the_files_or_the_role_may_change_while_the_lead_reads(
    ready: Rollout, files: Path, lead: Person, dba: Person, browser: Browser
) -> None:
    edit(files, WEEK, ITEM, NEW)
    client = browser(lead)
    where, twice = draw(client, ready), draw(client, ready)
    edit(files, WEEK, NEW, ITEM.replace("another host", "a third host"))
    assert sign(browser(dba), ready, "dba") == 302
    answer = client.post(where, {"password": PASSWORD})
    assert answer.status_code == 409
    assert "The week changed while you were reading" in answer.content.decode()
    assert not Amendment.objects.exists()
    again = draw(client, ready)
    RoleGrant.objects.filter(person=lead).update(role=Role.CTO)
    assert client.post(again, {"password": PASSWORD}).status_code == 403
    assert page(browser(dba), ready, "").count("Newer definition available") == 1
    assert not Amendment.objects.exists()
    assert twice != where


def test_the_way_back_is_drilled_and_the_watch_made_anew_on_the_definition_in_force(
    ready: Rollout, files: Path, lead: Person, devops: Person, browser: Browser
) -> None:
    run, now = drilled(ready, BLOCK, devops), timezone.now()
    Watch.objects.create(
        rollout=ready, week=BLOCK, by=devops, at=now, begins=now, ends=now, terms={}, state="pass", said="fine", ended_at=now
    )  # fmt: skip
    Baseline.objects.create(
        rollout=ready, week=BLOCK, metric="primary-connections", unit="count", value=9, start=now, end=now, samples=[],
        digest="0" * 64, by=devops, at=now,
    )  # fmt: skip
    assert readiness(at(ready, BLOCK).week, at(ready, BLOCK).done).ready
    edit(files, BLOCK, "watch:\n  length: 24 h", "watch:\n  length: 48 h")
    edit(files, BLOCK, "average of an hour", "average of a day")
    adopt(browser(lead), ready, BLOCK)
    week = at(ready, BLOCK)
    assert not readiness(week.week, week.done).ready
    assert outdated(week.done) == "another watch was adopted since this one began"
    assert "primary-connections" not in week.done.baselines
    assert "Newer definition" not in page(browser(lead), ready, f"weeks/{BLOCK}/")
    assert browser(lead).get(url(ready, f"rollbacks/{run.pk}/")).status_code == 200, (
        "a run is shown along its own playbook"
    )
    drilled(ready, BLOCK, devops)
    assert not readiness(week.week, at(ready, BLOCK).done).ready, "drilled along the rollout's own pin"
    drilled(ready, BLOCK, devops, pin=week.done.pin)
    assert readiness(week.week, at(ready, BLOCK).done).ready


def test_an_item_that_moves_behind_the_deployment_is_settled_anew(
    ready: Rollout, files: Path, lead: Person, browser: Browser
) -> None:
    settle(ready, lead, BLOCK)
    text = (files / "weeks" / f"{BLOCK}.yaml").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines(keepends=True) if "slug: replicas-connected," in line)
    edit(files, BLOCK, line, "")
    edit(files, BLOCK, "      - slug: two-slots\n", f"{line}      - slug: two-slots\n")
    adopt(browser(lead), ready, BLOCK)
    now = at(ready, BLOCK)
    assert "replicas-connected" in {item.slug for item in now.week.items(When.VALIDATION)}
    assert "replicas-connected" not in now.done.ticks
    assert "two-slots" in now.done.ticks


def test_who_signs_a_slot_that_was_amended_away_is_told(
    ready: Rollout, files: Path, lead: Person, dba: Person, browser: Browser
) -> None:
    where = browser(dba).post(url(ready, f"weeks/{WEEK}/sign/dba/"), {"decision": "reject", "reason": REASON})[
        "Location"
    ]
    edit(files, WEEK, "roles: [devops], meaning", "roles: [devops, dba], meaning")
    line = '  - {slug: dba, title: DBA, roles: [dba], meaning: "I saw the backup restored and the replicas stream"}\n'
    edit(files, WEEK, line, "")
    adopt(browser(lead), ready)
    answer = browser(dba).post(where, {"password": PASSWORD})
    assert answer.status_code == 409
    assert "no such slot any more" in answer.content.decode()


def test_what_was_looked_at_before_an_amendment_settles_nothing_after_it(
    ready: Rollout, files: Path, lead: Person, qa: Person, browser: Browser
) -> None:
    Tick.objects.filter(item=RESTORED).update(undone_at=timezone.now())
    seen = at(ready)
    edit(files, WEEK, ITEM, NEW)
    adopt(browser(lead), ready)
    with pytest.raises(Refused, match="The week changed at this moment"):
        tick(ready, seen, seen.week.item(RESTORED), Wish(note="Restored it."), qa)
    assert not Tick.objects.filter(item=RESTORED, undone_at=None).exists()


def test_a_running_watch_refuses(ready: Rollout, files: Path, lead: Person, devops: Person, browser: Browser) -> None:
    now = timezone.now()
    watch = Watch.objects.create(rollout=ready, week=BLOCK, by=devops, at=now, begins=now, ends=now, terms={})
    edit(files, BLOCK, "watch:\n  length: 24 h", "watch:\n  length: 48 h")
    where = url(ready, f"weeks/{BLOCK}/amendment/draw/")
    answer = browser(lead).post(where, {"why": REASON})
    assert answer.status_code == 409
    assert "A watch runs" in answer.content.decode()
    Watch.objects.filter(pk=watch.pk).update(ended_at=now, state="inconclusive")
    assert browser(lead).post(where, {"why": REASON}).status_code == 302
    assert browser(lead).post(url(ready, f"weeks/{LATER}/amendment/draw/"), {"why": REASON}).status_code == 409


def test_a_week_that_does_not_fit_the_pinned_plan_refuses(
    ready: Rollout, files: Path, lead: Person, browser: Browser
) -> None:
    plan = files / "plan.yaml"
    plan.write_text(plan.read_text(encoding="utf-8").replace("slug: p95\n", "slug: tail\n"), encoding="utf-8")
    edit(files, FINAL, "target: p95,", "target: tail,")
    assert "Newer definition of" in page(browser(lead), ready, f"weeks/{FINAL}/amendment/")
    answer = browser(lead).post(url(ready, f"weeks/{FINAL}/amendment/draw/"), {"why": REASON})
    assert answer.status_code == 409
    assert "The plan has no target tail. Nothing was changed." in answer.content.decode()
    assert not Amendment.objects.exists()


def test_the_bundle_holds_every_pin_and_a_changed_or_missing_one_is_named(
    ready: Rollout, files: Path, lead: Person, dba: Person, browser: Browser, settings: Settings
) -> None:
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    assert sign(browser(dba), ready, "dba") == 302
    edit(files, WEEK, ITEM, NEW)
    adopt(browser(lead), ready)
    name = f"pins/{Amendment.objects.get().pin.digest}.json"
    for data in (bundled(ready), bundled(ready, at(ready).week)):
        inside = unpack(data)
        assert Bundle(data).verify().broken == []
        assert any("The playbooks adopted later (1)" in told for told in Bundle(data).verify().proved)
        changed = Bundle(pack({**inside, name: inside[name].replace(b"two other hosts", b"six other hosts")})).verify()
        assert any(f"{name} is not the playbook that was adopted" in told for told in changed.broken)
        lost = Bundle(pack({key: value for key, value in inside.items() if key != name})).verify()
        assert any("adopts is missing" in told for told in lost.broken)
    assert name not in unpack(bundled(ready, at(ready, LATER).week)), "another week does not follow it"


class Meanwhile:
    """Does something once, before the statement of this number: what another process commits while a bundle is made."""

    def __init__(self, number: int, act: Callable[[], None]) -> None:
        self.number, self.act, self.seen = number, act, 0

    def __call__(self, execute: Callable[..., Any], *of: Any) -> Any:
        self.seen += 1
        if self.seen == self.number:
            self.act()
        return execute(*of)


def test_a_bundle_made_while_an_amendment_is_adopted_is_whole(
    ready: Rollout, files: Path, lead: Person, dba: Person, browser: Browser, settings: Settings
) -> None:
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    assert sign(browser(dba), ready, "dba") == 302
    edit(files, WEEK, ITEM, NEW)
    client, number, held, done = browser(lead), 1, set(), False
    while not done:
        meanwhile = Meanwhile(number, lambda: adopt(client, ready))
        with transaction.atomic():
            with connection.execute_wrapper(meanwhile):
                data = bundled(ready)
            assert Bundle(data).verify().broken == [], f"adopted before statement {number}"
            held.add(any(name.startswith("pins/") for name in unpack(data)))
            done = meanwhile.seen < number
            transaction.set_rollback(True)
        number += 1
    assert held == {True, False}


def test_the_serving_login_changes_no_amendment(ready: Rollout, files: Path, lead: Person, browser: Browser) -> None:
    edit(files, WEEK, ITEM, NEW)
    adopt(browser(lead), ready)
    for statement in ("UPDATE rollouts_amendment SET why = ''", "DELETE FROM rollouts_amendment"):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(statement)
