"""The nodes of the tiers: all at once, each within its own deadline; one that is dead or hangs is a line, and the rest goes on."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from apps.metrics import secrets
from apps.metrics.collect import Collector, NodePoll
from apps.metrics.hosts import reach
from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.models import Node, Tier
from apps.metrics.probe import SLOW, Probe
from apps.metrics.readers import Target
from apps.metrics.registry import probes
from apps.metrics.thresholds import Limits, limits
from apps.overview.doctor import pgbouncer_rights, postgres_rights, redis_rights
from apps.overview.doctor.asked import Asked
from apps.overview.doctor.finding import Finding, State
from apps.overview.doctor.node_state import ANSWERS, state

WITHIN = timedelta(seconds=10)  # connecting included, which may take 8 s far away
OF = ("nodes.watched", "Nodes")
RIGHTS = {
    NodeKind.POSTGRES: (postgres_rights.PROBES, postgres_rights.examine),
    NodeKind.PGBOUNCER: (pgbouncer_rights.PROBES, pgbouncer_rights.examine),
    NodeKind.REDIS: (redis_rights.PROBES, redis_rights.examine),
}


def examine(*, store: bool, tier: str = "") -> Iterator[Finding]:
    """`store`: whether the nodes can be read from it; `tier`: only this one's."""
    if not store:
        yield Finding(*OF, State.UNKNOWN, "unknown while the store does not answer")
        return
    try:
        tiers = list(Tier.objects.filter(slug=tier) if tier else Tier.objects.all())
        nodes = [(of, node) for of in tiers for node in Node.objects.filter(tier=of)]
        counting = {of.slug: limits(of) for of in tiers}
    except DatabaseError as error:
        yield Finding(*OF, State.UNKNOWN, f"the store did not say ({type(error).__name__})")
        return
    for of in tiers:
        if not any(one == of for one, _node in nodes):
            yield Finding(*OF, State.WARNING, f"{of.name} has none.", "Add them on its page *Nodes*.", tier=of.slug)
    if not tiers:
        yield Finding(*OF, State.WARNING, "No tier is watched.", "See “Adding a tier” in docs/operating.md.")
    yield from _of(nodes, counting)


def _of(nodes: Sequence[tuple[Tier, Node]], counting: dict[str, Limits]) -> Iterator[Finding]:
    targets, locked = [], {}
    for _tier, node in nodes:
        try:
            targets.append(_target(node))
        except ImproperlyConfigured as error:
            locked[node.pk] = str(error)
    polled = _ask(targets)
    for tier, node in nodes:
        if node.pk in locked:
            what, _stop, remedy = locked[node.pk].partition(". ")
            yield Finding(*ANSWERS, State.FAILURE, what, remedy, tier=tier.slug, node=node.name)
            continue
        asked = Asked(tier.slug, node.name, node.address, *polled[node.pk])
        yield from state(asked, counting[tier.slug])
        if asked.own is None or asked.kind not in RIGHTS:
            continue
        if asked.own.failure is not None:
            yield asked.finding(("nodes.rights", "Polling login"), State.UNKNOWN, asked.own.failure.message)
        else:
            yield from RIGHTS[asked.kind][1](asked)


def _target(node: Node) -> Target:
    url = secrets.whole(node.address, node.secret)
    return Target(node.pk, node.name, NodeKind(node.kind), NodeRole(node.role), url, reach())


def _ask(targets: Sequence[Target]) -> dict[int, tuple[NodePoll, ...]]:
    """Who each node is, and then, where it answered, what it said to the doctor's own questions and to those of a poll."""
    collector = Collector(WITHIN, kept=False)
    try:
        # By itself, so that how long it takes and what the clock says is not of questions that take long.
        who = collector.poll(targets, {}, {})
        lively = [one.target for one in who if one.failure is None]
        own = collector.poll(
            lively, {target.id: RIGHTS[target.kind][0] for target in lively if target.kind in RIGHTS}, {}
        )
        everyday = collector.poll(lively, {target.id: _everyday(target) for target in lively}, {})
    finally:
        collector.close()
    found = {one.target.id: (one,) for one in who}
    return found | {one.target.id: (*found[one.target.id], one, more) for one, more in zip(own, everyday, strict=True)}


def _everyday(target: Target) -> list[Probe]:
    """What is asked at any poll; not what is asked seldom, because it takes long."""
    return [
        probe
        for probe in probes().values()
        if probe.kind is target.kind and probe.wanted is None and probe.every < SLOW
    ]
