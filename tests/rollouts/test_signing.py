"""Signatures by passkey over exact bytes, their proof without the portal, and everything that is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from threading import Barrier

import pytest
from allauth.mfa.models import Authenticator
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.assertion import AssertionInvalid, verify_assertion
from apps.accounts.models import Person, RoleGrant
from apps.accounts.roles import Role
from apps.ledger.keys import SigningKey
from apps.ledger.models import Entry
from apps.ledger.offline.verify import LOG, Bundle
from apps.playbook.plan import ItemKind
from apps.rollouts.models import Draft, Rollout, Signature, Tick, Waiver
from apps.rollouts.record_views import assertion_of, verified
from tests.authenticator import PRESENT, Passkey, challenge_in
from tests.people import PASSWORD, Browser, log_in, make_person
from tests.rollouts.conftest import WEEK, at, bundled, settle

REASON = "Only two of us are awake this month."


@pytest.fixture
def passkey(dba: Person) -> Passkey:
    """The DBA's."""
    made = Passkey()
    made.enrol(dba)
    return made


def url(rollout: Rollout, rest: str) -> str:
    return f"/rollouts/{rollout.pk}/{rest}"


def draw(client: Client, rollout: Rollout, slot: str, *, week: str = WEEK, **vote: str) -> str:
    """Vote; the address of the statement to sign."""
    answer = client.post(url(rollout, f"weeks/{week}/sign/{slot}/"), {"decision": "approve", "reason": ""} | vote)
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def shown(client: Client, where: str) -> bytes:
    """The digest that the page asks the passkey to sign."""
    return challenge_in(client.get(where).context["options"])


def sign(client: Client, rollout: Rollout, slot: str, passkey: Passkey | None = None, week: str = WEEK) -> int:
    where = draw(client, rollout, slot, week=week)
    given = {"answer": passkey.answer(shown(client, where))} if passkey else {"password": PASSWORD}
    return client.post(where, given).status_code


def refused(client: Client, where: str, answer: str, status: int = 422) -> str:
    """The answer is refused with this status and nothing was signed; what the page says."""
    response = client.post(where, {"answer": answer})
    assert response.status_code == status
    assert not Signature.objects.exists()
    assert not Entry.objects.filter(kind="rollout.sign").exists()
    return response.content.decode()


