"""What the portal keeps for good: a fault makes each of its checks fire, by the same work that a worker does, and pass again."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.test import Client
from pytest_django import Settings
from structlog.testing import capture_logs

from apps.accounts.models import Person
from apps.lab import environment, faults
from apps.lab.faults import FAULTS, FaultImpossible
from apps.lab.faults.portal import Portal
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.ledger.checkpoints import NotSigned, write
from apps.ledger.keys import SigningKey
from apps.ledger.models import Entry
from apps.ledger.offline.verify import LOG, WITNESS
from apps.ledger.state import Witnessing, standing
from apps.ledger.tasks import sign_checkpoint
from apps.ledger.verify import verify
from apps.ledger.witness import Places, Witness
from apps.metrics import inward, thresholds, upkeep
from apps.metrics.histories import history
from apps.metrics.registry import checks
from tests.conftest import Inject
from tests.people import Browser
from tests.watch import Watch

Work = Callable[[datetime], object]
TRACES = """
SELECT 'table', relname::text, acl::text FROM pg_class LEFT JOIN LATERAL unnest(relacl) AS acl ON true
WHERE relname ~ '^(metrics|ledger)_' AND relkind IN ('r', 'p')
UNION ALL SELECT 'column', attname::text, acl::text FROM pg_attribute, unnest(attacl) AS acl WHERE attrelid = 'ledger_checkpoint'::regclass
UNION ALL SELECT 'function', proname::text, acl::text FROM pg_proc, unnest(proacl) AS acl WHERE proname ~ '^metrics_'
UNION ALL SELECT 'trigger', tgname::text, tgenabled::text FROM pg_trigger WHERE tgrelid = 'ledger_entry'::regclass
UNION ALL SELECT 'entry', seq::text, e::text FROM ledger_entry AS e
UNION ALL SELECT 'lock', locktype, classid::text FROM pg_locks WHERE locktype = 'advisory'
ORDER BY 1, 2, 3
"""
A_MINUTE = inward.AGAIN


def prove(lab: Lab, watch: Watch, name: str, work: Work, again: timedelta) -> None:
    """Have the fault proven while `work` is done now and then: by its slot, which is `again` later each time."""

    def look() -> None:
        watch.poll()
        work(watch.slot)
        watch.poll(after=again)

    told = Prover(lab.servers, watch.tier, look, patience=20).prove(Trial(FAULTS[name], FAULTS[name].fires))
    assert not [outcome.line() for outcome in told if not outcome.proved]


@pytest.fixture
def witness(settings: Settings, tmp_path: Path) -> Witness:
    """The portal signs with a new key, and a witness cosigns what it is shown."""
    ledger, own = SigningKey.make("portal.test/ledger", LOG), SigningKey.make("witness.test", WITNESS)
    settings.LEDGER_KEY, settings.LEDGER_WITNESS_KEY = ledger.secret, str(own.public)
    settings.LEDGER_WITNESSED = str(tmp_path / "witnessed")
    places = Places("http://testserver", tmp_path / "memory", tmp_path / "witnessed")
    return Witness(own, ledger.public, places, lambda path: Client().get(f"/ledger/{path}").content, time.time)


def set_warning(watch: Watch, check: str, seconds: float, by: Person) -> None:
    """From when on a check warns on this tier, as a person sets it; that is an entry of the ledger."""
    thresholds.change(watch.tier, checks()[check], None, (seconds, None), "to see it sooner", by)


def examine(_: datetime) -> None:
    """What the worker does every five minutes; what it cannot sign it says in its log."""
    with suppress(NotSigned, DatabaseError):
        write()


def test_an_entry_that_a_superuser_alters_is_found_and_nothing_is_left_of_it(
    own: Portal, watch: Watch, lab: Lab, fault: Inject, witness: Witness, devops: Person, browser: Browser
) -> None:
    set_warning(watch, "portal.worker", 11, devops)  # that is an entry
    examine(watch.slot)
    witness.look()
    before = Entry.objects.values().get(seq=1)
    prove(lab, watch, "alter-ledger", examine, A_MINUTE)
    assert Entry.objects.values().get(seq=1) == before
    assert verify().ok
    witness.look()
    assert (standing().witnessing, standing().trouble) == (Witnessing.SIGNED, "")
    assert "examined and signed, witnessed." in browser(devops).get("/ledger/").content.decode()


def test_a_store_that_refuses_signatures_is_told_in_the_log_and_by_their_age(
    own: Portal, watch: Watch, lab: Lab, fault: Inject, witness: Witness, devops: Person
) -> None:
    fault("refuse-checkpoints")
    with capture_logs() as lines, pytest.raises(DatabaseError):
        sign_checkpoint()
    assert [("permission denied" in line["why"]) for line in lines if line["event"] == "ledger_not_signed"] == [True]
    faults.heal(lab.servers, "refuse-checkpoints")
    set_warning(watch, "portal.ledger_checked", 4, devops)  # instead of after a quarter of an hour
    prove(lab, watch, "refuse-checkpoints", examine, A_MINUTE)


def test_hours_that_nobody_packs_are_told_though_none_was_ever_packed(
    own: Portal, watch: Watch, lab: Lab, fault: Inject
) -> None:
    prove(lab, watch, "hold-sealing", history().settle, timedelta(minutes=20))


def test_partitions_that_are_lost_ahead_are_told_with_their_gap(
    own: Portal, watch: Watch, lab: Lab, fault: Inject
) -> None:
    prove(lab, watch, "lose-partitions", upkeep.make_ahead, A_MINUTE)


def test_a_partition_that_a_dump_holds_is_told_as_overdue_and_upkeep_as_failing(
    own: Portal, watch: Watch, lab: Lab, fault: Inject
) -> None:
    prove(lab, watch, "endless-dump", upkeep.drop_past, timedelta(minutes=31))


def traces(own: Portal) -> list[tuple[str, ...]]:
    """All that these faults touch: tables and functions of the store with who may do what, the ledger's triggers and its first entry."""
    with own.store() as store:
        return store.execute(TRACES).fetchall()


