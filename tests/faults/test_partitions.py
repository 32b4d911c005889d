"""Each check of partitioned tables that a fault of the lab can fire is fired, and seen to recover."""

from collections.abc import Iterator

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.kernel import State
from apps.metrics.probe import SLOW
from apps.partitions.probes import BOUNDS_EVERY
from tests.conftest import Inject, Until
from tests.people import Browser
from tests.watch import Watch

QUEUE = "public.message_queue"


@pytest.fixture
def owner(layout: Layout, lab: object) -> Iterator[psycopg.Connection]:
    """A superuser's session in the application's database."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as connection:
        yield connection


def after_a_poll(watch: Watch, check_id: str, node: str = "", of: str | None = None) -> State:
    """How a check stands once the tier was polled again."""
    watch.poll()
    return watch.state(check_id, node, of)


def heading(browser: Browser, person: Person) -> str:
    """What the partitions page says first."""
    page = browser(person).get("/t/lab/partitions/").content.decode()
    return page.partition("<h1>")[2].partition("</h1>")[0].replace("\xa0", " ")


def test_rows_in_the_default_partition(
    watch: Watch, fault: Inject, heal: Inject, until: Until, browser: Browser, viewer: Person
) -> None:
    assert watch.state("partitions.default_rows", of=QUEUE) is State.PASS
    assert heading(browser, viewer).startswith("1 table is partitioned; the next partitions are there for ")
    fault("fill-default-partition")
    until(lambda: after_a_poll(watch, "partitions.default_rows", of=QUEUE) is State.WARN, 5, 0.2)
    assert watch.value("partitions.default_rows") == 500
    assert heading(browser, viewer) == (f"500 rows of {QUEUE} lie in its default partition: no partition takes them.")
    heal("fill-default-partition")
    until(lambda: after_a_poll(watch, "partitions.default_rows", of=QUEUE) is State.PASS, 5, 0.2)


def test_coming_partitions_that_are_missing(
    watch: Watch, fault: Inject, heal: Inject, browser: Browser, viewer: Person
) -> None:
    assert watch.state("partitions.ahead") is State.PASS
    assert watch.state("partitions.hours_left") is State.PASS
    fault("drop-future-partitions")
    watch.slot += BOUNDS_EVERY
    watch.turns("partitions.ahead", State.FAIL, polls=2)
    assert watch.state("partitions.hours_left") in {State.WARN, State.FAIL}, "at most this week is left"
    assert 0 < (watch.value("partitions.hours_left") or 0) <= 168
    assert heading(browser, viewer).startswith(f"{QUEUE} has partitions for ")
    heal("drop-future-partitions")
    watch.slot += BOUNDS_EVERY
    watch.turns("partitions.ahead", State.PASS, polls=2)
    assert watch.state("partitions.hours_left") is State.PASS


def test_ddl_on_a_partition_hides_nothing_else(
    watch: Watch, owner: psycopg.Connection, browser: Browser, viewer: Person
) -> None:
    rows = watch.poll().tier_answers["partitions.parts"].rows
    victim = next(row for row in rows if "ahead" in row["flags"])
    with owner.transaction():
        owner.execute(f"LOCK TABLE {victim['object']} IN ACCESS EXCLUSIVE MODE")
        watch.slot += SLOW
        measured = watch.poll()
        primary = next(node for node in measured.view.nodes if node.name == "lab-primary")
        assert {"partitions.bounds", "partitions.sizes"} <= primary.answers.keys()
        assert not [answer for answer in primary.answers.values() if answer.failure], "nothing waits for the lock"
        locked = next(
            row for row in measured.tier_answers["partitions.parts"].rows if row["object"] == victim["object"]
        )
        assert "locked by DDL" in locked["flags"]
        assert (locked["bound"], locked["total_bytes"]) == (victim["bound"], victim["total_bytes"]), "as read before"
        for check in ("partitions.ahead", "partitions.gaps", "partitions.default_rows"):
            assert watch.state(check) is State.PASS
        assert "locked by DDL at present" in heading(browser, viewer)
    watch.slot += BOUNDS_EVERY
    rows = watch.poll().tier_answers["partitions.parts"].rows
    assert not [row for row in rows if row["locked"]]


def test_a_gap_in_time_is_found(watch: Watch, owner: psycopg.Connection) -> None:
    rows = watch.poll().tier_answers["partitions.parts"].rows
    weeks = sorted((row for row in rows if row["parent"] == QUEUE and row["from"]), key=lambda row: str(row["from"]))
    middle = weeks[-2]
    owner.execute(f"ALTER TABLE message_queue DETACH PARTITION {middle['object']}")
    try:
        watch.slot += BOUNDS_EVERY
        watch.turns("partitions.gaps", State.WARN, polls=2)
    finally:
        owner.execute(f"ALTER TABLE message_queue ATTACH PARTITION {middle['object']} {middle['bound']}")
    watch.slot += BOUNDS_EVERY
    watch.turns("partitions.gaps", State.PASS, polls=2)


def test_a_parent_without_statistics(watch: Watch, owner: psycopg.Connection) -> None:
    watch.poll()
    owner.execute("ANALYZE message_queue")
    watch.turns("partitions.never_analysed", State.PASS, polls=3)
