"""The final sign-off: who accepts the programme, when, and what takes the acceptance away again."""

from dataclasses import replace

from django.test import Client
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.ledger.models import Entry
from apps.playbook.plan import Strength
from apps.playbook.validate import current
from apps.rollouts.models import Rollout, Signature
from apps.rollouts.record_views import verified
from tests.authenticator import Passkey
from tests.people import Browser, MakePerson
from tests.rollouts.conftest import FINAL, WEEK, at, begin
from tests.rollouts.test_signing import shown, sign, url


def lead_of(client: Client, rollout: Rollout) -> str:
    """The sign-off page as it begins: its verdict and the sentence below."""
    page = client.get(url(rollout, "sign-offs/")).content.decode()
    return page[(start := page.index("<h1>")) : page.index("</header>", start)]


def test_the_programme_is_accepted_by_its_three_and_only_after_everything_else(
    short: Rollout, devops: Person, dba: Person, lead: Person, viewer: Person, person: MakePerson, browser: Browser
) -> None:
    vp, cto, product = (person(role.value, [role]) for role in (Role.VP, Role.CTO, Role.PRODUCT))
    assert "The final sign-off opens when every week before it is fully signed; Before week 1 is not yet." in lead_of(
        browser(viewer), short
    )
    for who, slot in ((devops, "devops"), (dba, "dba"), (lead, "lead")):
        early = browser(vp).post(url(short, f"weeks/{FINAL}/sign/vp/"), {"decision": "approve"})
        assert early.status_code == 403
        assert "Opens when every week before it is signed; Before week 1 is not yet." in early.content.decode()
        assert sign(browser(who), short, slot) == 302
    assert "The final sign-off is open." in lead_of(browser(viewer), short)
    assert browser(lead).post(url(short, f"weeks/{FINAL}/sign/vp/"), {"decision": "approve"}).status_code == 403
    key = Passkey()
    key.enrol(vp)
    assert sign(browser(vp), short, "vp", key, week=FINAL) == 302
    assert sign(browser(cto), short, "cto", week=FINAL) == 302
    assert "5 of 6 slots are signed" in lead_of(browser(viewer), short)
    assert sign(browser(product), short, "product", week=FINAL) == 302
    accepted = Signature.objects.get(slot="vp").said["covered"]["weeks"]
    assert accepted == {WEEK: at(short, WEEK).covers}, "the final sign-off is of the weeks as they were signed"
    last = browser(product).get(url(short, f"weeks/{FINAL}/sign/product/signed/")).content.decode()
    assert "Every slot is signed: the programme is accepted." in last
    assert "The programme is accepted." in lead_of(browser(viewer), short)


def test_a_week_taken_back_closes_all_weeks_after_it(
    lead: Person, qa: Person, devops: Person, dba: Person, viewer: Person, browser: Browser
) -> None:
    whole = current().playbook
    first, second = whole.weeks[0], replace(whole.weeks[0], slug="second", title="Second")
    rollout = begin(replace(whole, weeks=(first, second, whole.weeks[-1])), lead, qa)
    for week in (WEEK, "second"):
        for who, slot in ((devops, "devops"), (dba, "dba"), (lead, "lead")):
            assert sign(browser(who), rollout, slot, week=week) == 302
    assert at(rollout, FINAL).open
    Signature.objects.filter(week=WEEK, slot="dba").update(revoked_at=timezone.now(), revoked_by=dba)
    assert not at(rollout, "second").signed, "its own signatures stand, and it waits all the same"
    assert not at(rollout, FINAL).open
    assert "The final sign-off opens when every week before it is fully signed; Before week 1 is not yet." in lead_of(
        browser(viewer), rollout
    )


def test_a_signature_taken_back_by_passkey_closes_the_weeks_after_it(
    short: Rollout, devops: Person, dba: Person, lead: Person, viewer: Person, browser: Browser
) -> None:
    key = Passkey()
    key.enrol(dba)
    for who, slot in ((devops, "devops"), (lead, "lead")):
        assert sign(browser(who), short, slot) == 302
    assert sign(browser(dba), short, "dba", key) == 302
    assert at(short, FINAL).open
    client, why = browser(dba), {"why": "I looked at the wrong replica."}
    where = client.post(url(short, f"weeks/{WEEK}/sign/dba/revoke/"), why)["Location"]
    assert "take back my signature of Before week 1 as DBA" in client.get(where).content.decode()
    assert client.post(where, {"answer": key.answer(shown(client, where))}).status_code == 302
    assert not at(short, FINAL).open
    taken = Signature.objects.get(slot="dba").revocation
    assert verified(taken).state == "pass"
    entry = Entry.objects.get(kind="rollout.revoke")
    assert entry.content["passkey"] == taken.passkey
    assert entry.sentence == f"dba revoked the signature of Before week 1 as DBA (passkey): {why['why']}"
    assert "The final sign-off opens when every week before it is fully signed; Before week 1 is not yet." in lead_of(
        browser(viewer), short
    )


def test_a_slot_may_ask_for_a_passkey(lead: Person, qa: Person, dba: Person, browser: Browser) -> None:
    whole = current().playbook
    slots = tuple(replace(off, strength=Strength.PASSKEY) for off in whole.weeks[0].sign_offs)
    rollout = begin(replace(whole, weeks=(replace(whole.weeks[0], sign_offs=slots),)), lead, qa)
    answer = browser(dba).post(url(rollout, f"weeks/{WEEK}/sign/dba/"), {"decision": "approve"})
    assert answer.status_code == 403
    assert "Needs a passkey" in answer.content.decode()
    key = Passkey()
    key.enrol(dba)
    assert sign(browser(dba), rollout, "dba", key) == 302


def test_weeks_are_listed_in_the_order_of_the_plan(ready: Rollout, viewer: Person, browser: Browser) -> None:
    page = browser(viewer).get(url(ready, "sign-offs/")).content.decode()
    assert page.index(f'id="{WEEK}"') < page.index('id="week-1-2"') < page.index(f'id="{FINAL}"')
