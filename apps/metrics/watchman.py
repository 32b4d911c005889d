"""Who tells that the portal went silent: the web server's processes and beat, since a worker that is dead judges and sends nothing.

Each looks once an interval whether every tier was polled. Where one was not, it opens the alert of `portal.silence` as a poll would, puts
the notices into the outbox, and sends what is due itself. An advisory lock and the alert, which is open once, make it one notice however
many look. The worker's first polls close the alert, and it tells that as ever. Where the silence was made on purpose, by a fault of the
lab, it is the witness that the portal's own checks fire.
"""

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from apps.metrics import inward, outbox, proofs, silence, store
from apps.metrics.alerts import Kind
from apps.metrics.announce import Change, Told, announce
from apps.metrics.checks import SILENT_AFTER
from apps.metrics.inward_checks import SILENCE
from apps.metrics.judge import TIER
from apps.metrics.kernel import Check, State
from apps.metrics.models import Alert, Tier
from apps.metrics.muting import covering, running
from apps.metrics.record import standings
from apps.metrics.thresholds import limits
from apps.telemetry.forking import Work

log = structlog.get_logger()

_looking = Work()
LOCK = 0x6F707377  # one who tells at a time: "opsw"
PATIENCE = "SET LOCAL lock_timeout = '2s'"  # a worker may have been frozen while it wrote of the same proof


def watch(now: datetime | None = None) -> int:
    """Tell of every tier that is silent, once each, and send what is due while one is; how many alerts were opened."""
    now = now or datetime.now(UTC)
    least = timedelta(seconds=SILENT_AFTER)
    silent = store.silent_tiers(now - least, now + least)
    if not silent:
        return 0
    with transaction.atomic():
        opened = [pk for pk, last in silent if _opened(pk, last, now)] if _locked() else []
    outbox.deliver()  # retries and whatever else waits, too: nobody else sends
    for pk, last in silent:
        _witness(pk, last, now)
    return len(opened)


def _locked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _opened(tier_id: int, last: datetime, now: datetime) -> bool:
    """Open the alert where the silence has lasted for its hold and it is not open yet; notices with it, in the same transaction."""
    tier = Tier.objects.filter(pk=tier_id).first()
    if tier is None:
        return False
    check = limits(tier).checks[SILENCE]
    lasted = abs(now - last)
    state = _state(check, lasted)
    same = {"tier": tier, "node": None, "check_id": SILENCE, "object": "", "kind": Kind.LIMIT.value}
    if state is None or Alert.objects.filter(**same, closed_at=None).exists():
        return False
    value, limit = lasted.total_seconds(), check.fail if state is State.FAIL else check.warn
    alert = Alert(**same, state=state.value, value=value, threshold=limit, opened_at=now, updated_at=now)
    alert.mute = covering(running(tier, now), alert)
    alert.announced = "" if alert.quiet else state.value
    alert.save()
    cause = silence.now().cause
    log.error("portal.silent", tier=tier.slug, seconds=round(value), cause=cause)
    if not alert.quiet:
        announce(tier, now, [replace(Told.of(alert, check, "", Change.OPENED), object=cause)])
    return True


def _witness(tier_id: int, last: datetime, now: datetime) -> None:
    """See the portal's own checks fire where somebody put in a fault under which nobody polls; the rest of the time it asks nothing."""
    tier = Tier.objects.filter(pk=tier_id).first()
    if tier is None or not proofs.under_way(tier):
        return
    found = inward.judged(tier, last, now)
    verdicts = {(v.check_id, v.node or TIER, v.object[:200]): v for v in found.verdicts}
    with transaction.atomic():
        if _locked():
            with connection.cursor() as cursor:
                cursor.execute(PATIENCE)
            proofs.witness(proofs.Poll(tier, now, found.limits.checks, standings(tier), verdicts, last))


def _state(check: Check, lasted: timedelta) -> State | None:
    """How bad a silence is that has lasted for the check's hold; None while it is not."""
    held = (lasted - check.hold_of(State.FAIL)).total_seconds()
    return next((s for s in (State.FAIL, State.WARN) if check.judge(held, timedelta(0)) is s), None)


class Watchman:
    """Looks once an interval, on a thread of its own, until the process ends."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        threading.Thread(target=self._go_on, name="watchman", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _go_on(self) -> None:
        while not self._ended.wait(settings.POLL_SECONDS):
            try:
                with _looking:
                    watch()
            except (
                DatabaseError,
                InterfaceError,
            ) as error:  # our store is away: /readyz says so, and nobody knows whom to tell
                log.warning("watchman", problem=type(error).__name__)
            except Exception:  # whatever it is, it is told, and the watch goes on
                log.exception("watchman.stuck")
            finally:
                connection.close()


_watching: list[Watchman] = []


def begin() -> None:
    """Watch from this process, and from those that it forks."""
    _start()
    os.register_at_fork(after_in_child=_start)


def rest() -> None:
    """Watch no more from this process: it only forks others, which do, and a fork would wait for what is under way."""
    for one in _watching:
        one.end()


def _start() -> None:
    _watching[:] = [Watchman()]
