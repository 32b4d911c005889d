"""One poll of a tier, from claiming its slot to the alerts: ask, measure, judge, keep. What the Celery task runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from threading import Lock

import structlog
from django.conf import settings
from django.db import transaction

from apps.metrics import inward, secrets, store
from apps.metrics.budget import COST, Duty, duties, rests
from apps.metrics.collect import Before, Collector, NodePoll
from apps.metrics.histories import history
from apps.metrics.hosts import reach
from apps.metrics.judge import Measured, measure
from apps.metrics.kernel import Failure, FailureKind, NodeKind, NodeRole, Row, Rows, TierView
from apps.metrics.models import LatestAnswer, Node, Tier
from apps.metrics.probe import FAST, SLOW, Probe
from apps.metrics.readers import Identity, Target
from apps.metrics.readers.reach import Reach
from apps.metrics.record import record
from apps.metrics.registry import probes, tier_probes
from apps.telemetry.tracing import span

log = structlog.get_logger()

NODES_KEPT = 1024


@dataclass(slots=True)
class Memory:
    """What a worker remembers between the polls of a tier; lost with it and read again from the store."""

    before: dict[tuple[int, str], Before] = field(default_factory=dict)
    tier_answers: dict[str, tuple[datetime, Rows]] = field(default_factory=dict)
    itself: tuple[datetime, Row] | None = None
    identities: dict[int, Identity] = field(default_factory=dict)
    slot: datetime | None = None
    lock: Lock = field(default_factory=Lock)


_memories: dict[int, Memory] = {}


@cache
def collector() -> Collector:
    """The process's collector; made at the first poll, after any fork."""
    return Collector(settings.NODE_DEADLINE)


def slot_of(now: datetime) -> datetime:
    """The scheduled moment a poll at `now` belongs to: the last whole multiple of the interval."""
    seconds = int(now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % settings.POLL_SECONDS, UTC)


def targets_of(tier: Tier) -> list[Target]:
    """The tier's nodes with their passwords, in the order they were added."""
    nodes = Node.objects.filter(tier=tier).values_list("pk", "name", "kind", "role", "address", "secret")
    within = reach()
    return [_target(*node, within=within) for node in nodes]


@lru_cache(NODES_KEPT)
def _target(pk: int, name: str, kind: str, role: str, address: str, secret: str, *, within: Reach) -> Target:
    """One node, ready to be read; decrypting its password costs more than asking it."""
    return Target(pk, name, NodeKind(kind), NodeRole(role), secrets.whole(address, secret), within)


def due(target: Target, memory: Memory, now: datetime, duty: Duty = Duty.FULL) -> list[Probe]:
    """The probes of a node's kind whose turn it is; slow ones start spread by node so that they do not come together."""
    found = []
    for probe in probes().values():
        if probe.kind is not target.kind or not _wanted(probe, target, memory):
            continue
        if duty is not Duty.FULL and probe.every >= SLOW:
            continue
        last = memory.before.get((target.id, probe.id))
        early = timedelta(seconds=settings.POLL_SECONDS / 2)
        if probe.every == FAST or last is None or now - last.at >= probe.every - early:
            found.append(probe)
    return found


def _wanted(probe: Probe, target: Target, memory: Memory) -> bool:
    if probe.wanted is None:
        return True
    answers = {other: before.rows for (node, other), before in memory.before.items() if node == target.id}
    return probe.wanted(target.name, answers | {name: rows for name, (_at, rows) in memory.tier_answers.items()})


def poll(tier: Tier, slot: datetime) -> Measured | None:
    """Poll a tier for one slot. Returns what was measured, or None when the slot was already taken or its time is over.

    Every node gets exactly one row for a slot that is polled: a value or a typed failure. A poll that hangs in the store keeps one more
    thread at most, not all: whoever waits behind it gives up when the next one is due. One that was held up until this process made a
    later one would write what is now as of then, and is left out.
    """
    memory = _memories.setdefault(tier.pk, Memory())
    if not memory.lock.acquire(timeout=settings.POLL_SECONDS):
        log.warning("poll.behind", tier=tier.slug, slot=slot.isoformat(), problem="the poll before it still goes on")
        return None
    try:
        if memory.slot is not None and slot < memory.slot <= datetime.now(UTC):
            log.warning("poll.late", tier=tier.slug, slot=slot.isoformat(), problem="a later one was made meanwhile")
            return None
        if not store.claim(tier, slot):
            return None
        memory.slot = slot
        return _poll(tier, slot, memory)
    finally:
        memory.lock.release()


