"""A decision tree walks itself as far as something is measured, and asks for the rest; what people answered is kept and on the record."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.kernel import State, Verdict
from apps.metrics.models import Tier
from apps.metrics.registry import checks
from apps.playbook.guides import Finding
from apps.playbook.validate import current
from apps.runbooks.models import Walk, WalkAnswer
from apps.runbooks.walking import Path, Reading, walk
from tests.conftest import Inject, Until
from tests.people import Browser, MakePerson
from tests.watch import Watch

TREE = "/trees/something-wrong/"
Judged = dict[str, tuple[State, ...]]


@pytest.fixture
def paper(db: None) -> Tier:
    """A tier of which nothing was ever measured."""
    return Tier.objects.create(slug="paper", name="Paper")


def walked(said: Judged) -> Path:
    """The path through something-wrong when the checks say this."""

    def read(name: str) -> Reading:
        found = [Verdict(name, "node", "", 1.0, state, datetime.now(UTC)) for state in said.get(name, ())]
        return Reading(checks()[name], found)

    return walk(current().playbook.tree("something-wrong"), {}, read)


def test_checks_answer_as_far_as_they_can() -> None:
    slow: Judged = {"app.up": (State.PASS,), "queries.primary_up": (State.PASS,), "queries.p95": (State.FAIL,)}
    path = walked(slow | {"cache.hit_rate": (State.PASS,), "replicas.replay_lag": (State.PASS, State.WARN)})
    assert path.ended
    assert path.here.runbooks == ("RB-1", "RB-22")
    assert [step.look for step in path.steps] == ["pass", "pass", "fail", "pass", "warn"]
    evidence = path.evidence()
    assert evidence[-2]["answer"] == "They lag"
    assert evidence[-2]["measured"]


@pytest.mark.parametrize(
    ("states", "finding"),
    [
        ((State.PASS, State.PASS), Finding.GOOD),
        ((State.PASS, State.FAIL, State.NO_DATA), Finding.BAD),
        ((State.PASS, State.NO_DATA), None),
        ((State.ERROR,), None),
        ((State.INCONCLUSIVE, State.PASS), None),
        ((), None),
    ],
)
def test_what_is_not_known_is_no_answer(states: tuple[State, ...], finding: Finding | None) -> None:
    path = walked({"app.up": states})
    if finding is not None:
        assert path.steps[0].branch.finding is finding
        return
    assert path.here.slug == "application"
    assert path.reading is not None
    assert path.reading.cannot_tell
    assert path.reading.state is not State.PASS


def test_an_unmeasured_tier_is_asked_of_people_and_their_answers_are_kept(
    paper: Tier, on_call: Person, viewer: Person, dba: Person, browser: Browser
) -> None:
    page = browser(viewer).get(TREE, {"tier": "paper"}).content.decode()
    assert "Cannot tell from" in page
    assert "It does not answer" in page
    assert 'name="then"' not in page, "a viewer reads along"
    assert browser(viewer).post(TREE + "begin/paper/").status_code == 403
    begun = browser(on_call).post(
        TREE + "begin/paper/", {"node": "application", "then": "health", "note": "<b>502</b>"}
    )
    where = begun["Location"]
    browser(dba).post(where + "answer/", {"node": "health", "then": "database"})
    page = browser(viewer).get(where).content.decode()
    assert "<h1>Does the primary answer?</h1>" in page
    assert "&lt;b&gt;502&lt;/b&gt;" in page
    assert "Dba" in page
    entries = list(Entry.objects.filter(kind="walk.answer").order_by("seq"))
    assert [(e.actor, e.tier) for e in entries] == [("on-call", "paper"), ("dba", "paper")]
    assert json.loads(bytes(entries[1].body))["evidence"][0]["note"] == "<b>502</b>"


def test_a_way_is_gone_differently_and_an_answer_taken_back(paper: Tier, dba: Person, browser: Browser) -> None:
    client = browser(dba)
    where = client.post(TREE + "begin/paper/", {"node": "application", "then": "health"})["Location"]
    reopened = client.get(where, {"at": "application"}).content.decode()
    assert "<h1>Does the application answer?</h1>" in reopened
    client.post(where + "answer/", {"node": "application", "then": "database"})
    assert "<h1>Does the primary answer?</h1>" in client.get(where).content.decode()
    client.post(where + "answer/", {"node": "application", "then": ""})
    assert "<h1>Does the application answer?</h1>" in client.get(where).content.decode()
    assert WalkAnswer.objects.count() == 3, "nothing is overwritten"


def test_a_question_that_the_walk_does_not_lead_to_is_not_answered(paper: Tier, dba: Person, browser: Browser) -> None:
    client, tree = browser(dba), current().playbook.tree("something-wrong")
    where = client.post(TREE + "begin/paper/")["Location"]
    far = next(n for n in tree.nodes if n.branches and n.slug not in {"application", "health", "database"})
    answer = client.post(where + "answer/", {"node": far.slug, "then": far.branches[0].then})
    assert answer.status_code == 409
    assert "does not lead to" in answer.content.decode()
    assert not WalkAnswer.objects.exists()


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("kept", [{"slug": "something-wrong", "questions": []}, {}, [], "a tree", {"nodes": [3]}])
def test_a_walk_of_another_version_says_so_and_stays_as_it_is(
    paper: Tier, dba: Person, browser: Browser, kept: object, *, ended: bool
) -> None:
    client = browser(dba)
    where = client.post(TREE + "begin/paper/")["Location"]
    Walk.objects.update(definition=kept, ended_at=timezone.now() if ended else None, ended_by=dba if ended else None)
    page = client.get(where)
    assert page.status_code == 409
    assert "kept by another version" in page.content.decode()
    assert client.post(where + "answer/", {"node": "application", "then": "health"}).status_code == 409
    assert client.post(where + "end/", {"outcome": "helped"}).status_code == 409
    assert not WalkAnswer.objects.exists()
    assert Walk.objects.get().outcome == ""


@pytest.mark.django_db(transaction=True)
def test_an_end_keeps_what_somebody_else_answers_meanwhile(
    transactional_db: None, paper: Tier, dba: Person, on_call: Person, browser: Browser, until: Until
) -> None:
    first, other = browser(dba), browser(on_call)
    where = first.post(TREE + "begin/paper/", {"node": "application", "then": "health"})["Location"]
    ended: list[int] = []

    def end() -> None:
        ended.append(first.post(where + "end/", {"outcome": "helped"}).status_code)
        connection.close()

    with transaction.atomic():
        Walk.objects.select_for_update().get()  # as who answers holds it
        ending = Thread(target=end)
        ending.start()
        until(somebody_waits, 30)
        assert other.post(where + "answer/", {"node": "health", "then": "database", "note": "503"}).status_code == 302
    ending.join()
    assert ended == [302]
    (_application, health, here) = Walk.objects.get().evidence
    assert (health["by"], health["note"], here["node"]) == ("on-call", "503", "database")


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_what_makes_no_sense_changes_nothing(paper: Tier, dba: Person, browser: Browser) -> None:
    client = browser(dba)
    for wrong in ({"node": "application", "then": "nowhere"}, {"node": "no-such"}, {"node": "a b", "then": "health"}):
        assert client.post(TREE + "begin/paper/", wrong).status_code == 422
    assert not Walk.objects.exists()
    unknown = client.get("/trees/no-such/", {"tier": "paper"})
    assert unknown.status_code == 404
    assert "Something is wrong" in unknown.content.decode(), "those there are"
    where = client.post(TREE + "begin/paper/")["Location"]
    refused = client.post(where + "end/", {"outcome": "handed-over", "note": ""})
    assert refused.status_code == 422
    assert "Say whom you told" in refused.content.decode()
    assert Walk.objects.get().ended_at is None


def test_a_walk_is_handed_over_with_what_it_gathered(
    paper: Tier, on_call: Person, person: MakePerson, browser: Browser
) -> None:
    person("kim", ["dba"], tier_slug="paper", phone="+49 30 22")
    client = browser(on_call)
    where = client.post(TREE + "begin/paper/", {"node": "application", "then": "health"})["Location"]
    assert "+49 30 22" in client.get(where).content.decode()
    assert client.post(where + "end/", {"outcome": "handed-over", "note": "Told Kim."}).status_code == 302
    page = client.get(where).content.decode()
    assert "Handed over by On Call" in page
    assert "It does not answer" in page
    assert client.get(where, headers={"HX-Request": "true"})["HX-Refresh"] == "true", "an open page learns of it"
    again = client.post(where + "end/", {"outcome": "helped"})
    assert again.status_code == 409
    assert "Begin another one" in again.content.decode()
    assert Entry.objects.filter(kind="walk.end").count() == 1


def test_strangers_see_no_walk(paper: Tier, dba: Person, person: MakePerson, browser: Browser) -> None:
    where = browser(dba).post(TREE + "begin/paper/")["Location"]
    other = person("other", ["dba"], tier_slug="elsewhere")
    assert browser(other).get(where).status_code == 404
    assert browser(other).post(where + "answer/", {"node": "application", "then": "health"}).status_code == 404


def test_a_tier_that_is_down_is_walked_by_what_is_known(
    watch: Watch,
    viewer: Person,
    browser: Browser,
    fault: Inject,
    django_assert_max_num_queries: Callable[..., AbstractContextManager[object]],
) -> None:
    fault("stop-primary")
    watch.turns("queries.primary_up", State.FAIL)
    client = browser(viewer)
    page = client.get(TREE, {"tier": "lab", "at": "database"}).content.decode()
    assert "How do we know?" in page
    live = {"HX-Request": "true"}
    with django_assert_max_num_queries(9):
        shown = client.get(TREE, {"tier": "lab"}, headers=live).content.decode()
    told = shown[shown.index('id="bad"') :].partition("</ul>")[0]
    assert "Primary reachable" not in told, "it is asked about on the way"
    assert re.search(r"state-fail.*lab-primary", told, re.DOTALL), "whatever else fails is not walked past"
    version = shown[shown.index("version=") + 8 :].split('"')[0]
    assert client.get(TREE, {"tier": "lab", "version": version}, headers=live).status_code == 204
    asked = shown[shown.index("asked=") + 6 :].split("&")[0]
    kept = client.get(TREE, {"tier": "lab", "asked": asked}, headers=live).content.decode()
    assert 'id="ask"' in shown
    assert 'id="ask"' not in kept, "what somebody is typing stays"


def test_every_page_leads_to_the_tree_of_its_tier(paper: Tier, viewer: Person, browser: Browser) -> None:
    page = browser(viewer).get("/ledger/").content.decode()
    assert page.count('href="/trees/something-wrong/?tier=paper"') == 2
    assert browser(viewer).get("/trees/").status_code == 200
