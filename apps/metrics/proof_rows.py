"""What is known of each check's proof, as the catalogue and the check's own page tell it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.utils import timezone

from apps.metrics.models import Proof, Tier
from apps.metrics.proofs import Known, breaker, faults_of
from apps.metrics.registry import checks

OLD = timedelta(days=90)
"""After so long a proof is told as old: servers, thresholds and questions have changed since."""


class Stage(StrEnum):
    """How far the proof of a check is."""

    PROVEN = "proven"
    OLD = "old"
    AWAITED = "awaited"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Proving:
    """The newest proof of a check; the faults that are declared to fire it, and what to type to have it proved.

    `proofs`: the newest of each fault, the newest first. `elsewhere`: it was seen on another tier than the one that is looked at.
    """

    proofs: Sequence[Proof] = ()
    faults: Sequence[Known] = ()
    command: str = ""
    elsewhere: bool = False

    @property
    def newest(self) -> Proof | None:
        """The proof that is shown."""
        return self.proofs[0] if self.proofs else None

    @property
    def by_fault(self) -> list[tuple[Known, Proof | None]]:
        """Each fault that should fire it, with its own proof."""
        seen = {proof.fault: proof for proof in reversed(self.proofs)}
        return [(fault, seen.get(fault.name)) for fault in self.faults]

    @property
    def stage(self) -> Stage:
        """How far it is. A proof stays one where its fault no longer exists."""
        if self.newest is None or self.newest.fired_at is None:
            return Stage.AWAITED if self.faults else Stage.NONE
        return Stage.OLD if timezone.now() - self.newest.fired_at > OLD else Stage.PROVEN


def of_all(tier: Tier | None) -> dict[str, Proving]:
    """Of every check what is known, on this tier or else on any other; one query."""
    found: dict[str, list[Proof]] = {check_id: [] for check_id in checks()}
    for proof in _proofs():
        if proof.check_id in found:
            found[proof.check_id].append(proof)
    return {check_id: _proving(check_id, proofs, tier) for check_id, proofs in found.items()}


def of_one(check_id: str, tier: Tier | None) -> Proving:
    """What is known of one check."""
    return _proving(check_id, [proof for proof in _proofs() if proof.check_id == check_id], tier)


def _proofs() -> list[Proof]:
    return list(Proof.objects.filter(passed_at__isnull=False).select_related("tier").order_by("-fired_at"))


def _proving(check_id: str, proofs: Sequence[Proof], tier: Tier | None) -> Proving:
    here = [proof for proof in proofs if tier is not None and proof.tier_id == tier.pk]
    source = breaker()
    command = f"{source.command} {check_id}" if source else ""
    return Proving(here or proofs, faults_of(check_id), command, bool(proofs) and not here)
