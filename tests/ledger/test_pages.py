"""The ledger's pages: what a person finds, page by page, and that nothing recorded can harm who reads it."""

import csv
import io
import json

import pytest
from django.test import Client

from apps.accounts.models import Person
from apps.ledger.leaf import canonical
from apps.ledger.models import Entry
from tests.ledger.test_chain import note
from tests.people import Browser, MakePerson

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 }}{actor.__class__}"


@pytest.fixture
def page(viewer: Person, browser: Browser) -> Client:
    return browser(viewer)


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def test_an_entry_reads_as_a_sentence_and_opens_to_its_exact_bytes(page: Client) -> None:
    entry = note("a checklist")
    assert "ann noted a checklist." in text(page, "/ledger/")
    shown = text(page, f"/ledger/{entry.seq}/")
    assert "{&quot;what&quot;:&quot;a checklist&quot;}" in shown
    assert bytes(entry.hash).hex() in shown
    assert "exactly what was recorded" in shown


def test_hostile_words_are_shown_and_do_nothing(page: Client) -> None:
    entry = note(HOSTILE, subject=HOSTILE, actor="<b>eve</b>", tier="")
    for url in ("/ledger/", f"/ledger/{entry.seq}/", "/ledger/?text=%3Cscript%3E"):
        shown = text(page, url)
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert "<b>eve" not in shown
        assert "{actor.__class__}" in shown


def test_filters_find_by_who_what_and_words(page: Client) -> None:
    note("early-word", actor="ann")
    note("later-word <&> é", actor="bob", subject="rollout/1/week")
    assert "later-word" not in text(page, "/ledger/?actor=ann")
    assert "early-word" not in text(page, "/ledger/?text=ROLLOUT/1")
    assert "early-word" not in text(page, "/ledger/?text=%3C%26%3E+%C3%A9")
    assert "No entry matches" in text(page, "/ledger/?kind=people.grant&actor=ann")
    assert "No entry matches" in text(page, "/ledger/?until=2020-01-01T00:00")
    assert "early-word" in text(page, "/ledger/?since=2020-01-01T00:00")


@pytest.mark.parametrize(
    "query",
    [
        "kind=nonsense",
        "since=yesterday",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-12:00",
        "before=minus",
        "before=99999999999999999999",
        "text=%00",
    ],
)
def test_a_filter_that_makes_no_sense_is_explained(page: Client, query: str) -> None:
    assert page.get(f"/ledger/?{query}").status_code == 400
    assert page.get(f"/ledger/export.csv?{query}").status_code == 400


@pytest.mark.parametrize("zone", ["%2B23:59", "-23:59"])
def test_a_moment_may_be_of_any_zone(page: Client, zone: str) -> None:
    """PostgreSQL knows none that is 16 hours away."""
    note("early-word")
    assert "early-word" in text(page, f"/ledger/?since=2020-01-01T00:00:00{zone}")
    assert b"early-word" in page.get(f"/ledger/export.csv?since=2020-01-01T00:00:00{zone}").getvalue()
    assert json.loads(page.get(f"/ledger/export.json?until=2020-01-01T00:00:00{zone}").getvalue()) == []


def test_older_entries_are_a_page_away_and_none_is_shown_twice(page: Client) -> None:
    for number in range(60):
        note(f"number-{number:02}")
    newest = text(page, "/ledger/?actor=ann")
    assert "number-59" in newest
    assert "number-09" not in newest
    older = Entry.objects.filter(actor="ann").order_by("-seq")[49].seq
    assert f"actor=ann&amp;before={older}" in newest
    second = text(page, f"/ledger/?actor=ann&before={older}")
    assert "number-09" in second
    assert "number-10" not in second


def test_exports_hold_what_the_filter_finds(page: Client) -> None:
    note("kept", actor="ann")
    note("left out", actor="bob")
    rows = list(csv.DictReader(io.StringIO(page.get("/ledger/export.csv?actor=ann").getvalue().decode())))
    assert [row["in_words"] for row in rows] == ["ann noted kept."]
    answer = json.loads(page.get("/ledger/export.json?actor=ann").getvalue())
    assert [entry["body"] for entry in answer] == [{"what": "kept"}]
    entry = Entry.objects.get(seq=answer[0]["seq"])
    assert canonical(answer[0]["body"]) == bytes(entry.body)
    assert answer[0]["hash"] == bytes(entry.hash).hex()
    assert page.get("/ledger/export.xml").status_code == 404


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "\r=1"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(page: Client, cell: str) -> None:
    note("x", actor=f"{cell}", subject="formula")
    rows = list(
        csv.DictReader(io.StringIO(page.get("/ledger/export.csv?text=formula").getvalue().decode(), newline=""))
    )
    assert rows[0]["actor"] == f"'{cell}"


def test_the_empty_export_is_still_a_file(page: Client) -> None:
    assert json.loads(page.get("/ledger/export.json?actor=nobody").getvalue()) == []


def test_who_sees_one_tier_sees_its_records_and_those_of_the_portal(person: MakePerson, browser: Browser) -> None:
    own, other, portal = note("own", tier="staging"), note("other", tier="production"), note("portal", tier="")
    client = browser(person("ann", ["viewer"], tier_slug="staging"))
    shown = text(client, "/ledger/")
    assert "noted own" in shown
    assert "noted portal" in shown
    assert "noted other" not in shown
    assert client.get(f"/ledger/{other.seq}/").status_code == 404
    assert client.get(f"/ledger/{own.seq}/").status_code == 200
    assert client.get(f"/ledger/{portal.seq}/").status_code == 200
    assert b"production" not in client.get("/ledger/export.csv").getvalue()


def test_an_entry_that_is_not_there_is_not_found(page: Client) -> None:
    assert page.get("/ledger/999999/").status_code == 404