def _poll(tier: Tier, slot: datetime, memory: Memory) -> Measured:
    if not memory.tier_answers:
        recall(tier, memory)
    targets = targets_of(tier)
    with span("ask", tier=tier.slug, nodes=len(targets)):
        polled = _ask(targets, memory, slot)
    with span("judge", tier=tier.slug):
        measured = assess(tier, slot, polled, memory)
    with span("record", tier=tier.slug), transaction.atomic():
        record(tier, slot, polled, measured)
    remember(memory, slot, polled, measured)
    down = {p.target.name: p.failure.message for p in polled if p.failure and not p.resting}
    log.info("polled", tier=tier.slug, slot=slot.isoformat(), nodes=len(polled), **({"down": down} if down else {}))
    return measured


def _ask(targets: Sequence[Target], memory: Memory, slot: datetime) -> list[NodePoll]:
    """Ask every node as much as its budget allows; one that is left alone in this slot has its row all the same, with the reason."""
    _at, rows = memory.tier_answers.get(COST, (slot, ()))
    known = duties(rows)
    duty = {t.id: known.get(t.name, Duty.FULL) for t in targets}
    asked = [t for t in targets if not rests(duty[t.id], slot, t.id, settings.POLL_SECONDS)]
    polled = collector().poll(asked, {t.id: due(t, memory, slot, duty[t.id]) for t in asked}, memory.before)
    if not any(duty.values()):
        return polled
    found = {one.target.id: one for one in polled}
    return [
        replace(found[t.id], sparing=duty[t.id] is not Duty.FULL) if t.id in found else _rested(t, memory, duty[t.id])
        for t in targets
    ]


def _rested(target: Target, memory: Memory, duty: Duty) -> NodePoll:
    message = f"Backed off: watching it costs more than its cap, so it is asked in one of {duty.share} slots."
    failure = Failure(FailureKind.BACKED_OFF, message)
    identity = memory.identities.get(target.id)
    return NodePoll(target, identity, failure, timedelta(0), None, datetime.now(UTC), sparing=True)


def assess(tier: Tier, at: datetime, polled: Sequence[NodePoll], memory: Memory) -> Measured:
    """What these answers say together, at this moment."""
    view = TierView(at, tuple(p.view for p in polled), portal=_portal(tier, at, memory))
    return measure(view, tier_probes().values(), memory.tier_answers)


def remember(memory: Memory, at: datetime, polled: Sequence[NodePoll], measured: Measured) -> None:
    """Keep the answers that the next poll's counters are derived from."""
    for one in polled:
        if one.identity is not None:
            memory.identities[one.target.id] = one.identity
        for answer in one.answers.values():
            if answer.failure is None:
                memory.before[one.target.id, answer.probe_id] = Before(answer.rows, one.at)
    for probe, answer in measured.tier_answers.items():
        if answer.failure is None:
            memory.tier_answers[probe] = (at, answer.rows)
        else:  # what it said before may be what it could not read
            memory.tier_answers.pop(probe, None)


def recall(tier: Tier, memory: Memory) -> None:
    """After a restart: the latest answers as they were stored, so that counters and lags go on."""
    for row in LatestAnswer.objects.filter(tier=tier, failure=""):
        if row.node_id is None:
            memory.tier_answers[row.probe] = (row.at, tuple(row.rows))
        else:
            memory.before[row.node_id, row.probe] = Before(tuple(row.rows), row.at)


def _portal(tier: Tier, at: datetime, memory: Memory) -> Row:
    """What the portal knows of itself: of its polls now, of the rest as it was read within the last minute."""
    if memory.itself is None or not timedelta(0) <= at - memory.itself[0] < inward.AGAIN:
        memory.itself = (at, inward.whole(datetime.now(UTC)))
    return {**inward.polls(tier, at), **memory.itself[1], "caps": _caps()}


def _caps() -> Row:
    """What watching one node may cost, as `budget.Caps` takes it."""
    return {
        "ms_per_minute": settings.NODE_MS_PER_MINUTE,
        "bytes_per_poll": settings.NODE_BYTES_PER_POLL,
        "connections": settings.NODE_CONNECTIONS,
        "slot_seconds": settings.POLL_SECONDS,
    }


def forget(tier: Tier | None = None) -> None:
    """Drop what this process remembers of a tier, or of all of them, as a restart does."""
    if tier is None:
        _memories.clear()
        history.cache_clear()  # it knows the numbers of series
    else:
        _memories.pop(tier.pk, None)
