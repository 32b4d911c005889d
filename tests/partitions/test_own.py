"""The portal's own tables of history: partitions made ahead and dropped, judged by this room's tools, told on pages and by the doctor."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from pytest_django import Settings

from apps.accounts.models import Person
from apps.lab.layout import Layout
from apps.metrics import lives, upkeep
from apps.metrics.models import Node, NodeStatus, ProcessRun, Tier, Upkeep
from apps.metrics.tasks import maintain
from apps.partitions.own_store import own_tables
from tests import database
from tests.conftest import Until
from tests.people import Browser

PAGE, PORTAL = "/portal/partitions/", "/portal/"
DAY = timedelta(days=1)
TABLES = {"metrics_sample", "metrics_poll", "metrics_chunk_raw", "metrics_chunk_5m", "metrics_chunk_1h"}
Owner = psycopg.Connection[Any]


@pytest.fixture
def tier(transactional_db: None) -> Tier:
    """A tier that is polled at this moment, with worker and beat alive, and a store whose partitions were kept just now.

    Committed: what a transaction makes is locked until it ends, and a locked partition says nothing of itself.
    """
    made, now = Tier.objects.create(slug="lab", name="Lab"), datetime.now(UTC)
    node = Node.objects.create(tier=made, name="it", kind="redis", address="redis://127.0.0.1")
    NodeStatus.objects.create(node=node, slot=now, up=True, since=now, duration_seconds=0.01)
    for name in (lives.WORKER, lives.BEAT):
        ProcessRun.objects.create(name=name, host="h", pid=1, started_at=now, seen_at=now)
    maintain()
    return made


@pytest.fixture
def owner(layout: Layout, tier: Tier) -> Iterator[Owner]:
    """The login that migrates and owns the tables; each statement is committed."""
    with psycopg.connect(database.environment(layout)["OPSPORTAL_OWNER_DATABASE_URL"], autocommit=True) as own:
        yield own


@pytest.fixture
def see(tier: Tier, viewer: Person, browser: Browser) -> Callable[[str], str]:
    """A page as a viewer reads it."""
    client = browser(viewer)
    return lambda url: " ".join(client.get(url).content.decode().split())


def heading(page: str) -> str:
    return page.partition("<h1>")[2].partition("</h1>")[0].replace("&#x27;", "'")


def row(page: str, of: str) -> str:
    """The row of a table ("own-metrics_poll") or of a check ("check-portal.worker")."""
    return page.partition(f'<tr id="{of}">')[2].partition("</tr>")[0]


def doctor() -> dict[str, dict[str, Any]]:
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", stdout=out)
    return {finding["id"]: finding for finding in json.loads(out.getvalue())["findings"]}


def make(day: datetime) -> None:
    """A partition for the polls of a day, by the function that a worker has for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions('metrics_poll', %s, 1)", [day.date()])


def make_all(day: datetime) -> None:
    """The same of every table, as people do by hand."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metrics_make_partitions(%s, 1)", [day.date()])


def to_regclass(name: str) -> str | None:
    """The table, where it is there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)::text", [name])
        found: str | None = cursor.fetchone()[0]
        return found


def named(parent: str, day: datetime) -> str:
    return f"{parent}_{day:%Y%m%d}"


def test_what_the_worker_keeps_is_whole_by_the_rooms_tools(tier: Tier) -> None:
    found = {one.name: one for one in own_tables(datetime.now(UTC))}
    assert set(found) == TABLES
    assert found["metrics_poll"].ahead == 7
    assert [found[name].length for name in ("metrics_poll", "metrics_chunk_5m", "metrics_chunk_1h")] == [
        DAY, 8 * DAY, 32 * DAY,
    ]  # fmt: skip
    for one in found.values():
        assert (one.hours_left or 0) > 7 * 24
        assert (one.gaps, one.overdue, one.unread, one.failing_seconds) == ([], [], 0, 0)
        assert one.total_bytes
    made = {deed.parent for deed in Upkeep.objects.filter(deed="make", error="")}
    assert made >= {"metrics_sample", "metrics_poll", "metrics_chunk_raw"}, "the migration had made a week only"


