"""The portal's own programs, frozen, held up and cut off for real: its own checks fire, its page says so, and they pass again."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.db import connection
from pytest_django import Settings

from apps.accounts.models import Person
from apps.lab import environment, faults
from apps.lab.demo import programs
from apps.lab.faults import FAULTS, FaultImpossible
from apps.lab.faults import programs as programs_faults
from apps.lab.faults.portal import Portal
from apps.lab.layout import Layout
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics import inward, store, watchman
from apps.metrics.kernel import State
from apps.metrics.models import ProcessRun, Proof, Standing, Threshold, Tier
from apps.metrics.poll import poll, slot_of
from apps.metrics.tasks import poll_tier
from opsportal import celery_app
from tests.conftest import Inject, Until
from tests.people import Browser
from tests.watch import STEP, Watch

SOON, OFTEN = 8, timedelta(seconds=2)  # longer than beat is seen to be away while it stutters
LONG = timedelta(minutes=1)  # after which the portal looks at itself anew
SILENT = timedelta(seconds=40)
Start = Callable[..., None]
Page = Callable[[str], str]


@pytest.fixture
def known(own: Portal, layout: Layout) -> Tier:
    """The lab's tier, known to the portal; not polled yet."""
    register(layout)
    return Tier.objects.get(slug="lab")


@pytest.fixture
def start(own: Portal, lab: Lab, layout: Layout, until: Until) -> Iterator[Start]:
    """Starts programs of the portal in processes of their own, as the demo does, that poll every two seconds."""
    environment.keep(layout.run, environment.kept(layout.run) | {"OPSPORTAL_POLL_SECONDS": str(OFTEN.seconds)})
    of = {program.name: program for program in programs([], layout.run, environment.kept(layout.run))}

    def begin(*names: str) -> None:
        for name in names:
            program, log = of[name], layout.logs / f"{name}.log"
            lab.servers.roster.start(name, program.argv, log=log, cwd=program.folder, env=program.environment)
        until(lambda: ProcessRun.objects.filter(name__in=names).count() == len(names), 30)

    yield begin
    kill(lab, "worker", "beat")


def kill(lab: Lab, *names: str) -> None:
    """End programs of the portal."""
    for name in names:
        lab.servers.roster.stop(name, signal.SIGKILL)


def worker(threads: int) -> AbstractContextManager[object]:
    """A worker in this process."""
    return start_worker(celery_app, pool="threads", concurrency=threads, perform_ping_check=False, shutdown_timeout=20)


@pytest.fixture(autouse=True)
def queue(own: Portal) -> Iterator[None]:
    """An empty queue, before and after."""
    names = (settings.CELERY_TASK_DEFAULT_QUEUE, "unacked", "unacked_index")
    with own.redis() as broker:
        broker.delete(*names)
        yield
        broker.delete(*names)


@pytest.fixture
def page(browser: Browser, viewer: Person) -> Callable[[str], str]:
    """The state of a check as the page of the portal has it."""
    client = browser(viewer)

    def state(check: str) -> str:
        row = client.get("/portal/").content.decode().partition(f'<tr id="check-{check}">')[2].partition("</tr>")[0]
        return row.partition("state-")[2].partition('"')[0].split()[0]

    return state


def soon(tier: Tier, by: Person, **fails: float) -> None:
    """Thresholds that people set, so that nobody has to wait for those that are declared."""
    for name, fail in fails.items():
        check = f"portal.{name}"
        Threshold.objects.create(tier=tier, check_id=check, fail=fail, reason="test", by=by, at=datetime.now(UTC))


def fired(name: str) -> bool:
    """Whether every check that a fault is to fire was seen to do so."""
    return Proof.objects.filter(fault=name, fired_at__isnull=False).count() == len(FAULTS[name].fires)


def seen(name: str, at: datetime) -> bool:
    """The same once this process has looked, as web and beat do; `at`: when it is for it."""
    watchman.watch(at)
    return fired(name)


def polls(watch: Watch, after: timedelta = STEP) -> bool:
    """Poll the next slot; for conditions."""
    return watch.poll(after=after) is not None


def passing(name: str) -> bool:
    """Whether the checks that a fault is to fire pass."""
    return Standing.objects.filter(check_id__in=FAULTS[name].fires, state=State.PASS).count() == len(FAULTS[name].fires)


def lately(tier: Tier) -> bool:
    """Whether somebody polls."""
    last = store.last_slot(tier)
    return last is not None and datetime.now(UTC) - last < 2 * OFTEN


def proved(name: str) -> bool:
    """Whether all of them passed again."""
    return Proof.objects.filter(fault=name, passed_at__isnull=False).count() == len(FAULTS[name].fires)


