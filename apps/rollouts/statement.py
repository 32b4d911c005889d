"""The statement a person signs: exactly which bytes, and the same in words.

`covered` is the week's part, the same for every slot; a signature is stale when it is no longer what was signed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from apps.ledger.leaf import canonical

if TYPE_CHECKING:
    from apps.accounts.models import Person
    from apps.playbook.plan import SignOff, Week
    from apps.rollouts.models import Decision, Rollout
    from apps.rollouts.progress import Done

FORMAT = "opsportal-statement/1"


def covered(rollout: Rollout, week: Week, done: Done) -> dict[str, Any]:
    """What a signature of this week covers: plan, checklist, baselines, deployments, issues."""
    return {
        "rollout": {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug},
        "playbook": rollout.pin.digest,
        "week": week.slug,
        "items": {
            slug: {"outcome": tick.outcome, "evidence": tick.digest, "by": tick.by.username, "at": tick.at.isoformat()}
            for slug, tick in sorted(done.ticks.items())
        },
        "baselines": {slug: baseline.digest for slug, baseline in sorted(done.baselines.items())},
        "deployments": [
            {"what": d.what, "by": d.by.username, "at": d.at.isoformat(), "minutes": d.minutes}
            for d in done.deployments
        ],
        "issues": [
            {"id": issue.pk, "text": issue.text, "open": issue.resolved_at is None, "resolution": issue.resolution}
            for issue in done.issues
        ],
    }


def statement(
    rollout: Rollout, week: Week, done: Done, off: SignOff, *, by: Person, decision: Decision | str, reason: str
) -> dict[str, Any]:
    """Everything one signature says: the covered part, and who says what about it."""
    return {
        "format": FORMAT,
        "covered": covered(rollout, week, done),
        "slot": off.slug,
        "meaning": off.meaning,
        "decision": str(decision),
        "reason": reason,
        "signer": by.username,
    }


def exact(value: dict[str, Any]) -> bytes:
    """The bytes that are digested and kept: canonical JSON (RFC 8785)."""
    return canonical(value)


def digest_of(value: dict[str, Any]) -> str:
    """SHA-256 of the exact bytes, in hexadecimal."""
    return hashlib.sha256(exact(value)).hexdigest()
