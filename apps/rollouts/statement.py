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
    from apps.rollouts.models import Issue, Override, RollbackRun, Rollout
    from apps.rollouts.progress import Done, Progress

FORMAT = "opsportal-statement/2"


def covered(rollout: Rollout, week: Week, done: Done) -> dict[str, Any]:
    """What a signature of this week covers: plan, checklist, baselines, watch, comparison, overrides, deployments, rollbacks, issues."""
    said: dict[str, Any] = {
        "rollout": {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug},
        "playbook": done.pin.digest,
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
    if done.watch and done.watch.ended_at:
        watch = done.watch
        said["watch"] = {"state": watch.state, "outcome": watch.said, "digest": watch.digest}
        if before := [
            f"{one.state}: {one.said}" for one in done.watches[:-1]
        ]:  # who repeats a watch until it passes says so
            said["watch"]["before"] = before
    if overrides := [_override(one) for one in done.overrides if one.settled]:
        said["overrides"] = overrides
    if ended := [_rollback(run) for run in done.rollbacks if run.ended_at]:
        said["rollbacks"] = ended
    return said


def _override(override: Override) -> dict[str, Any]:
    """An override with its people. That it expires changes nothing of this: a week that was signed with it stays signed."""
    said = {
        "what": override.title,
        "verdict": override.verdict,
        "reason": override.reason,
        "by": override.by.username,
        "confirmed_by": override.confirmed_by.username if override.confirmed_by else "",
        "until": override.expires_at.isoformat(),
    }
    return said | {"ended": override.ended_why} if override.ended_at else said


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
        if issue.resolved_by:
            said["closed"] = {"by": issue.resolved_by.username, "with": issue.resolution}
    if issue.files:
        said["files"] = {file["sha256"]: file["name"] for file in issue.files}
    return said


def _rollback(run: RollbackRun) -> dict[str, Any]:
    """A run that came to an end; what it took is told where it finished."""
    return {
        "drilled_on": run.drilled_on,
        "by": run.by.username,
        "at": run.at.isoformat(),
        "end": run.end,
        "took_seconds": run.took_seconds,
        "promised_seconds": run.promised_seconds,
    }


@dataclass(frozen=True, slots=True)
class Vote:
    """What one signer says, in which role; `reason` may be empty for an approval."""

    role: str
    decision: str
    reason: str


def statement(rollout: Rollout, at: Progress, off: SignOff, vote: Vote) -> dict[str, Any]:
    """Everything one signature says of the week: the covered part, the issues open at that moment, any waiver, and the vote."""
    waiver = rollout.waiver
    return {
        "format": FORMAT,
        "week_title": at.week.title,
        "slot_title": off.title,
        "waiver": {"digest": waiver.digest, "by": waiver.by.username, "why": waiver.why} if waiver else None,
        "covered": at.covered,
        "open_issues": [issue.pk for issue in at.done.issues if issue.resolved_at is None],
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
