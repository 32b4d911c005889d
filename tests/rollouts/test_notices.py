"""Who is told by e-mail that it is their turn: once for each occasion, only those who can supply what is missing."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from structlog.testing import capture_logs

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.metrics import outbox
from apps.metrics.alerting import Delivery
from apps.rollouts.models import Notice, Override, Pin, Proposal, Rollout, Tick
from apps.rollouts.tasks import tell_turns
from tests.people import Browser, make_person
from tests.receivers import Mailbox
from tests.rollouts.conftest import FINAL, WEEK, at, settle
from tests.rollouts.test_signing import sign


@pytest.fixture
def team(ready: Rollout, mailbox: Mailbox) -> dict[str, Person]:
    """Everybody has an address, one of them no account in use; what waited before is told."""
    Person.objects.filter(username__in=("lead", "qa")).update(email="")
    made = {role.value: make_person(f"{role.value}-2", [role], email=f"{role.value}@example.org") for role in Role}
    make_person("gone", [Role.DBA], email="gone@example.org")
    Person.objects.filter(username="gone").update(is_active=False)
    return made


def told(mailbox: Mailbox) -> dict[str, str]:
    """Who got a mail since the last call, and what it says; at most one each."""
    tell_turns()
    outbox.deliver(datetime.now(UTC) + timedelta(hours=1))
    mails, mailbox.mails = mailbox.mails, []
    assert len({mail["To"] for mail in mails}) == len(mails)
    return {mail["To"].partition("@")[0]: f"{mail['Subject']}\n{mail.get_content()}" for mail in mails}


def test_a_slot_that_can_be_signed_is_told_once_to_those_who_can(
    ready: Rollout, team: dict[str, Person], mailbox: Mailbox, browser: Browser
) -> None:
    Tick.objects.filter(rollout=ready, item=at(ready).week.pauses[0].items[0].slug).update(undone_at=timezone.now())
    found = told(mailbox)
    assert {"dba", "devops", "lead"} <= found.keys(), "the week is open"
    assert not {"viewer", "vp", "gone"} & found.keys()
    assert "can be signed" not in "".join(found.values())
    assert f"/rollouts/{ready.pk}/weeks/{WEEK}/#prerequisites" in found["dba"]
    settle(ready, team["qa"], only=at(ready).week.pauses[0].items[0].slug)
    found = told(mailbox)
    assert set(found) == {slot.off.roles[0].value for slot in at(ready).slots}
    assert "Paper: Before week 1 of “Phase 2” can be signed as DBA." in found["dba"]
    assert f"/rollouts/{ready.pk}/weeks/{WEEK}/sign/dba/" in found["dba"]
    assert "/people/me/#notices" in found["dba"]
    assert told(mailbox) == {}
    assert sign(browser(team["dba"]), ready, "dba") == 302
    assert told(mailbox) == {}, "what others still have to sign they know"


def test_a_stale_signature_is_told_again_each_time_and_a_week_that_opens_to_its_people(
    short: Rollout, mailbox: Mailbox, browser: Browser
) -> None:
    wanted = {role for slot in (*at(short).slots, *at(short, FINAL).slots) for role in slot.off.roles}
    signers = {role: make_person(f"{role.value}-2", [role], email=f"{role.value}@example.org") for role in wanted}
    told(mailbox)
    slots = list(at(short).slots)
    for slot in slots:
        assert sign(browser(signers[slot.off.roles[0]]), short, slot.off.slug) == 302
    found = told(mailbox)
    final = {role.value for slot in at(short, FINAL).slots for role in slot.off.roles}
    assert set(found) == final
    assert all("is open. Next: sign." in text and "can be signed as" in text for text in found.values())
    item = next(iter(at(short).week.items())).slug
    for _twice in range(2):
        Tick.objects.filter(rollout=short, item=item, undone_at=None).update(undone_at=timezone.now())
        assert set(told(mailbox)) == {slot.off.roles[0].value for slot in slots}
        assert told(mailbox) == {}
        Tick.objects.filter(rollout=short, item=item).update(undone_at=None)
        assert set(told(mailbox)) == final, "the week after is open again"


def test_a_proposal_and_an_override_are_told_to_everybody_else_who_may_decide(
    ready: Rollout, team: dict[str, Person], mailbox: Mailbox
) -> None:
    told(mailbox)
    item, now = next(iter(at(ready).week.items())), timezone.now()
    Tick.objects.filter(rollout=ready, item=item.slug).update(undone_at=now)
    told(mailbox)
    Proposal.objects.create(rollout=ready, week=WEEK, item=item.slug, why="We have none.", by=team["dba"], at=now)
    found = told(mailbox)
    assert set(found) == {"devops", "backend", "qa", "lead"}
    assert f"proposes that “{item.text}” does not apply" in found["qa"]
    assert f"#item-{item.slug}" in found["qa"]
    Override.objects.create(
        rollout=ready, week=WEEK, by=team["lead"], at=now, scope="gate:prerequisites", title="Prerequisites",
        verdict="inconclusive", reason="r" * 20, expires_at=now + timedelta(hours=1), critical=True,
    )  # fmt: skip
    assert set(told(mailbox)) == {"dba", "devops"}
    assert told(mailbox) == {}


def test_who_switches_it_off_is_not_told_and_what_waits_already_is_not_sent(
    ready: Rollout, team: dict[str, Person], mailbox: Mailbox, browser: Browser
) -> None:
    client, address = browser(team["dba"]), "/people/me/notices/"
    page = client.get("/people/me/").content.decode()
    assert 'value="dba@example.org"' in page
    tell_turns()
    assert Delivery.objects.filter(person=team["dba"], state="pending").count() == 1
    assert client.post(address, {"email": "dba@example.org"}).status_code == 302
    assert "dba" not in told(mailbox)
    assert "Switched off" in Delivery.objects.get(person=team["dba"]).problem
    refused = client.post(address, {"email": "no address", "tell_turns": "on"})
    assert refused.status_code == 422
    assert "Enter a valid email address." in refused.content.decode()
    assert client.get("/people/me/").content.decode().count(" checked") == 0, "nothing was changed"
    assert client.post(address, {"email": "a@example.org", "tell_turns": "on"}).status_code == 302
    sentences = client.get("/ledger/?kind=people.notices").content.decode()
    assert "dba-2 chose whether e-mail tells them that it is their turn: no." in sentences
    assert "a@example.org" not in sentences


def test_a_rollout_that_cannot_be_read_is_told_and_keeps_nobody_else_waiting(
    ready: Rollout, team: dict[str, Person], mailbox: Mailbox
) -> None:
    pin = Pin.objects.create(digest="0" * 64, data=b"not a playbook")
    lost = Rollout.objects.create(
        tier=ready.tier, pin=pin, name="Lost", started_by=team["lead"], started_at=timezone.now()
    )
    assert Rollout.objects.first() == lost, "its turn comes before the other's"
    with capture_logs() as lines:
        assert "dba" in told(mailbox)
    assert [line["rollout"] for line in lines if line["event"] == "notices.stuck"] == [lost.pk]


def test_without_a_mail_server_nobody_counts_as_told(ready: Rollout, settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    tell_turns()
    assert not Notice.objects.exists()


def test_the_channels_page_shows_what_people_were_sent(
    ready: Rollout, team: dict[str, Person], mailbox: Mailbox, browser: Browser
) -> None:
    told(mailbox)
    page = browser(team["lead"]).get("/t/paper/channels/").content.decode()
    assert re.search("<td[^>]*>Dba 2</td>", page)
    assert "can be signed as DBA" in page