@pytest.mark.timeout(300)  # it waits for real processes
def test_a_worker_that_is_frozen_and_a_beat_that_stutters_are_noticed_by_those_that_live(
    start: Start, known: Tier, lab: Lab, fault: Inject, heal: Inject, lead: Person, until: Until, page: Page, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings.POLL_SECONDS = OFTEN.seconds
    soon(known, lead, worker=SOON, silence=SOON)
    start("worker", "beat")
    until(lambda: passing("stutter-beat") and lately(known), 40)
    fault("stutter-beat")
    until(lambda: fired("stutter-beat"), 40)
    assert page("portal.missed_slots") == "warn"
    heal("stutter-beat")

    until(lambda: passing("freeze-worker") and lately(known), 70)
    fault("freeze-worker")  # beat sees it
    until(lambda: fired("freeze-worker"), 40)
    assert (page("portal.silence"), page("portal.worker"), page("portal.beat")) == ("fail", "fail", "pass")
    heal("freeze-worker")

    kill(lab, "worker")  # what is polled from here on is polled by hand, and none of it is missed
    monkeypatch.setattr(inward, "WINDOW", 8 * OFTEN)
    watch = Watch(known)
    until(lambda: polls(watch, OFTEN) and proved("stutter-beat") and proved("freeze-worker"))


def test_a_beat_that_is_frozen_is_noticed_by_the_web_server(
    start: Start, known: Tier, fault: Inject, heal: Inject, lead: Person, until: Until, page: Page
) -> None:
    soon(known, lead, beat=SOON)
    start("beat")
    watch = Watch(known)
    until(lambda: polls(watch, LONG) and polls(watch) and passing("freeze-beat"))
    fault("freeze-beat")
    until(lambda: seen("freeze-beat", watch.slot + SILENT), 20)
    assert page("portal.beat") == "fail"
    heal("freeze-beat")
    until(lambda: polls(watch, LONG) and polls(watch) and proved("freeze-beat"))


def test_polls_that_lose_their_session_while_they_write_are_told(
    own: Portal, known: Tier, fault: Inject, heal: Inject, until: Until, page: Page
) -> None:
    watch = Watch(known)
    watch.slot -= timedelta(minutes=5)  # the page counts what lies behind it
    watch.poll()
    fault("cut-writes")
    held = "SELECT FROM pg_locks WHERE relation = 'metrics_poll'::regclass AND mode = 'ShareLock' AND granted"
    with own.store() as asked:
        for _ in range(2):
            until(lambda: asked.execute(held).fetchone() is not None)
            with pytest.raises(psycopg.OperationalError):
                watch.poll()
            connection.close()  # as Celery does after a task
            watch.poll()
    assert fired("cut-writes")
    assert (watch.state("portal.store_writes"), page("portal.store_writes")) == (State.WARN, "warn")
    assert watch.value("portal.store_writes") == 2
    heal("cut-writes")
    watch.poll(after=timedelta(minutes=11))
    assert proved("cut-writes")


def test_tasks_that_were_ordered_ahead_wait_and_go_by_themselves(
    own: Portal, known: Tier, fault: Inject, heal: Inject, lead: Person, until: Until, page: Page
) -> None:
    soon(known, lead, queue_wait=2, queue_depth=8)
    with worker(1):
        watch = Watch(known)
        watch.poll()
        fault("order-ahead")
        watch.poll()
        until(lambda: polls(watch, LONG) and fired("order-ahead"), 30)
        assert (page("portal.queue_wait"), page("portal.queue_depth")) == ("fail", "fail")
        heal("order-ahead")
        until(lambda: polls(watch, LONG) and proved("order-ahead"), 40)


def test_a_worker_that_lives_and_consumes_nothing_is_told(
    known: Tier, fault: Inject, heal: Inject, lead: Person, until: Until, page: Page
) -> None:
    soon(known, lead, queue_wait=2)
    with worker(1):
        watch = Watch(known)
        watch.poll()
        fault("hang-worker")
        for _ in range(3):
            poll_tier.delay(known.pk)
        until(lambda: seen("hang-worker", watch.slot + SILENT), 20)
        until(lambda: page("portal.queue_wait") == "fail")  # its only thread
        heal("hang-worker")
        until(lambda: polls(watch, LONG) and polls(watch) and proved("hang-worker"))


def test_a_poll_that_hangs_in_the_store_holds_one_thread_of_the_worker(
    own: Portal, known: Tier, until: Until, settings: Settings
) -> None:
    settings.POLL_SECONDS = 1
    first = slot_of(datetime.now(UTC))

    def hang() -> None:
        poll(known, first)
        connection.close()

    hanging = threading.Thread(target=hang)
    with own.store() as held, own.store() as asked:
        with held.transaction():
            held.execute("LOCK TABLE ONLY metrics_poll IN SHARE MODE")
            hanging.start()
            waits = "SELECT FROM pg_locks WHERE relation = 'metrics_poll'::regclass AND NOT granted"
            until(lambda: asked.execute(waits).fetchone() is not None)
            assert poll(known, first + timedelta(seconds=1)) is None
        hanging.join()
    assert poll(known, first + timedelta(seconds=2)) is not None
    assert store.last_slot(known) == first + timedelta(seconds=2)


@pytest.mark.parametrize("name", [fault.name for fault in programs_faults.FAULTS])
def test_what_breaks_the_portal_needs_one_and_is_healed_without(lab: Lab, layout: Layout, name: str) -> None:
    environment.forget(layout.run)
    with pytest.raises(FaultImpossible, match="`make demo` starts it"):
        faults.inject(lab.servers, name)
    assert not faults.active(lab.servers)
    assert not faults.heal(lab.servers, name)


def test_a_portal_that_was_silent_before_proves_nothing(known: Tier, fault: Inject, own: Portal, lab: Lab) -> None:
    Watch(known).poll()
    fault("hang-worker")
    record = lab.layout.faults / "hang-worker.json"
    note = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps(note | {"at": (datetime.now(UTC) + 3 * SILENT).isoformat()}), encoding="utf-8")
    watchman.watch(datetime.now(UTC) + 4 * SILENT)
    assert not Proof.objects.exists()
