"""Overriding verdicts, on the record: the verdict stays, a new entry says who lets the week go on all the same, why, and until when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.kernel import State, worst
from apps.metrics.registry import checks
from apps.playbook.plan import Week
from apps.rollouts.gates import ENOUGH, Gate, stands
from apps.rollouts.models import Override, Rollout
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.watching import runs

LENGTHS = {
    "1h": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Something that can be overridden now: a gate as a whole, one of its parts, or a check wherever the week uses it."""

    name: str
    title: str
    state: State
    critical: bool


def scopes(at: Progress) -> tuple[Scope, ...]:
    """What could be overridden in a week: whatever of its gates does not let it go on and is not overridden yet."""
    found: dict[str, Scope] = {}
    for gate in at.gates:
        if gate.may_be_overridden and gate.counts not in ENOUGH:
            for scope in _of_gate(gate, at.week, going_on=gate.slug == "watched" and runs(at.done)):
                found.setdefault(scope.name, scope)
    return tuple(found.values())


def _of_gate(gate: Gate, week: Week, *, going_on: bool) -> Iterator[Scope]:
    """`going_on`: its parts have no verdict yet, so that only the whole of it can be set aside."""
    yield Scope(gate.scope, _("The gate %(gate)s as a whole") % {"gate": gate.title}, gate.verdict, critical=True)
    if going_on:
        return
    for part in gate.missing:
        if part.scope != "comparison":
            critical = part.critical or part.check in critical_checks(week)
            yield Scope(part.scope, part.title, part.state, critical)
        if part.check and gate.slug != "baseline":
            known = checks().get(part.check)  # a pinned playbook may name one that a later version no longer has
            title = _("The check %(check)s, wherever this week uses it") % {
                "check": known.title if known else part.check
            }
            yield Scope(f"check:{part.check}", title, part.state, part.check in critical_checks(week))


def critical_checks(week: Week) -> frozenset[str]:
    """The checks that one person alone does not set aside: those of critical items, and those that trigger a rollback."""
    triggers = week.rollback.triggers if week.rollback else ()
    return frozenset({*triggers, *(item.check for item in week.items() if item.critical and item.check)})


def override(rollout: Rollout, at: Progress, name: str, reason: str, length: str, by: Person) -> Override:
    """
    Override a verdict, or propose it where it is critical. `name`: of a scope; `length`: a key of LENGTHS.

    Raises:
        Refused: there is nothing of that name to override, the reason is too short, or the week is not open or signed.
    """
    if len(reason.strip()) < 20:
        raise Refused(_("Say in at least twenty characters why the week may go on; it is signed by everybody with it."))
    if length not in LENGTHS:
        raise Refused(_("Choose how long it is to count: 1 hour, 8 hours, 24 hours or 7 days."))
    with transaction.atomic():
        now_at = locked(rollout, at.week.slug)
        _refuse(now_at)
        scope = next((one for one in scopes(now_at) if one.name == name), None)
        if scope is None:
            raise Refused(_("Nothing of this kind is in the way now, so there is nothing to override."), status=409)
        if any(
            o.scope == name and o.ended_at is None and o.expires_at > datetime.now(UTC) for o in now_at.done.overrides
        ):
            raise Refused(_("This is overridden or proposed already; nothing was changed."), status=409)
        now = datetime.now(UTC)
        made = Override.objects.create(
            rollout=rollout, week=at.week.slug, by=by, at=now, scope=name, title=scope.title, verdict=scope.state.value,
            reason=reason, expires_at=now + LENGTHS[length], critical=scope.critical,
        )  # fmt: skip
        _enter(made, at, "rollout.override", by, {"reason": reason, "critical": scope.critical})
    return made


def confirm(rollout: Rollout, at: Progress, found: Override, by: Person) -> None:
    """Be the second person of a critical override. Raises Refused: it is one's own, not waiting any more, or expired."""
    with transaction.atomic():
        now_at = locked(rollout, at.week.slug)
        _refuse(now_at)
        held = Override.objects.get(pk=found.pk)
        if held.by_id == by.pk:
            raise Refused(_("You proposed this override; another person has to confirm it."), status=409)
        if held.settled or held.ended_at is not None or held.expires_at <= datetime.now(UTC):
            raise Refused(_("This override does not wait for anybody any more; nothing was changed."), status=409)
        if worse := _worse(now_at, held):
            text = _("Since it was proposed it became worse (%(state)s). Decline this override and propose it anew.")
            raise Refused(text % {"state": worse}, status=409)
        held.confirmed_by, held.confirmed_at = by, datetime.now(UTC)
        held.save(update_fields=["confirmed_by", "confirmed_at"])
        _enter(held, at, "rollout.confirm-override", by, {"reason": held.reason, "proposed_by": held.by.username})


def _worse(at: Progress, held: Override) -> str:
    """The present verdict of what a proposed override is of, where it is worse than the one proposed for."""
    scope = next((one for one in scopes(at) if one.name == held.scope), None)
    if scope is None or worst([scope.state, State(held.verdict)]) == held.verdict:
        return ""
    return str(scope.state.value)


def take_back(rollout: Rollout, at: Progress, found: Override, why: str, by: Person) -> None:
    """End an override before it expires, or decline a proposed one; it stays on record. Raises Refused."""
    if len(why.strip()) < 10:
        raise Refused(_("Say in at least ten characters why this override ends."))
    with transaction.atomic():
        now_at = locked(rollout, at.week.slug)
        if now_at.signed:
            raise Refused(_("This week is signed with this override. A signer has to revoke first."), status=409)
        changed = Override.objects.filter(pk=found.pk, ended_at=None).update(
            ended_at=datetime.now(UTC), ended_by=by, ended_why=why
        )
        if not changed:
            raise Refused(_("This override was ended already; nothing was changed."), status=409)
        _enter(found, at, "rollout.end-override", by, {"why": why})


def _refuse(at: Progress) -> None:
    if not at.open:
        text = _("This week is not open yet: %(week)s must be fully signed first.")
        raise Refused(text % {"week": at.waits_for}, status=409)
    if at.signed:
        raise Refused(_("This week is signed; there is nothing to override."), status=409)


def _enter(made: Override, at: Progress, kind: str, by: Person, body: dict[str, Any]) -> None:
    append(
        kind=kind,
        subject=f"rollout/{made.rollout_id}/{at.week.slug}/override",
        actor=by.username,
        body={
            "rollout": made.rollout.name, "week": at.week.title, "scope": made.scope, "title": made.title,
            "verdict": made.verdict, "expires": made.expires_at.isoformat(), "number": made.pk, **body,
        },
        tier=made.rollout.tier.slug,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """An override as the page shows it."""

    override: Override
    counts: bool
    waits: bool


def override_rows(at: Progress) -> tuple[OverrideRow, ...]:
    """All overrides of a week, those that count or wait first."""
    now = datetime.now(UTC)
    found = [
        OverrideRow(o, stands(o, now), not o.settled and o.ended_at is None and o.expires_at > now)
        for o in at.done.overrides
    ]
    return tuple(sorted(found, key=lambda row: not (row.counts or row.waits)))
