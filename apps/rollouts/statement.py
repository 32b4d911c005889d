"""The statement a person signs: exactly which bytes, and the same in words.

`covered` is the week's part, the same for every slot; a signature is stale when it is no longer what was signed.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.ledger.leaf import canonical

if TYPE_CHECKING:
    from datetime import datetime

    from apps.playbook.plan import SignOff, Week
    from apps.rollouts.models import Issue, Rollout
    from apps.rollouts.progress import Done

FORMAT = "opsportal-statement/2"


def covered(rollout: Rollout, week: Week, done: Done) -> dict[str, Any]:
    """What a signature of this week covers: plan, checklist, baselines, comparison, deployments, issues."""
    said: dict[str, Any] = {
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
        "issues": [_issue(issue) for issue in done.issues],
    }
    if done.comparison:  # what was signed before there was one goes on covering the same
        said["comparison"] = {"state": done.comparison.state, "digest": done.comparison.digest}
    return said


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and how they will be recognised; `method` is one of `models.Method`."""

    username: str
    name: str
    method: str

    def envelope(self, now: datetime) -> dict[str, Any]:
        """What every signed statement says of its making. The nonce makes no two statements alike, so that no signature serves twice."""
        attested = "authenticator" if self.method == "passkey" else "server"
        return {
            "signer": self.username,
            "signer_name": self.name,
            "method": self.method,
            "attested_by": attested,
            "drawn_at": now.isoformat(),
            "nonce": secrets.token_hex(16),
        }


def _issue(issue: Issue) -> dict[str, Any]:
    """Whether it blocks and has files is said only where it does, so that what was signed before there were any stays what it was."""
    said: dict[str, Any] = {"id": issue.pk, "text": issue.text, "by": issue.by.username}
    if issue.blocker:
        said["kind"] = "blocker"
    if issue.files:
        said["files"] = {file["name"]: file["sha256"] for file in issue.files}
    return said


@dataclass(frozen=True, slots=True)
class Vote:
    """What one signer says, in which role; `reason` may be empty for an approval."""

    role: str
    decision: str
    reason: str


def statement(rollout: Rollout, week: Week, done: Done, off: SignOff, vote: Vote) -> dict[str, Any]:
    """Everything one signature says of the week: the covered part, the issues open at that moment, any waiver, and the vote."""
    waiver = rollout.waiver
    return {
        "format": FORMAT,
        "week_title": week.title,
        "slot_title": off.title,
        "waiver": {"digest": waiver.digest, "by": waiver.by.username, "why": waiver.why} if waiver else None,
        "covered": covered(rollout, week, done),
        "open_issues": [issue.pk for issue in done.issues if issue.resolved_at is None],
        "slot": off.slug,
        "role": vote.role,
        "meaning": off.meaning,
        "decision": vote.decision,
        "reason": vote.reason,
    }


def exact(value: dict[str, Any]) -> bytes:
    """The bytes that are digested and kept: canonical JSON (RFC 8785)."""
    return canonical(value)


def digest_of(value: dict[str, Any]) -> str:
    """SHA-256 of the exact bytes, in hexadecimal."""
    return hashlib.sha256(exact(value)).hexdigest()
