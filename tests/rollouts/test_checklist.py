"""Checklists with more than one person at them: critical items set aside by two, order where it counts, and what the other one did."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.utils import timezone

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.models import Tier
from apps.playbook.pin import bundle
from apps.playbook.plan import ItemKind, Mode
from apps.playbook.validate import current
from apps.rollouts.models import Outcome, Pin, Proposal, Rollout, Tick
from apps.rollouts.progress import progress
from tests.people import Browser

WEEK = "pre-rollout"
WHY = "The staging tier of this customer has none."
HTMX = {"HX-Request": "true"}


@pytest.fixture
def begun(lead: Person) -> Callable[[Mode], Rollout]:
    """Starts a rollout on a tier that is not polled, the first pause point of whose first week is gone through in a mode."""

    def begin(mode: Mode) -> Rollout:
        whole = current().playbook
        first, *others = whole.weeks
        kinds = (ItemKind.ATTEST, ItemKind.CHALLENGE)
        items = sorted((i for i in first.items() if i.kind in kinds), key=lambda i: (i.kind, not i.critical))
        pauses = (replace(first.pauses[0], items=tuple(items[:6]), mode=mode),)
        frozen = bundle(replace(whole, weeks=(replace(first, pauses=pauses), *others)))
        pin = Pin.objects.create(digest=frozen.digest, data=frozen.data, files=dict(frozen.files))
        tier = Tier.objects.create(slug="paper", name="Paper")
        return Rollout.objects.create(tier=tier, pin=pin, name="Phase 2", started_by=lead, started_at=timezone.now())

    return begin


def slugs(rollout: Rollout) -> list[str]:
    """The items of the first week; the first one is critical."""
    items = list(progress(rollout)[0].week.items())
    assert items[0].critical
    return [item.slug for item in items]


def url(rollout: Rollout, rest: str) -> str:
    return f"/rollouts/{rollout.pk}/weeks/{WEEK}/{rest}"


def test_a_critical_item_is_set_aside_by_two_people(
    begun: Callable[[Mode], Rollout], qa: Person, dba: Person, viewer: Person, browser: Browser
) -> None:
    rollout = begun(Mode.DO_CONFIRM)
    where = url(rollout, f"items/{slugs(rollout)[0]}/")
    told = {"not_applicable": "on", "note": WHY}
    assert browser(qa).post(where + "tick/", told | {"note": "no"}).status_code == 422
    assert browser(qa).post(where + "tick/", told).status_code == 302
    assert not Tick.objects.exists(), "one person alone settles nothing"
    assert WHY in browser(dba).get(url(rollout, "")).content.decode()
    assert browser(viewer).post(where + "agree/").status_code == 403
    assert browser(qa).post(where + "agree/").status_code == 409
    refused = browser(dba).post(where + "tick/", {"note": "I saw it."})
    assert refused.status_code == 409
    assert "Qa proposes" in refused.content.decode()
    assert not Tick.objects.exists()
    assert browser(dba).post(where + "agree/").status_code == 302
    tick = Tick.objects.get()
    assert (tick.outcome, tick.proposed_by, tick.by, tick.note) == (Outcome.NOT_APPLICABLE, qa, dba, WHY)
    assert "Proposed by Qa, agreed by Dba." in browser(viewer).get(url(rollout, "")).content.decode()
    assert browser(dba).post(where + "agree/").status_code == 409
    told_by = {e.kind: bytes(e.body).decode() for e in Entry.objects.filter(subject__endswith=slugs(rollout)[0])}
    assert told_by.keys() == {"rollout.propose", "rollout.tick"}
    assert all(name in told_by["rollout.tick"] for name in ('"proposed_by":"qa"', tick.digest))


def test_a_declined_proposal_leaves_the_item_open(
    begun: Callable[[Mode], Rollout], qa: Person, dba: Person, browser: Browser
) -> None:
    rollout = begun(Mode.DO_CONFIRM)
    where = url(rollout, f"items/{slugs(rollout)[0]}/")
    browser(qa).post(where + "tick/", {"not_applicable": "on", "note": WHY})
    assert browser(dba).post(where + "decline/").status_code == 302
    assert browser(qa).post(where + "decline/").status_code == 409
    kept = Proposal.objects.get()
    assert (kept.agreed, kept.settled_by) == (False, dba)
    assert Entry.objects.filter(kind="rollout.decline").count() == 1
    assert browser(dba).post(where + "tick/", {"note": "I saw it."}).status_code == 302


def test_read_do_is_settled_one_at_a_time_and_in_order(
    begun: Callable[[Mode], Rollout], qa: Person, browser: Browser
) -> None:
    rollout = begun(Mode.READ_DO)
    first, second, *_rest = slugs(rollout)
    page = browser(qa).get(url(rollout, "")).content.decode()
    assert "read and do, one at a time" in page
    assert url(rollout, f"items/{first}/tick/") in page
    assert url(rollout, f"items/{second}/tick/") not in page
    early = browser(qa).post(url(rollout, f"items/{second}/tick/"), {"note": "I saw it."})
    assert early.status_code == 409
    assert "in their order" in early.content.decode()
    assert not Tick.objects.exists()
    seen = browser(qa).get(url(rollout, "")).context["seen"]
    done = browser(qa).post(url(rollout, f"items/{first}/tick/"), {"note": "Seen.", "seen": seen}, headers=HTMX)
    assert url(rollout, f"items/{second}/tick/") in done.content.decode(), "the next one opens with the answer"


def test_what_somebody_else_did_is_sent_and_nothing_else(
    begun: Callable[[Mode], Rollout], qa: Person, dba: Person, viewer: Person, browser: Browser
) -> None:
    rollout = begun(Mode.DO_CONFIRM)
    first, second, third, *_rest = slugs(rollout)
    seen = browser(dba).get(url(rollout, "")).context["seen"]
    assert browser(dba).get(url(rollout, "news/"), {"seen": seen}).status_code == 204
    browser(qa).post(url(rollout, f"items/{first}/tick/"), {"note": "Seen by QA."})
    news = browser(viewer).get(url(rollout, "news/"), {"seen": seen}).content.decode()
    assert "Seen by QA." in news
    assert f'id="item-{first}"' in news
    assert f'id="item-{second}"' not in news
    answer = browser(dba).post(url(rollout, f"items/{third}/tick/"), {"note": "Mine.", "seen": seen}, headers=HTMX)
    told = answer.content.decode()
    assert told.count(f'id="item-{third}"') == 1
    assert "Seen by QA." in told, "who acts learns at once what the other one did"
    seen = browser(dba).get(url(rollout, "")).context["seen"]
    browser(qa).post(url(rollout, f"items/{first}/undo/"), {"why": "It was the wrong cluster."})
    news = browser(dba).get(url(rollout, "news/"), {"seen": seen}).content.decode()
    assert f'id="item-{first}"' in news
    assert "Seen by QA." not in news
    for hostile in ("", "t999999999999999999.p-1", "x" * 500):
        assert browser(dba).get(url(rollout, "news/"), {"seen": hostile}).status_code == 200
