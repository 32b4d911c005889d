"""The timeline as a document, for machines and for the digest that is printed. docs/operating.md describes its keys.

It holds what was planned and what happened, and nothing that depends on when it is read, so that the same state has the same digest.
"""

from datetime import UTC, date, datetime
from typing import Any

from apps.rollouts.dates import Planned, Span
from apps.rollouts.models import Issue
from apps.rollouts.statement import digest_of
from apps.rollouts.timeline import Row, Timeline

FORMAT = "opsportal-timeline/1"


def document(timeline: Timeline) -> dict[str, Any]:
    """The whole timeline with its digest: SHA-256 over the canonical JSON (RFC 8785) of everything but `digest`."""
    rollout = timeline.rollout
    said = {
        "format": FORMAT,
        "rollout": {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug},
        "playbook": rollout.pin.digest,
        "time_zone": rollout.tier.time_zone,
        "first_monday": _day(timeline.first_monday),
        "weeks": [_week(row) for row in timeline.rows],
        "stabilisation": {
            **_span(timeline.stabilisation),
            "duties": [{"rhythm": duty.rhythm, "what": duty.what, "runbook": duty.runbook} for duty in timeline.duties],
        },
    }
    return {**said, "digest": digest_of(said)}


def _week(row: Row) -> dict[str, Any]:
    return {
        "slug": row.week.slug,
        "title": row.week.title,
        "kind": row.week.kind.value,
        **({"playbook": row.at.done.pin.digest} if row.at.done.amendments else {}),
        "planned": _planned(row.planned) if row.planned else None,
        "actual": {
            "started": _moment(row.started),
            "deployed": _moment(row.deployed),
            "signed": _moment(row.signed),
        },
        "gates": [{"slug": gate.slug, "state": gate.state.value} for gate in row.at.gates],
        "deployments": [
            {"at": _moment(d.at), "what": d.what, "minutes": d.minutes, "by": d.by.username}
            for d in row.at.done.deployments
        ],
        "notes": [{"at": _moment(note.at), "text": note.text, "by": note.by.username} for note in row.notes],
        "issues": [_issue(issue) for issue in row.at.done.issues],
        "known_issues": [
            {"slug": seen.known.slug, "issue": seen.known.issue, "action": seen.known.action, "seen": len(seen.issues)}
            for seen in row.seen
        ],
    }


def _planned(planned: Planned) -> dict[str, Any]:
    opening = planned.window
    return {
        **_span(planned.span),
        "calendar_weeks": [number for number in planned.numbers if number],
        "days": [{"name": day.name, "what": day.what, **_span(span)} for day, span in planned.days],
        "window": {"start": _moment(opening.start), "end": _moment(opening.end)} if opening else None,
    }


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "id": issue.pk,
        "at": _moment(issue.at),
        "text": issue.text,
        "by": issue.by.username,
        "known": issue.known,
        "action": issue.action,
        "blocker": issue.blocker,
        "resolved": _moment(issue.resolved_at),
        "resolution": issue.resolution,
    }


def _span(span: Span | None) -> dict[str, str | None]:
    return {"first_day": _day(span.first if span else None), "last_day": _day(span.last if span else None)}


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None
