"""Proving checks: at each poll, which fault is in on purpose, and what the checks say that it should fire.

Whoever puts faults in (the lab) declares itself here; the poller knows it only so. A proof is strict: the fault was the only one in, the
check passed before, warned or failed under it, and passed again when no fault was in any more. Of a fault under which nobody polls the
watchman is the witness, as far as the portal's own checks go; that they pass again is seen by polls.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from apps.metrics.alerts import Stood
from apps.metrics.checks import SILENT_AFTER
from apps.metrics.judge import Key
from apps.metrics.kernel import Check, NodeKind, NodeRole, State, Verdict
from apps.metrics.models import NodeStatus, Proof, Tier

FIRED = frozenset({State.WARN, State.FAIL})
UNSOUND = FIRED | {State.ERROR, State.NO_DATA}


@dataclass(frozen=True, slots=True)
class Known:
    """A fault that can be put in: its name, what it does, and the checks that it is declared to fire."""

    name: str
    says: str
    fires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breaker:
    """Who puts faults in.

    `under_way`: the faults in a tier now, by name, with the time they were put in; None where it can put in none. `build`: what the portal
    is called that saw it. `command`: what a person types to prove one check; its id follows.
    """

    faults: tuple[Known, ...]
    under_way: Callable[[Tier], Mapping[str, datetime] | None]
    build: Callable[[], str]
    command: str


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll as proofs see it: the checks as they count, their verdicts before and now.

    `last`: where nobody polls, the last poll that was kept, whose verdicts are those before; `slot` is then the moment they were judged at.
    """

    tier: Tier
    slot: datetime
    checks: Mapping[str, Check]
    before: Mapping[Key, Stood]
    verdicts: Mapping[Key, Verdict]
    last: datetime | None = None


_breakers: list[Breaker] = []


def declare(breaker: Breaker) -> None:
    """Make known who puts faults in; there is one at most."""
    _breakers[:] = [breaker]


def breaker() -> Breaker | None:
    """Who puts faults in; None where nobody does."""
    return _breakers[0] if _breakers else None


def faults_of(check_id: str) -> list[Known]:
    """The faults that are declared to fire a check, in their own order."""
    found = breaker()
    return [fault for fault in found.faults if check_id in fault.fires] if found else []


def under_way(tier: Tier) -> Mapping[str, datetime] | None:
    """The faults that are in now, with the time they were put in; None where nobody can put one into this tier."""
    source = breaker()
    return source.under_way(tier) if source else None


def follow(poll: Poll) -> None:
    """Take each proof of the tier one step further; call inside the poll's transaction. Costs a query where faults can be put in."""
    active = under_way(poll.tier)
    if active is None:
        return
    awaited = list(Proof.objects.filter(tier=poll.tier, passed_at=None))
    if active:
        _fire(poll, active, awaited)
    elif awaited:
        _pass(poll, awaited)


def witness(poll: Poll) -> None:
    """The same while nobody polls: only what fires. A portal that was silent when the fault was put in proves nothing by its silence."""
    active = under_way(poll.tier)
    if not active or poll.last is None:
        return
    if max(active.values()) - poll.last <= timedelta(seconds=SILENT_AFTER):
        _fire(poll, active, list(Proof.objects.filter(tier=poll.tier, passed_at=None)))


def _fire(poll: Poll, active: Mapping[str, datetime], awaited: Iterable[Proof]) -> None:
    alone = next(iter(active)) if len(active) == 1 else ""
    mine = [proof for proof in awaited if (proof.fault, proof.put_in_at) == (alone, active.get(alone))]
    _forget(proof for proof in awaited if proof not in mine)
    expected = {proof.check_id: proof for proof in mine}
    source = breaker()
    known = next((fault for fault in source.faults if fault.name == alone), None) if source else None
    for check_id in known.fires if known else ():
        proof = expected.get(check_id)
        if proof is None:
            if not passed_before(poll, check_id) or _fired_already(awaited, check_id, alone):
                continue
            proof = Proof(tier=poll.tier, check_id=check_id, fault=alone, put_in_at=active[alone])
            Proof.objects.bulk_create([proof], ignore_conflicts=True)  # the watchman may have expected it just now
        fired = [verdict for verdict in _of(check_id, poll.verdicts) if verdict.state in FIRED]
        if proof.fired_at is None and fired:
            _write(poll, proof, max(fired, key=lambda verdict: verdict.state is State.FAIL))


def _fired_already(awaited: Iterable[Proof], check_id: str, fault: str) -> bool:
    """Whether an earlier proof by this fault still waits for the check to pass."""
    return any((proof.check_id, proof.fault) == (check_id, fault) and proof.fired_at for proof in awaited)


def _write(poll: Poll, proof: Proof, verdict: Verdict) -> None:
    source = breaker()
    same = {"tier": poll.tier, "check_id": proof.check_id, "fault": proof.fault, "put_in_at": proof.put_in_at}
    Proof.objects.filter(**same, fired_at=None).update(
        fired_at=poll.slot,
        state=verdict.state.value,
        value=verdict.value,
        node=verdict.node,
        object=verdict.object[:200],
        portal=source.build()[:80] if source else "",
        postgresql=_postgresql(poll.tier, verdict.node),
    )


def _postgresql(tier: Tier, node: str) -> str:
    """The version of PostgreSQL on this node, or on the primary where it is none, without its packager's; as it was known last."""
    servers = NodeStatus.objects.filter(node__tier=tier, node__removed_at=None, node__kind=NodeKind.POSTGRES)
    versions = dict(servers.values_list("node__name", "version"))
    primary = servers.filter(node__role=NodeRole.PRIMARY).values_list("version", flat=True).first()
    return versions.get(node, primary or "").partition(" ")[0]


def _pass(poll: Poll, awaited: Sequence[Proof]) -> None:
    """No fault is in: what fired and passes now is proved; what did not fire is forgotten."""
    _forget(awaited)
    for proof in awaited:
        if proof.fired_at is not None and passes(_of(proof.check_id, poll.verdicts)):
            same = {"tier": poll.tier, "check_id": proof.check_id, "fault": proof.fault}
            Proof.objects.filter(**same, passed_at__isnull=False).delete()
            proof.passed_at = poll.slot
            proof.save()


def _forget(proofs: Iterable[Proof]) -> None:
    unmet = [proof.pk for proof in proofs if proof.fired_at is None]
    if unmet:
        Proof.objects.filter(pk__in=unmet).delete()


def passes(verdicts: Iterable[Verdict]) -> bool:
    """Whether a check passes as a whole: somewhere it does, and nowhere it is bad or without data; what is not conclusive says nothing."""
    states = {verdict.state for verdict in verdicts}
    return State.PASS in states and not states & UNSOUND


def passed_before(poll: Poll, check_id: str) -> bool:
    """Whether a check passed at the poll before, by what was measured lately: an outage of the portal is no witness."""
    stood = [found.verdict for key, found in poll.before.items() if key[0] == check_id]
    check = poll.checks.get(check_id)
    if check is None or not passes(stood):
        return False
    oldest = (poll.last or poll.slot) - check.stale_after - timedelta(seconds=settings.POLL_SECONDS)
    return all(verdict.at is not None and verdict.at >= oldest for verdict in stood if verdict.state is State.PASS)


def _of(check_id: str, verdicts: Mapping[Key, Verdict]) -> list[Verdict]:
    return [verdict for key, verdict in verdicts.items() if key[0] == check_id]