def test_the_page_says_what_is_there_what_is_kept_and_what_was_done(
    tier: Tier, see: Callable[[str], str], settings: Settings
) -> None:
    old = datetime.now(UTC) - 20 * DAY
    make(old)
    maintain()
    page = see(PAGE)
    assert heading(page).startswith("The portal's own tables have partitions for 7")
    assert heading(page).endswith("more; none is past retention.")
    assert "8 days" in row(page, "own-metrics_chunk_5m")
    assert f"{settings.RAW_RETENTION.days} days" in row(page, "kept-metrics_poll")
    assert "OPSPORTAL_RAW_DAYS" in row(page, "kept-metrics_poll")
    assert "OPSPORTAL_ROLLUP_1H_DAYS" in row(page, "kept-metrics_chunk_1h")
    assert "a day after they are packed" in row(page, "kept-metrics_sample")
    assert "s ago</time>: one partition" in row(page, "kept-metrics_poll").partition("Dropped")[2]
    assert "Dropped one partition" in page
    assert "FROM pg_inherits" in page, "the question that was asked"
    assert f'href="{PAGE}"' in see(PORTAL)
    assert f'href="{PORTAL}"' in page
    assert "made for 7" in see(PORTAL)


def test_a_partition_that_is_missing_ahead_is_told(see: Callable[[str], str], owner: Owner) -> None:
    missing = datetime.now(UTC) + 5 * DAY
    owner.execute(f"DROP TABLE {named('metrics_poll', missing)}".encode())
    page = see(PAGE)
    assert heading(page) == "A partition of metrics_poll is missing between those that lie ahead."
    assert f"{missing:%d %b %Y}" in row(page, "own-metrics_poll")
    assert "state-warn" in row(page, "own-metrics_poll")
    assert "state-pass" in row(page, "own-metrics_chunk_raw")
    assert "state-warn" in row(see(PORTAL), "check-portal.partitions_gaps")
    assert heading(see(PORTAL)).startswith("Gaps in history's partitions ahead: 1")
    found = doctor()["store.partitions"]
    assert (found["state"], found["detail"]) == (
        "warning",
        "made for 4 more days, with a gap after that in metrics_poll",
    )
    maintain()
    assert "none is past retention" in heading(see(PAGE)), "the worker fills it"


@pytest.mark.parametrize(("days", "look", "state"), [(2, "warn", "warning"), (0, "fail", "failure")])
def test_few_days_ahead_are_told_and_none_fails(
    see: Callable[[str], str], owner: Owner, days: int, look: str, state: str
) -> None:
    for ahead in range(days + 1, 8):
        owner.execute(f"DROP TABLE {named('metrics_sample', datetime.now(UTC) + ahead * DAY)}".encode())
    assert "the next are missing" in heading(see(PAGE))
    assert f"state-{look}" in row(see(PORTAL), "check-portal.partitions_ahead")
    found = doctor()["store.partitions"]
    assert (found["state"], f"made for {days} more days" in found["detail"]) == (state, True)
    owner.execute(found["commands"][0].encode())
    assert doctor()["store.partitions"]["state"] == "fine"


def test_without_one_for_the_present_the_page_says_what_that_means(see: Callable[[str], str], owner: Owner) -> None:
    owner.execute(f"DROP TABLE {named('metrics_poll', datetime.now(UTC))}".encode())
    assert heading(see(PAGE)) == "metrics_poll has no partition for what is written now: no poll can be kept."
    assert doctor()["store.partitions"]["detail"] == "none for today: no poll can be kept"


