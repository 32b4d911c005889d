"""A pinned playbook may name checks that a later version of the portal no longer has: its pages go on, and nothing passes for them."""

import pytest

from apps.accounts.models import Person
from apps.metrics.models import Tier
from apps.metrics.registry import checks
from apps.playbook.plan import ItemKind
from apps.rollouts.models import Rollout, Tick
from apps.rollouts.progress import progress
from apps.rollouts.start import start
from tests.people import Browser

PAGES = ("", "news/", "gathering/", "comparison/", "watch/", "rollback/", "amendment/")


@pytest.fixture
def orphaned(lead: Person, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """A rollout, every check of whose first week and of all baselines is gone."""
    rollout = start(Tier.objects.create(slug="paper", name="Paper"), "Phase 2", lead)
    weeks = [at.week for at in progress(rollout)]
    gone = {item.check for item in weeks[0].items()} | {metric.check for week in weeks for metric in week.baseline}
    for check_id in gone - {""}:
        monkeypatch.delitem(checks(), check_id)
    return rollout


def test_its_pages_are_served(orphaned: Rollout, qa: Person, browser: Browser) -> None:
    page = browser(qa)
    for at in progress(orphaned):
        for rest in PAGES:
            where = f"/rollouts/{orphaned.pk}/weeks/{at.week.slug}/{rest}"
            fine = {200, 204} if rest != "watch/" or at.week.watch else {404}
            assert page.get(where).status_code in fine, where
    for rest in ("", "criteria/", "sign-offs/", "timeline/"):
        assert page.get(f"/rollouts/{orphaned.pk}/{rest}").status_code == 200, rest


def test_an_item_is_not_ticked_and_says_why(orphaned: Rollout, qa: Person, browser: Browser) -> None:
    first = progress(orphaned)[0].week
    item = next(item for item in first.items() if item.kind is ItemKind.AUTO and item.check)
    answer = browser(qa).post(f"/rollouts/{orphaned.pk}/weeks/{first.slug}/items/{item.slug}/tick/")
    assert answer.status_code == 409
    assert f"this version of the portal has no check {item.check}" in answer.content.decode()
    assert not Tick.objects.exists()


def test_a_baseline_is_entered_by_a_person(orphaned: Rollout, devops: Person, browser: Browser) -> None:
    week = next(at.week for at in progress(orphaned) if at.week.baseline)
    page = browser(devops).get(f"/rollouts/{orphaned.pk}/weeks/{week.slug}/gathering/")
    assert page.context["entered"] == list(week.baseline)