def test_the_passkey_signs_exactly_the_statement_that_was_shown(
    ready: Rollout, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    client = browser(dba)
    where = draw(client, ready, "dba", reason="Restored it myself.")
    page = client.get(where)
    said = page.context["exact"].encode()
    assert shown(client, where) == sha256(said).digest()
    text = page.content.decode()
    assert "I, Dba, sign Before week 1 of the rollout “Phase 2” on the tier paper as DBA. I approve it." in text
    assert "Restored it myself." in text
    answer = client.post(where, {"answer": passkey.answer(shown(client, where))})
    assert answer["Location"] == url(ready, f"weeks/{WEEK}/sign/dba/signed/")
    made = Signature.objects.get()
    assert bytes(made.statement) == said
    assert made.digest == sha256(said).hexdigest()
    assert json.loads(said)["attested_by"] == "authenticator"
    entry = Entry.objects.get(kind="rollout.sign")
    assert entry.content["passkey"] == made.passkey
    assert entry.content["statement"].encode() == said
    assert "(passkey)" in entry.sentence
    after = client.get(answer["Location"]).content.decode()
    assert "The week waits for:" in after
    assert "server-attested" not in after


def test_a_signature_verifies_without_the_portal_and_after_its_passkey_was_removed(
    ready: Rollout, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    assert sign(browser(dba), ready, "dba", passkey) == 302
    Authenticator.objects.all().delete()
    made = Signature.objects.get()
    page = browser(dba).get(url(ready, f"signatures/{made.pk}/")).content.decode()
    assert "Verifies: this passkey signed exactly these bytes" in page
    program = """
import json, sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("assertion", "apps/accounts/assertion.py")
module = sys.modules["assertion"] = module_from_spec(spec)
spec.loader.exec_module(module)
kept, said = json.load(sys.stdin)
names = ("credential_id", "public_key", "authenticator_data", "client_data", "signature")
made = module.Assertion(kept["rp_id"], kept["origin"], *(module.to_bytes(kept[name]) for name in names))
module.verify_assertion(made, said.encode())
assert not [name for name in sys.modules if name.partition(".")[0] in {"django", "apps", "fido2"}]
try:
    module.verify_assertion(made, said.encode() + b" ")
except module.AssertionInvalid as error:
    print(error)
"""
    told = json.dumps([made.passkey, bytes(made.statement).decode()])
    done = subprocess.run([sys.executable, "-c", program], input=told, capture_output=True, text=True, check=True)
    assert done.stdout == "the passkey signed other bytes than these\n"


def test_an_item_left_open_by_an_override_is_not_settled_once_the_week_is_signed(
    ready: Rollout, devops: Person, dba: Person, lead: Person, qa: Person, browser: Browser
) -> None:
    item = next(one for one in at(ready).week.items() if one.kind is ItemKind.ATTEST and not one.critical)
    Tick.objects.filter(item=item.slug).update(undone_at=timezone.now())
    told = {"scope": f"item:{item.slug}", "reason": "It is tried on Monday; nothing depends on it.", "length": "7d"}
    assert browser(devops).post(url(ready, f"weeks/{WEEK}/overrides/"), told).status_code == 302
    for who, slot in ((devops, "devops"), (dba, "dba"), (lead, "lead")):
        assert sign(browser(who), ready, slot) == 302
    assert at(ready).signed
    late = browser(qa).post(url(ready, f"weeks/{WEEK}/items/{item.slug}/tick/"), {"note": "Tried it now."})
    assert late.status_code == 409
    assert "A signer has to revoke first" in late.content.decode()
    assert at(ready).signed


def test_the_evidence_bundle_proves_it_and_says_what_only_the_server_attests(
    ready: Rollout, dba: Person, devops: Person, passkey: Passkey, browser: Browser, settings: Settings
) -> None:
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    sign(browser(dba), ready, "dba", passkey)
    sign(browser(devops), ready, "devops")
    report = Bundle(bundled(ready, at(ready).week)).verify()
    assert report.broken == []
    meaning = Signature.objects.get(slot="dba").meaning
    by_key = f"dba signed Before week 1 as DBA (passkey): approve. {meaning}"
    assert any(by_key in told and "made with a passkey over exactly this statement" in told for told in report.proved)
    assert any("devops signed" in told and "server-attested" in told for told in report.unproved)


def test_any_changed_byte_of_what_is_stored_breaks_the_proof(
    ready: Rollout, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    sign(browser(dba), ready, "dba", passkey)
    made = Signature.objects.get()
    said, kept = bytes(made.statement), assertion_of(made)
    verify_assertion(kept, said)
    for place in range(0, len(said), 97):
        with pytest.raises(AssertionInvalid, match="other bytes"):
            verify_assertion(kept, said[:place] + bytes([said[place] ^ 1]) + said[place + 1 :])
    assert made.passkey is not None
    for part in ("public_key", "authenticator_data", "client_data", "signature", "rp_id", "origin"):
        whole, half = made.passkey[part], len(made.passkey[part]) // 2
        made.passkey[part] = ("b" if whole[half] != "b" else "c").join((whole[:half], whole[half + 1 :]))
        assert verified(made).state == "fail", part
        made.passkey[part] = whole
    assert verified(made).state == "pass"


def test_other_bytes_another_site_and_an_unverified_person_are_refused_by_name(
    ready: Rollout, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    client = browser(dba)
    where = draw(client, ready, "dba")
    digest = shown(client, where)
    assert "signed other bytes" in refused(client, where, passkey.answer(sha256(b"another").digest()))
    assert "another site" in refused(client, where, passkey.answer(digest, rp_id="evil.example"))
    assert "evil.example" in refused(client, where, passkey.answer(digest, origin="https://evil.example"))
    assert "did not verify the person" in refused(client, where, passkey.answer(digest, flags=PRESENT))
    assert "not one of yours" in refused(client, where, Passkey().answer(digest))
    for nonsense in ("", "{", "[]", "{}", '{"id": 1}', "null", '"' * 30000):
        assert "no answer of a passkey" in refused(client, where, nonsense)
    wrong = json.loads(passkey.answer(digest))
    wrong["response"]["signature"] = json.loads(passkey.answer(b"x"))["response"]["signature"]
    assert "not of this key over these bytes" in refused(client, where, json.dumps(wrong))
    assert client.post(where, {"password": PASSWORD}).status_code == 422, "a password does not stand in for the passkey"
    assert client.post(where, {"answer": passkey.answer(digest)}).status_code == 302


def test_an_answer_serves_once_and_for_its_own_statement_only(
    ready: Rollout, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    client = browser(dba)
    first, second = draw(client, ready, "dba"), draw(client, ready, "dba")
    assert shown(client, first) != shown(client, second)
    answer = passkey.answer(shown(client, first))
    assert "signed other bytes" in refused(client, second, answer)
    assert client.post(first, {"answer": answer}).status_code == 302
    again = client.post(first, {"answer": answer})
    assert again.status_code == 409
    assert "signed already" in again.content.decode()
    assert Signature.objects.count() == 1


def test_a_counter_that_goes_back_is_refused_and_named(
    ready: Rollout, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    client = browser(dba)
    assert sign(client, ready, "dba", passkey) == 302
    signature = Signature.objects.get()
    assert signature.passkey is not None
    assert signature.passkey["sign_count"] == 1
    where = client.post(url(ready, f"weeks/{WEEK}/sign/dba/revoke/"), {"why": "I looked at the wrong replica."})[
        "Location"
    ]
    for step in (0, -1):
        page = client.post(where, {"answer": passkey.answer(shown(client, where), step=step)})
        assert page.status_code == 422
        assert "counter went back" in page.content.decode()
    assert not Signature.objects.exclude(revoked_at=None)


def test_a_statement_is_one_persons_and_five_minutes_old_at_most(
    ready: Rollout, dba: Person, lead: Person, passkey: Passkey, browser: Browser
) -> None:
    where = draw(browser(dba), ready, "dba")
    answer = passkey.answer(shown(browser(dba), where))
    assert browser(lead).get(where).status_code == 404
    assert browser(lead).post(where, {"answer": answer}).status_code == 404
    Draft.objects.update(at=timezone.now() - timedelta(minutes=5, seconds=1))
    assert "older than five minutes" in refused(browser(dba), where, answer, 409)


def test_a_role_lost_or_a_waiver_made_meanwhile_refuses(
    ready: Rollout, dba: Person, devops: Person, browser: Browser
) -> None:
    mine, theirs = draw(browser(dba), ready, "dba"), draw(browser(devops), ready, "devops")
    Waiver.objects.create(
        rollout=ready, by=dba, at=timezone.now(), why=REASON, statement=b"{}", digest="1" * 64, method="password"
    )
    assert browser(devops).post(theirs, {"password": PASSWORD}).status_code == 409
    RoleGrant.objects.filter(person=dba).update(role="devops")
    assert browser(dba).post(mine, {"password": PASSWORD}).status_code == 403
    assert not Signature.objects.exists()


def test_a_password_signature_is_labelled_wherever_it_shows(ready: Rollout, dba: Person, browser: Browser) -> None:
    client = browser(dba)
    assert sign(client, ready, "dba") == 302
    made = Signature.objects.get()
    assert made.said["attested_by"] == "server"
    for where in (f"weeks/{WEEK}/", f"weeks/{WEEK}/sign/dba/signed/", "sign-offs/", f"signatures/{made.pk}/"):
        assert "server-attested" in client.get(url(ready, where)).content.decode().lower(), where
    assert "server-attested" in Entry.objects.get(kind="rollout.sign").sentence


def test_signing_and_its_throttle_work_without_redis(
    ready: Rollout, dba: Person, devops: Person, passkey: Passkey, browser: Browser, settings: Settings
) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/1"}}
    assert sign(browser(dba), ready, "dba", passkey) == 302
    client = browser(devops)
    where = draw(client, ready, "devops")
    pages = [client.post(where, {"password": "guessed"}).content.decode() for _ in range(5)]
    assert "Too many wrong passwords. Nothing was changed." in pages[-1]
    assert client.post(where, {"password": PASSWORD}).status_code == 422
    assert Signature.objects.count() == 1


def test_where_only_passkeys_sign_a_password_does_not(
    ready: Rollout, dba: Person, browser: Browser, settings: Settings
) -> None:
    settings.SIGN_WITH = ["passkey"]
    client = browser(dba)
    answer = client.post(url(ready, f"weeks/{WEEK}/sign/dba/"), {"decision": "approve"})
    assert answer.status_code == 403
    assert "Needs a passkey" in answer.content.decode()
    made = Passkey()
    made.enrol(dba)
    assert sign(client, ready, "dba", made) == 302


def test_who_has_neither_password_nor_passkey_signs_nothing(ready: Rollout, dba: Person, browser: Browser) -> None:
    Person.objects.filter(pk=dba.pk).update(password="!unusable")
    client = browser(Person.objects.get(pk=dba.pk))
    assert client.post(url(ready, f"weeks/{WEEK}/sign/dba/"), {"decision": "approve"}).status_code == 403


def test_stale_shows_what_changed_in_words_and_is_signed_anew(
    ready: Rollout, qa: Person, dba: Person, passkey: Passkey, browser: Browser
) -> None:
    client = browser(dba)
    sign(client, ready, "dba", passkey)
    first = Signature.objects.get()
    item = next(at(ready).week.items())
    assert (
        browser(qa)
        .post(url(ready, f"weeks/{WEEK}/items/{item.slug}/undo/"), {"why": "It was another host."})
        .status_code
        == 302
    )
    browser(qa).post(url(ready, f"weeks/{WEEK}/issues/"), {"text": "<b>The restore took an hour longer.</b>"})
    page = client.get(url(ready, f"weeks/{WEEK}/")).content.decode()
    assert "2 changes since signing" in page
    changes = client.get(url(ready, f"signatures/{first.pk}/")).context["changes"]
    assert [(c.how.value, c.what) for c in changes] == [("removed", item.text), ("added", "Issue")]
    assert "&lt;b&gt;The restore took" in client.get(url(ready, f"signatures/{first.pk}/")).content.decode()
    settle(ready, qa, only=item.slug)
    assert sign(client, ready, "dba", passkey) == 302
    assert at(ready).slots[1].good
    entry = Entry.objects.filter(kind="rollout.sign").latest("seq")
    assert entry.content["replaces"]["digest"] == first.digest
    assert "does not stand any more" in client.get(url(ready, f"signatures/{first.pk}/")).content.decode()


def test_who_lost_the_role_meanwhile_waives_nothing(ready: Rollout, lead: Person, browser: Browser) -> None:
    where = browser(lead).post(url(ready, "sign-offs/waive/"), {"why": REASON})["Location"]
    RoleGrant.objects.filter(person=lead).update(role=Role.DBA)
    answer = browser(lead).post(where, {"password": PASSWORD})
    assert answer.status_code == 403
    assert "Your role no longer lets you decide this" in answer.content.decode()
    assert not Waiver.objects.exists()


def test_a_waiver_is_signed_with_a_reason_and_shows_wherever_somebody_signs(
    ready: Rollout, lead: Person, qa: Person, person: Callable[..., Person], browser: Browser
) -> None:
    both = person("both", [Role.DBA, Role.DEVOPS])
    assert sign(browser(both), ready, "dba") == 302
    assert browser(both).post(url(ready, f"weeks/{WEEK}/sign/devops/"), {"decision": "approve"}).status_code == 403
    assert browser(both).post(url(ready, "sign-offs/waive/"), {"why": REASON}).status_code == 403
    assert browser(lead).post(url(ready, "sign-offs/waive/"), {"why": "short"}).status_code == 422
    where = browser(lead).post(url(ready, "sign-offs/waive/"), {"why": REASON})["Location"]
    assert "I, Lead, waive the separation of duties" in browser(lead).get(where).content.decode()
    assert not Waiver.objects.exists()
    assert browser(lead).post(where, {"password": PASSWORD}).status_code == 302
    assert sign(browser(both), ready, "devops") == 302
    made = Signature.objects.get(slot="devops")
    assert made.waived
    assert made.said["waiver"]["why"] == REASON
    for place in (f"weeks/{WEEK}/", "weeks/week-1-2/", "sign-offs/", f"weeks/{WEEK}/sign/lead/"):
        assert REASON in browser(qa if "sign/" not in place else lead).get(url(ready, place)).content.decode(), place
    end = browser(lead).post(url(ready, "sign-offs/restore/"), {"why": "There are enough of us again."})["Location"]
    assert browser(lead).post(end, {"password": PASSWORD}).status_code == 302
    assert Waiver.objects.get().ended_by == lead
    assert at(ready).slots[0].good, "what was signed under the waiver stands"
    assert [e.kind for e in Entry.objects.filter(kind__in=["rollout.waive", "rollout.restore"]).order_by("seq")] == [
        "rollout.waive",
        "rollout.restore",
    ]


def test_fifty_people_sign_one_slot_at_once(transactional_db: None, ready: Rollout) -> None:
    people = [make_person(f"dba-{number}", [Role.DBA]) for number in range(50)]
    drawn = [(client := log_in(who), draw(client, ready, "dba")) for who in people]
    together = Barrier(len(drawn))

    def attempt(one: tuple[Client, str]) -> tuple[int, str]:
        client, where = one
        together.wait(30)
        try:
            answer = client.post(where, {"password": PASSWORD})
            return answer.status_code, answer.content.decode()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(drawn)) as pool:
        answers = list(pool.map(attempt, drawn))
    assert sorted(status for status, _page in answers) == [302] + [409] * 49
    by = str(Signature.objects.get().by)
    assert all(f"{by} signed this slot." in page for status, page in answers if status == 409)
    assert Entry.objects.filter(kind="rollout.sign").count() == 1