def test_what_is_past_retention_for_a_day_is_told(see: Callable[[str], str], settings: Settings) -> None:
    kept = settings.RAW_RETENTION
    make(datetime.now(UTC) - kept - DAY)  # ended less than a day before: its turn is just now
    assert "none is past retention" in heading(see(PAGE))
    assert doctor()["store.retention"]["state"] == "fine"
    make(datetime.now(UTC) - kept - 3 * DAY)
    assert heading(see(PAGE)) == "1 partition of history is past retention and still there."
    assert "one is past retention" in row(see(PAGE), "kept-metrics_poll")
    assert "past retention" not in row(see(PAGE), "kept-metrics_chunk_1h")
    assert "state-warn" in row(see(PORTAL), "check-portal.partitions_overdue")
    found = doctor()["store.retention"]
    assert (found["state"], "1 of metrics_poll" in found["detail"]) == ("warning", True)
    maintain()
    assert "none is past retention" in heading(see(PAGE))


def test_a_table_that_somebody_holds_is_given_up_and_told_until_it_goes_well(
    see: Callable[[str], str], owner: Owner, settings: Settings
) -> None:
    old = datetime.now(UTC) - settings.RAW_RETENTION - DAY
    make_all(old)
    with owner.transaction():  # as a dump does
        owner.execute("LOCK TABLE metrics_poll IN ACCESS SHARE MODE")
        maintain()
        maintain()
        page = see(PAGE)
    said = "canceling statement due to lock timeout"
    assert heading(page) == f"Dropping partitions of metrics_poll fails: {said}."
    assert f"dropping failed: {said}" in row(page, "kept-metrics_poll")
    assert "2 tries" in row(page, "kept-metrics_poll")
    assert "failed" not in row(page, "kept-metrics_chunk_raw"), "one table keeps no other waiting"
    assert to_regclass(named("metrics_chunk_raw", old)) is None
    assert "state-pass" in row(see(PORTAL), "check-portal.partitions_upkeep"), "a lock that passes calls nobody"
    Upkeep.objects.filter(error=said).update(at=datetime.now(UTC) - timedelta(hours=1))
    assert "state-warn" in row(see(PORTAL), "check-portal.partitions_upkeep")
    found = doctor()["store.upkeep"]
    assert found["state"] == "warning"
    assert "dropping partitions of metrics_poll fails since" in found["detail"]
    maintain()
    assert "failed" not in row(see(PAGE), "kept-metrics_poll")
    assert "Well again" in see(PAGE)
    assert doctor()["store.upkeep"]["state"] == "fine"


@pytest.fixture
def other(layout: Layout, tier: Tier) -> Iterator[Owner]:
    """Another worker in the midst of a transaction."""
    with psycopg.connect(database.environment(layout)["OPSPORTAL_DATABASE_URL"]) as worker:
        yield worker


@contextmanager
def committed_once_waited_for(other: Owner, owner: Owner, until: Until, kind: str) -> Iterator[None]:
    """The other's transaction ends as soon as somebody waits for a lock of this kind."""
    ask = b"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = %s)"

    def commit() -> None:
        until(lambda: owner.execute(ask, [kind]).fetchone() == (True,))
        other.commit()

    committing = threading.Thread(target=commit)
    committing.start()
    yield
    committing.join()


def test_two_workers_that_make_the_same_partition_are_no_failure(owner: Owner, other: Owner, until: Until) -> None:
    missing = datetime.now(UTC) + 5 * DAY
    owner.execute(f"DROP TABLE {named('metrics_poll', missing)}".encode())
    other.execute("SELECT metrics_make_partitions('metrics_poll', %s, 1)", [missing.date()])
    with committed_once_waited_for(other, owner, until, "relation"):
        upkeep.make_ahead(datetime.now(UTC))
    assert to_regclass(named("metrics_poll", missing))
    assert list(Upkeep.objects.exclude(error="").values_list("error", flat=True)) == []


def test_two_workers_that_drop_the_same_partition_are_no_failure(
    owner: Owner, other: Owner, until: Until, settings: Settings
) -> None:
    now = datetime.now(UTC)
    old = now - settings.RAW_RETENTION - DAY
    make(old)
    other.execute("SELECT metrics_drop_partitions('metrics_poll', %s)", [(now - settings.RAW_RETENTION).date()])
    with committed_once_waited_for(other, owner, until, "relation"):
        upkeep.drop_past(now)
    assert to_regclass(named("metrics_poll", old)) is None
    assert list(Upkeep.objects.exclude(error="").values_list("error", flat=True)) == []


