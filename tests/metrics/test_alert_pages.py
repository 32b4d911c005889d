"""Alerts on their pages: who sees them, who may take one, what is recorded; and the catalogue of what is judged."""

import csv
import html
import io
import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.ledger.models import Entry
from apps.metrics.catalogue import Wanted, rooms
from apps.metrics.kernel import State, Verdict
from apps.metrics.models import Alert, Tier
from apps.metrics.registry import checks
from apps.metrics.thresholds import change
from tests.people import Browser, MakePerson


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier without nodes."""
    return Tier.objects.create(slug="lab", name="Lab")


@pytest.fixture
def alert(tier: Tier) -> Alert:
    """An open alert of the tier as a whole."""
    now = timezone.now()
    check = checks()["portal.missed_slots"]
    return Alert.objects.create(
        tier=tier, check_id=check.id, state="fail", value=12, threshold=check.fail, opened_at=now, updated_at=now
    )


def take(client: Client, alert: Alert, note: str = "looking into it") -> int:
    return client.post(f"/alerts/{alert.pk}/acknowledge/", {"note": note}).status_code


def test_an_open_alert_stands_first_and_is_counted_in_the_rail(alert: Alert, browser: Browser, viewer: Person) -> None:
    page = browser(viewer).get("/alerts/").content.decode()
    assert "One alert is open" in page
    assert checks()[alert.check_id].title in page
    assert '<span class="count">1<span class="unseen"> open</span></span>' in page


def test_on_call_takes_an_alert_and_the_ledger_says_so(alert: Alert, browser: Browser, on_call: Person) -> None:
    assert take(browser(on_call), alert) == 302
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note, alert.closed_at) == (on_call, "looking into it", None)
    entry = Entry.objects.get(kind="alert.acknowledge")
    assert (entry.actor, entry.tier, json.loads(bytes(entry.body))["note"]) == ("on-call", "lab", "looking into it")
    assert "Taken by On Call" in browser(on_call).get(f"/alerts/{alert.pk}/").content.decode()


def test_an_empty_note_is_refused_and_changes_nothing(alert: Alert, browser: Browser, on_call: Person) -> None:
    assert take(browser(on_call), alert, note="  ") == 400
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
    assert not Entry.objects.exists()


def test_a_taken_alert_cannot_be_taken_again(alert: Alert, browser: Browser, on_call: Person, dba: Person) -> None:
    take(browser(on_call), alert)
    take(browser(dba), alert, note="me too")
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note) == (on_call, "looking into it")
    assert Entry.objects.count() == 1


def test_a_viewer_is_refused_and_sees_no_button(alert: Alert, browser: Browser, viewer: Person) -> None:
    assert take(browser(viewer), alert) == 403
    assert "<textarea" not in browser(viewer).get(f"/alerts/{alert.pk}/").content.decode()
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_an_alert_of_another_tier_does_not_exist(alert: Alert, browser: Browser, person: MakePerson) -> None:
    elsewhere = browser(person("eve", [Role.ON_CALL], tier_slug="staging"))
    assert take(elsewhere, alert) == 404
    assert elsewhere.get(f"/alerts/{alert.pk}/").status_code == 404
    assert elsewhere.get("/alerts/999999/").status_code == 404


def test_a_note_is_text_wherever_it_is_shown(alert: Alert, browser: Browser, on_call: Person) -> None:
    take(browser(on_call), alert, note="<script>alert(1)</script>")
    assert "<script>alert(1)" not in browser(on_call).get(f"/alerts/{alert.pk}/").content.decode()


def test_the_catalogue_has_a_line_for_every_check_that_leads_to_its_own_page(
    tier: Tier, browser: Browser, viewer: Person
) -> None:
    client = browser(viewer)
    page = client.get("/catalogue/checks/").content.decode()
    assert page.count("<tr id=") == len(checks())
    for check in checks().values():
        assert f'<tr id="{check.id}"' in page
        assert f'href="/t/{tier.slug}/checks/{check.id}/"' in page
    own = client.get("/catalogue/checks/queries.p95/", follow=True)
    assert own.redirect_chain == [(f"/t/{tier.slug}/checks/queries.p95/", 302)]
    declared, shown = checks()["queries.p95"], html.unescape(own.content.decode())
    for text in (declared.meaning, declared.remedy, "How do we know?", "Stale after"):
        assert text in shown
    assert client.get("/catalogue/checks/queries.none/").status_code == 404
    assert "Answering: fails when it says no" in client.get("/catalogue/checks/node.up/", follow=True).content.decode()


def test_a_check_has_a_page_before_there_is_a_tier(db: None, browser: Browser, viewer: Person) -> None:
    page = browser(viewer).get("/catalogue/checks/queries.p95/").content.decode()
    assert html.escape(checks()["queries.p95"].remedy) in page
    assert 'href="/catalogue/checks/queries.p95/"' in browser(viewer).get("/catalogue/checks/").content.decode()


def listed(client: Client, query: str) -> set[str]:
    return set(re.findall('<tr id="([^"]+)"', client.get(f"/catalogue/checks/?{query}").content.decode()))


def test_the_catalogue_is_filtered_by_room_words_and_how_a_check_stands(
    tier: Tier, browser: Browser, viewer: Person
) -> None:
    client, known = browser(viewer), set(checks())
    assert listed(client, "") == listed(client, f"tier={tier.slug}&room=&state=&text=") == known
    assert listed(client, "room=pools") == {name for name in known if name.startswith("pools.")}
    assert "pools.utilisation" in listed(client, "text=POOLS+utilisation")
    assert listed(client, "text=no-such-word-anywhere") == set()
    assert "No check matches" in client.get("/catalogue/checks/?text=no-such-word-anywhere").content.decode()
    assert listed(client, "state=none") == known
    assert listed(client, "state=fail") == set()
    assert client.get("/catalogue/checks/?room=cellar").status_code == 400
    assert client.get("/catalogue/checks/?state=<b>").content.decode().count("<b>") == 0


def test_the_catalogue_comes_as_files_of_what_is_looked_for(tier: Tier, browser: Browser, viewer: Person) -> None:
    client = browser(viewer)
    change(tier, checks()["pools.utilisation"], None, (0.5, 0.7), "as agreed", viewer)
    for query in ("", "room=pools&text=utilisation"):
        page = client.get(f"/catalogue/checks/?{query}").content.decode()
        as_csv, as_json = (html.unescape(link) for link in re.findall(r'href="(\?[^"]*form=[a-z]+)" download', page))
        answer = client.get(f"/catalogue/checks/{as_csv}")
        assert answer["Content-Disposition"] == 'attachment; filename="lab-checks.csv"'
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))}
        assert set(rows) == listed(client, query)
        assert [row["id"] for row in client.get(f"/catalogue/checks/{as_json}").json()["rows"]] == list(rows)
        found, declared = rows["pools.utilisation"], checks()["pools.utilisation"]
        assert (found["warn"], found["fail"], found["state"], found["remedy"]) == ("0.5", "0.7", "", declared.remedy)
    assert client.get("/catalogue/checks/?room=cellar&form=csv").status_code == 400


def test_a_check_stands_as_the_worst_of_its_nodes() -> None:
    some = {name: checks()[name] for name in ("queries.p95", "pools.utilisation")}
    said = [
        Verdict("queries.p95", node, "", 1.0, state, None) for node, state in (("a", State.PASS), ("b", State.FAIL))
    ]
    for state, found in (("fail", "queries.p95"), ("bad", "queries.p95"), ("pass", ""), ("none", "pools.utilisation")):
        assert "".join(line.check.id for room in rooms(some, said, Wanted(state=state)) for line in room.lines) == found


@pytest.mark.parametrize("url", ["/alerts/", "/catalogue/checks/"])
def test_a_person_without_a_role_on_any_tier_gets_no_page(url: str, browser: Browser, stranger: Person) -> None:
    assert browser(stranger).get(url).status_code == 403


def test_an_unknown_address_is_answered_in_the_portals_words_to_everybody(
    db: None, browser: Browser, viewer: Person
) -> None:
    for client in (Client(), browser(viewer)):
        answer = client.get("/nowhere/")
        assert answer.status_code == 404
        assert "There is nothing at this address" in answer.content.decode()


def test_a_form_without_its_token_is_refused_in_words(alert: Alert, on_call: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(on_call, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(f"/alerts/{alert.pk}/acknowledge/", {"note": "x"})
    assert answer.status_code == 403
    assert "This form was not accepted" in answer.content.decode()
