"""Checks proven by faults: what the polls see of a fault that was put in, and what people are told of it."""

import html
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.accounts.models import Person
from apps.lab import faults, proving, trials
from apps.lab.faults import FAULTS
from apps.lab.tier import Lab
from apps.metrics.kernel import State
from apps.metrics.models import Node, NodeStatus, Proof
from apps.metrics.registry import checks
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import Watch

SLOTS, UP = "replicas.slot_active", "cache.up"
Page = Callable[[str], str]
Prove = Callable[..., str]


@pytest.fixture
def page(browser: Browser, viewer: Person) -> Page:
    """What a viewer reads at an address, without tags."""
    client = browser(viewer)
    return lambda url: " ".join(html.unescape(re.sub("<[^>]+>", " ", client.get(url).content.decode())).split())


@pytest.fixture
def line(browser: Browser, viewer: Person) -> Page:
    """What the catalogue's line of a check says."""
    client = browser(viewer)

    def line(check: str) -> str:
        row = client.get("/catalogue/checks/").content.decode().partition(f'<tr id="{check}"')[2].partition("</tr>")[0]
        return " ".join(re.sub("<[^>]+>", " ", row).split())

    return line


@pytest.fixture
def prove(watch: Watch) -> Prove:
    """The command, with polls instead of waiting for them."""

    def prove(*words: str) -> str:
        out = io.StringIO()
        try:
            call_command("prove", *words, stdout=out, look=watch.poll)
        except CommandError as error:
            out.write(f"{error}")
        return out.getvalue()

    return prove


def test_a_fault_that_is_put_in_and_healed_leaves_the_date_on_the_page(
    watch: Watch, fault: Inject, heal: Inject, page: Page, line: Page
) -> None:
    own = f"/t/lab/checks/{SLOTS}/"
    assert "not proven here yet" in line(SLOTS)
    assert "Not proven here yet" in page(own)
    assert f"manage.py lab prove {SLOTS}" in page(own)
    watch.turns(SLOTS, State.PASS)
    fault("inactive-slot")
    watch.turns(SLOTS, State.WARN)
    assert "not proven here yet" in line(SLOTS), "only what passes again is proven"
    heal("inactive-slot")
    watch.turns(SLOTS, State.PASS)
    today = f"{watch.slot:%d %b %Y}"
    assert f"{today} · inactive-slot" in line(SLOTS)
    version = NodeStatus.objects.get(node__name="lab-primary").version.split()[0]
    told = page(own)
    assert re.search(rf"inactive-slot proved it on {today} , [\d:]+ : warns lab-primary · forgotten", told)
    assert re.search(
        rf"it passed again at [\d:]+ \. Seen by portal 0\.1\.0.*?, with PostgreSQL {re.escape(version)}\.", told
    )
    Proof.objects.update(fired_at=timezone.now() - timedelta(days=91))
    assert "inactive-slot · old" in line(SLOTS)
    assert "older than 90 days" in page(own)


def test_nothing_is_proven_by_a_fault_that_is_not_alone(watch: Watch, fault: Inject, heal: Inject) -> None:
    watch.turns(SLOTS, State.PASS)
    fault("inactive-slot")
    fault("settings-drift")
    watch.turns(SLOTS, State.WARN)
    heal("settings-drift")
    watch.poll()
    heal("inactive-slot")
    watch.turns(SLOTS, State.PASS)
    assert not Proof.objects.exists(), "either may have done it, and then it did not pass before"


def test_the_faults_of_the_lab_prove_nothing_of_another_tier(watch: Watch, fault: Inject) -> None:
    watch.turns(SLOTS, State.PASS)
    Node.objects.filter(name="lab-redis").update(address="redis://elsewhere:6379/0")
    fault("inactive-slot")
    watch.turns(SLOTS, State.WARN)
    assert not Proof.objects.exists()


def test_records_of_faults_that_cannot_be_read_keep_no_poll_from_being_written(watch: Watch, lab: Lab) -> None:
    broken = lab.layout.faults / "stop-redis.json"
    broken.write_text("{", encoding="utf-8")
    try:
        watch.poll()
    finally:
        broken.unlink()
    assert watch.state(UP) is State.PASS


def test_the_command_proves_a_check_and_tells_it_in_a_line(watch: Watch, lab: Lab, prove: Prove, line: Page) -> None:
    told = prove(UP, "--fault", "stop-redis")
    assert re.match(rf"{UP} +stop-redis +fired after \d+ s +passed after \d+ s\n1 check was proven\.", told), told
    assert faults.active(lab.servers) == {}
    assert f"{watch.slot:%d %b %Y} · stop-redis" in line(UP)


def test_a_check_that_its_fault_does_not_fire_is_told(watch: Watch, lab: Lab, prove: Prove, line: Page) -> None:
    check = "queries.idle_in_transaction"  # takes five minutes, and is given two seconds
    told = prove(check, "--patience", "2")
    assert re.match(rf"{check} +idle-in-transaction +NOT PROVEN: it did not fire; it says pass\n", told), told
    assert told.endswith("1 of 1 checks were not proven.")
    assert faults.active(lab.servers) == {}
    watch.poll()
    assert not Proof.objects.exists()
    assert "not proven here yet" in line(check)


def test_interrupting_it_heals_what_was_put_in_and_says_so(watch: Watch, lab: Lab) -> None:
    watch.turns(UP, State.PASS)

    def look() -> None:
        if faults.active(lab.servers):
            raise KeyboardInterrupt
        watch.poll()

    with pytest.raises(CommandError, match=r"Ended at [a-z-]+, which is healed"):
        call_command("prove", UP, look=look)
    assert not faults.active(lab.servers)


def test_a_check_without_a_fault_is_told_everywhere(watch: Watch, prove: Prove, page: Page, line: Page) -> None:
    told = " ".join(prove("queries.unused_indexes").split())
    assert told == "queries.unused_indexes NOT PROVEN: no fault is declared to fire it 1 of 1 checks were not proven."
    assert "no fault proves it" in line("queries.unused_indexes")
    assert "No fault proves this check" in page("/t/lab/checks/queries.unused_indexes/")
    assert "Did you mean cache.up?" in prove("cache.upp")


def test_nothing_is_broken_where_a_fault_is_in_or_the_tier_is_another(
    watch: Watch, lab: Lab, fault: Inject, heal: Inject, prove: Prove
) -> None:
    fault("inactive-slot")
    assert prove(UP).startswith("A fault is in already: inactive-slot.")
    heal("inactive-slot")
    Node.objects.filter(name="lab-redis").update(address="redis://elsewhere:6379/0")
    assert "are not the servers of this lab: nothing is broken" in prove(UP)
    assert not trials.is_lab(watch.tier)


def test_all_checks_are_proved_by_as_few_faults_as_fire_them() -> None:
    planned, without = proving.trials_of([])
    assert not without
    found = [check for trial in planned for check in trial.checks]
    assert sorted(found) == sorted({check for fault in FAULTS.values() for check in fault.fires})
    assert len(planned) < len(FAULTS)


def test_the_catalogue_is_filtered_by_proof(watch: Watch, browser: Browser, viewer: Person) -> None:
    fired = {check for fault in FAULTS.values() for check in fault.fires}
    for stage, expected in (("none", set(checks()) - fired), ("awaited", fired), ("proven", set[str]())):
        shown = browser(viewer).get(f"/catalogue/checks/?proof={stage}").content.decode()
        assert set(re.findall('<tr id="([^"]+)"', shown)) == expected