def test_two_workers_that_fail_at_once_are_one_failure(
    owner: Owner, other: Owner, until: Until, settings: Settings
) -> None:
    make(datetime.now(UTC) - settings.RAW_RETENTION - DAY)
    other.execute(
        "INSERT INTO metrics_upkeep (parent, deed, at, partitions, error, tries, tried_at)"
        " VALUES ('metrics_poll', 'drop', now(), 0, 'canceling statement', 1, now())"
    )
    with owner.transaction():
        owner.execute("LOCK TABLE metrics_poll IN ACCESS SHARE MODE")
        with committed_once_waited_for(other, owner, until, "transactionid"):
            upkeep.drop_past(datetime.now(UTC))
    failing = Upkeep.objects.get(deed="drop", over_at=None, error__gt="")
    assert (failing.parent, failing.tries) == ("metrics_poll", 2)


def test_what_is_past_retention_goes_also_while_sealing_fails(
    see: Callable[[str], str], owner: Owner, settings: Settings
) -> None:
    """What would make room again must not wait for what fails because there is none."""
    old = datetime.now(UTC) - settings.RAW_RETENTION - 3 * DAY
    make(old)
    owner.execute("DELETE FROM metrics_sealed")
    keeping = "EXECUTE ON FUNCTION metrics_keep_chunks(text, timestamptz, bigint[], bytea[])"
    owner.execute(f"REVOKE {keeping} FROM opsportal_app".encode())
    try:
        with pytest.raises(DatabaseError, match="metrics_keep_chunks"):
            maintain()
    finally:
        owner.execute(f"GRANT {keeping} TO opsportal_app".encode())
    assert to_regclass(named("metrics_poll", old)) is None
    assert "none is past retention" in heading(see(PAGE))


def test_a_partition_under_ddl_makes_nothing_up(see: Callable[[str], str], owner: Owner) -> None:
    with owner.transaction():
        owner.execute(f"LOCK TABLE {named('metrics_chunk_5m', _begin(8))} IN ACCESS EXCLUSIVE MODE".encode())
        page = see(PAGE)
        known = {one.name: one.hours_left for one in own_tables(datetime.now(UTC))}
    assert heading(page) == "A partition of metrics_chunk_5m is locked at this moment: what it covers is not known."
    assert known["metrics_chunk_5m"] is None
    assert known["metrics_poll"]


def _begin(days: int) -> datetime:
    """The beginning of the present partition of so many days."""
    now = datetime.now(UTC)
    return now - timedelta(seconds=now.timestamp() % (days * 86400))


def test_the_record_is_pruned_but_for_what_fails_still(tier: Tier) -> None:
    old = datetime.now(UTC) - upkeep.RECORDED - DAY
    Upkeep.objects.update(at=old)
    Upkeep.objects.create(parent="metrics_poll", deed="make", at=old, tried_at=old, error="no", over_at=old)
    Upkeep.objects.create(parent="metrics_gone", deed="drop", at=old, tried_at=old, error="still")
    upkeep.forget(datetime.now(UTC) - upkeep.RECORDED)
    assert [deed.error for deed in Upkeep.objects.all()] == ["still"]


def test_an_open_page_hears_of_news_only(tier: Tier, viewer: Person, browser: Browser) -> None:
    client, htmx = browser(viewer), {"HX-Request": "true"}
    version = client.get(PAGE).content.decode().partition("version=")[2].partition('"')[0]
    url = f"{PAGE}?tier=lab&version={version}"
    assert client.get(url, headers=htmx).status_code == 204
    make(datetime.now(UTC) + 9 * DAY)
    assert client.get(url, headers=htmx).status_code == 200


def test_who_sees_no_tier_sees_no_tables(tier: Tier, stranger: Person, browser: Browser) -> None:
    assert browser(stranger).get(PAGE).status_code == 403


def test_the_room_of_the_tiers_partitions_leads_to_the_portals_own(see: Callable[[str], str]) -> None:
    assert f'href="{PAGE}"' in see("/t/lab/partitions/")
