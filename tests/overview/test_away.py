"""Since you were away: told once after a long absence, until it is put aside; nobody else's look changes it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.models import Alert, Node, Tier
from apps.overview.models import Visit
from tests.people import Browser


@pytest.fixture
def tier(db: None) -> Tier:
    found = Tier.objects.create(slug="lab", name="Lab")
    Node.objects.create(tier=found, name="primary", kind="postgres", role="primary", address="postgresql://x@h/d")
    return found


def happened(tier: Tier) -> None:
    """An alert opened and stayed; somebody deployed."""
    at = timezone.now() - timedelta(minutes=5)
    Alert.objects.create(
        tier=tier, node=Node.objects.get(), check_id="node.up", state="fail", opened_at=at, updated_at=at
    )
    with transaction.atomic():
        append(
            kind="rollout.deploy", subject="rollout/1", actor="mateo", body={"what": "41", "week": "Week 7"}, tier="lab"
        )


def was_here(person: Person, tier: Tier, before: timedelta) -> None:
    Visit.objects.update_or_create(person=person, tier=tier, defaults={"seen_at": timezone.now() - before})


def test_who_was_away_is_told_what_happened_until_it_is_put_aside(
    tier: Tier, lead: Person, dba: Person, browser: Browser
) -> None:
    client = browser(lead)
    assert "Since you were away" not in client.get("/").content.decode(), "a first visit is no absence"
    was_here(lead, tier, timedelta(hours=8))
    happened(tier)
    for _ in range(2):
        page = client.get("/").content.decode()
        assert "Since you were away" in page
        assert "1 alert opened, 0 closed, 0 taken by others" in " ".join(page.split())
        assert "on primary is still open" in page
        assert "mateo deployed 41 in Week 7." in page
    assert "Since you were away" not in browser(dba).get("/").content.decode()
    client.post("/t/lab/away/dismiss/")
    assert "Since you were away" not in client.get("/").content.decode()


def test_what_ended_and_what_others_took_meanwhile_is_counted_and_ones_own_is_not(
    tier: Tier, lead: Person, dba: Person, browser: Browser
) -> None:
    was_here(lead, tier, timedelta(hours=8))
    now = timezone.now()
    lately, before = now - timedelta(minutes=5), now - timedelta(days=1)
    for of, by, closed in (("a", dba, lately), ("b", lead, None), ("c", None, lately), ("d", None, before)):
        Alert.objects.create(
            tier=tier, node=Node.objects.get(), check_id="node.up", object=of, state="fail",
            opened_at=before - timedelta(days=1), updated_at=lately, closed_at=closed,
            acknowledged_by=by, acknowledged_at=lately if by else None, note="on it" if by else "",
        )  # fmt: skip
    elsewhere = Tier.objects.create(slug="staging", name="Staging")
    Alert.objects.create(
        tier=elsewhere, check_id="node.up", state="fail", opened_at=lately, updated_at=lately, closed_at=lately
    )
    with transaction.atomic():
        for actor, of in (("lead", "lab"), ("mateo", "staging")):
            body = {"what": "41", "week": "Week 7"}
            append(kind="rollout.deploy", subject="rollout/1", actor=actor, body=body, tier=of)
    page = " ".join(browser(lead).get("/").content.decode().split())
    assert "0 alerts opened, 2 closed, 1 taken by others" in page
    assert "deployed 41" not in page


def test_a_short_absence_and_an_eventless_one_are_not_told(tier: Tier, lead: Person, browser: Browser) -> None:
    was_here(lead, tier, timedelta(hours=8))
    assert "Since you were away" not in browser(lead).get("/").content.decode()
    happened(tier)
    was_here(lead, tier, timedelta(minutes=10))
    Visit.objects.update(away_from=None)
    assert "Since you were away" not in browser(lead).get("/").content.decode()


def test_two_absences_that_were_not_read_are_told_as_one(tier: Tier, lead: Person, browser: Browser) -> None:
    was_here(lead, tier, timedelta(hours=8))
    happened(tier)
    browser(lead).get("/")
    began = Visit.objects.get().away_from
    was_here(lead, tier, timedelta(hours=1))
    browser(lead).get("/")
    assert Visit.objects.get().away_from == began