@pytest.mark.parametrize(
    "name", ["alter-ledger", "refuse-checkpoints", "hold-sealing", "lose-partitions", "endless-dump"]
)
def test_it_leaves_nothing_behind_though_it_never_got_in_or_the_portal_is_gone(
    own: Portal, watch: Watch, lab: Lab, fault: Inject, devops: Person, name: str
) -> None:
    set_warning(watch, "portal.worker", 11, devops)  # the ledger's first entry
    upkeep.make_ahead(watch.slot)
    before = traces(own)
    record = FAULTS[name].remember(lab.servers)
    for known in ({}, {**record, "database": "of_another_portal"}, record):
        FAULTS[name].heal(lab.servers, known)
    assert traces(own) == before
    fault(name)
    assert traces(own) != before
    environment.forget(lab.layout.run)
    assert faults.heal_all(Lab(lab.directory).servers) == [name]  # as a later process does
    assert traces(own) == before
    with pytest.raises(FaultImpossible, match="No portal runs"):
        fault(name)


def test_what_cannot_be_altered_or_lost_yet_is_said(own: Portal, lab: Lab, fault: Inject) -> None:
    with pytest.raises(FaultImpossible, match="no entry yet"):
        fault("alter-ledger")
    with own.store() as store:
        store.execute("SELECT metrics_make_partitions('metrics_poll', current_date, 8)")
        store.execute(
            "INSERT INTO metrics_poll (node_id, at, duration_seconds) VALUES (1, now() + interval '3 days', 0)"
        )
    with pytest.raises(FaultImpossible, match="rows of a day to come"):
        fault("lose-partitions")
    environment.keep(lab.layout.run, {**environment.kept(lab.layout.run), "OPSPORTAL_HISTORY": "prometheus"})
    with pytest.raises(FaultImpossible, match="a store of its own"):
        fault("hold-sealing")
    assert not faults.active(lab.servers)
