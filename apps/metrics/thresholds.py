"""The thresholds that count: each check as its room declares it, unless somebody set others for the tier or for a node."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.kernel import Changed, Check, Direction, Unit
from apps.metrics.models import Node, Threshold, Tier
from apps.metrics.registry import checks
from apps.metrics.units import show


class Refused(Exception):
    """These thresholds cannot be; the message says why and what to do. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A tier's checks as they are judged: `checks` by id for the tier, `of_nodes` by (check id, node name) where a node has its own."""

    checks: Mapping[str, Check]
    of_nodes: Mapping[tuple[str, str], Check]

    def of(self, check_id: str, node: str = "") -> Check | None:
        """The check that counts on a node; None when no room declares it."""
        return self.of_nodes.get((check_id, node)) or self.checks.get(check_id)


def limits(tier: Tier) -> Limits:
    """What counts on a tier now: one query."""
    of_tier, of_nodes = dict(checks()), {}
    set_by_people = in_force(tier).annotate(
        node_name=F("node__name"), name=F("by__display_name"), login=F("by__username")
    )
    for row in set_by_people:
        declared = checks().get(row.check_id)
        if declared is None:  # its room no longer declares it
            continue
        changed = Changed(declared.warn, declared.fail, row.name or row.login, row.at, row.reason)
        check = replace(declared, warn=row.warn, fail=row.fail, changed=changed)
        if row.node_id is None:
            of_tier[row.check_id] = check
        else:
            of_nodes[row.check_id, row.node_name] = check
    return Limits(of_tier, of_nodes)


def in_force(tier: Tier) -> QuerySet[Threshold]:
    """What people set and nobody ended. A removed node's are not among them: another of its name is another node."""
    return Threshold.objects.filter(tier=tier, ended_at=None, node__removed_at=None)


def refuse_nonsense(check: Check, warn: float | None, fail: float | None) -> None:
    """Raises Refused for thresholds that are not finite, are none at all, or warn only after they fail."""
    given = [value for value in (warn, fail) if value is not None]
    if not given:
        raise Refused(_("Give at least one threshold. To see a check without judging it, mute it instead."))
    if not all(math.isfinite(value) for value in given):
        raise Refused(_("A threshold must be a finite number."))
    if check.unit is Unit.YES_NO:
        raise Refused(_("This check says yes or no; there is no threshold to set. Mute it where it must be quiet."))
    if warn is None or fail is None:
        return
    high = check.direction is Direction.HIGH
    if warn >= fail if high else warn <= fail:
        told = {"warn": show(warn, check.unit), "fail": show(fail, check.unit)}
        text = (
            _("It would fail above %(fail)s before it warns from %(warn)s: make the warning the smaller of the two.")
            if high
            else _("It would fail below %(fail)s before it warns at %(warn)s: make the warning the larger of the two.")
        )
        raise Refused(text % told)


def change(
    tier: Tier, check: Check, node: Node | None, ends: tuple[float | None, float | None], reason: str, by: Person
) -> Threshold:
    """
    Set the thresholds of a check on a tier, or on one of its nodes, from the next poll on; recorded in the ledger.

    Args:
        ends: the warning and the failing threshold in the check's unit, None for none.

    Raises:
        Refused: they make no sense.
    """
    refuse_nonsense(check, *ends)
    with transaction.atomic():
        # One after the other: where nothing was set yet there is no row to wait at.
        Tier.objects.select_for_update(no_key=True).get(pk=tier.pk)
        was = _counting(tier, check, node)
        _end(tier, check.id, node, by)
        made = Threshold.objects.create(
            tier=tier,
            node=node,
            check_id=check.id,
            warn=ends[0],
            fail=ends[1],
            reason=reason,
            by=by,
            at=datetime.now(UTC),
        )
        _record("threshold.set", made, by, {"was": _told(check, *was), "now": _told(check, *ends), "reason": reason})
    return made


def revert(found: Threshold, by: Person) -> bool:
    """
    Let what counts otherwise count again: the tier's thresholds for a node, else the declared ones; recorded in the ledger.

    Returns whether there was anything to end.
    """
    with transaction.atomic():
        ended = _end(found.tier, found.check_id, found.node, by)
        if ended is None or ended.pk != found.pk:
            transaction.set_rollback(True)
            return False
        check = checks().get(found.check_id)
        body = {}
        if check:
            now = _told(check, *_counting(found.tier, check, found.node))
            body = {"was": _told(check, ended.warn, ended.fail), "now": now}
        _record("threshold.revert", ended, by, body)
    return True


def _counting(tier: Tier, check: Check, node: Node | None) -> tuple[float | None, float | None]:
    """The thresholds that count there now."""
    counts = limits(tier).of(check.id, node.name if node else "") or check
    return counts.warn, counts.fail


def _end(tier: Tier, check_id: str, node: Node | None, by: Person) -> Threshold | None:
    found = Threshold.objects.select_for_update(of=("self",)).filter(
        tier=tier, check_id=check_id, node=node, ended_at=None
    )
    before = found.first()
    if before is not None:
        before.ended_at, before.ended_by = datetime.now(UTC), by
        before.save(update_fields=["ended_at", "ended_by"])
    return before


def _told(check: Check, warn: float | None, fail: float | None) -> str:
    return f"{show(warn, check.unit)} / {show(fail, check.unit)}"


def _record(kind: str, row: Threshold, by: Person, more: Mapping[str, str]) -> None:
    node = row.node.name if row.node else ""
    append(
        kind=kind,
        subject=f"tier/{row.tier.slug}/{row.check_id}",
        actor=by.get_username(),
        body={"check": row.check_id, "node": node, **more},
        tier=row.tier.slug,
    )
