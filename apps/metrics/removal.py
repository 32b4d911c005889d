"""Ending the watch of a node: in one transaction with the ledger, after a poll that is being kept and never in its midst."""

from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.announce import Change, Told, announce
from apps.metrics.models import Alert, Node
from apps.metrics.thresholds import limits


def remove(node: Node, by: Person) -> bool:
    """Stop watching a node, record it, and tell those who were told of its open alerts. Returns whether it was watched until now."""
    with transaction.atomic():
        if not Node.objects.select_for_update().filter(pk=node.pk).exists():  # a poll that is being kept is waited for
            return False
        now = datetime.now(UTC)
        told = _told(node)
        node.remove(now)
        announce(node.tier, now, told)
        append(
            kind="node.remove",
            subject=f"tier/{node.tier.slug}/{node.name}",
            actor=by.get_username(),
            body={"name": node.name, "kind": node.kind, "role": node.role, "address": node.address},
            tier=node.tier.slug,
        )
    return True


def _told(node: Node) -> list[Told]:
    """The end of every open alert that somebody was told the beginning of, with the reason."""
    opened = Alert.objects.filter(node=node, closed_at=None).exclude(announced="").order_by("pk")
    counting = limits(node.tier)
    ends = [Told.of(one, counting.of(one.check_id, node.name), node.name, Change.RESOLVED) for one in opened]
    return [replace(end, title=_("%(title)s: no longer watched") % {"title": end.title}) for end in ends]
