"""A badge leads somewhere: a runbook's place, owner and time, what names it, and that it cannot be run yet."""

import re

import pytest
from pytest_django import Settings

from apps.accounts.models import Person
from apps.metrics.models import Tier
from apps.metrics.registry import checks
from apps.playbook.validate import current
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import Watch


def test_every_runbook_that_a_check_names_has_a_page(viewer: Person, browser: Browser) -> None:
    client = browser(viewer)
    named = {check.runbook for check in checks().values() if check.runbook}
    assert named <= {runbook.id for runbook in current().playbook.runbooks}
    for runbook in current().playbook.runbooks:
        answer = client.get(f"/runbooks/{runbook.id}/")
        assert answer.status_code == 200
        assert "It cannot be run from here yet" in answer.content.decode()


def test_a_page_tells_owner_time_and_what_names_it(viewer: Person, browser: Browser) -> None:
    page = browser(viewer).get("/runbooks/RB-21/").content.decode()
    assert "Emergency: pool exhausted" in page
    assert "5–10 minutes" in page
    assert "/catalogue/checks/pools.utilisation/" in page
    assert "Clients wait" in page, "an issue of week 5–6"
    for wanted in ("Restarting PgBouncer is the last resort", "DevOps"):
        assert wanted in page


def test_what_a_check_calls_for_now_comes_first(watch: Watch, viewer: Person, browser: Browser, fault: Inject) -> None:
    client = browser(viewer)
    fault("stop-pgbouncer")
    watch.poll()
    listed = client.get("/runbooks/").content.decode()
    called = listed[listed.index("Called for on") : listed.index("All runbooks")]
    assert "/runbooks/RB-5/" in called
    assert "fail" in client.get("/runbooks/RB-5/").content.decode()
    assert '<a class="badge" href="/runbooks/RB-5/">RB-5</a>' in client.get("/t/lab/pools/").content.decode()


@pytest.mark.parametrize("name", ["RB-99", "rb-1", "x"])
def test_an_unknown_runbook_is_not_found(viewer: Person, browser: Browser, name: str) -> None:
    assert browser(viewer).get(f"/runbooks/{name}/").status_code == 404


def test_a_stranger_sees_none(stranger: Person, browser: Browser) -> None:
    assert browser(stranger).get("/runbooks/").status_code == 403


def test_a_playbook_with_mistakes_says_where_they_are_named(
    viewer: Person, browser: Browser, settings: Settings
) -> None:
    settings.PLAYBOOK = settings.PLAYBOOK / "not-there"
    for address in ("/runbooks/", "/runbooks/RB-1/"):
        answer = browser(viewer).get(address)
        assert answer.status_code == 503
        assert "/playbook/" in answer.content.decode()


def test_before_and_after_opens_the_tiers_comparison_which_leads_back(viewer: Person, browser: Browser) -> None:
    Tier.objects.create(slug="paper", name="Paper")
    client, where = browser(viewer), "/t/paper/queries/compare/"
    assert f'href="{where}"' in client.get("/runbooks/RB-10/").content.decode()
    assert re.search(r'<a [^>]*href="/runbooks/RB-10/"', client.get(where).content.decode())
    assert where not in client.get("/runbooks/RB-11/").content.decode()
