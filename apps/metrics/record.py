"""Writing a poll down, in one transaction: samples, the row of each node, answers, standings, alerts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apps.ledger.chain import SYSTEM, append
from apps.metrics import proofs, store
from apps.metrics.alerts import Stood, failing_since, since
from apps.metrics.collect import NodePoll
from apps.metrics.histories import history
from apps.metrics.judge import TIER, Key, Measured, judge
from apps.metrics.kernel import State, Verdict
from apps.metrics.models import Node, Standing, Tier
from apps.metrics.thresholds import limits
from apps.metrics.transitions import Turn, follow


def record(tier: Tier, slot: datetime, polled: Sequence[NodePoll], measured: Measured) -> list[Verdict]:
    """Keep a poll; the caller's transaction makes it all or nothing. Returns the verdicts."""
    polled, measured = _still_watched(tier, polled, measured)
    ids = {one.target.name: one.target.id for one in polled}
    _samples(tier, slot, measured, ids)
    _polls(slot, polled)
    _answers(tier, slot, polled, measured)
    changed = _statuses(slot, polled)
    verdicts = _verdicts(tier, slot, measured, ids)
    _roles(tier, changed)
    return verdicts


def _still_watched(tier: Tier, polled: Sequence[NodePoll], measured: Measured) -> tuple[Sequence[NodePoll], Measured]:
    """Without nodes that were removed while they were asked: what they said would stand for ever. None is removed until the commit."""
    watched = set(
        Node.objects.select_for_update(no_key=True).filter(tier=tier).order_by("pk").values_list("pk", flat=True)
    )
    gone = {one.target.name for one in polled if one.target.id not in watched}
    if not gone:
        return polled, measured
    nodes = tuple(node for node in measured.view.nodes if node.name not in gone)
    samples = {owner: found for owner, found in measured.samples.items() if owner not in gone}
    left = replace(measured, view=replace(measured.view, nodes=nodes), samples=samples)
    return [one for one in polled if one.target.name not in gone], left


def _samples(tier: Tier, slot: datetime, measured: Measured, ids: dict[str, int]) -> None:
    values: dict[tuple[int | None, str, str], float | None] = {}
    for owner, found in measured.samples.items():
        for sample in found:
            values[ids.get(owner), sample.metric, sample.object[:200]] = (
                None if sample.value is None else float(sample.value)
            )
    history().write(tier, slot, values)


def _polls(slot: datetime, polled: Sequence[NodePoll]) -> None:
    columns = ("node_id", "at", "failure", "message", "duration_seconds", "clock_offset_seconds")
    rows = (
        (
            one.target.id,
            slot,
            one.failure.kind.value if one.failure else "",
            one.failure.message if one.failure else "",
            one.duration.total_seconds(),
            one.clock_offset.total_seconds() if one.clock_offset is not None else None,
        )
        for one in polled
    )
    store.copy("metrics_poll", columns, ("int8", "timestamptz", "text", "text", "float8", "float8"), rows)


def _answers(tier: Tier, slot: datetime, polled: Sequence[NodePoll], measured: Measured) -> None:
    """A node's answer with the time it was really asked, as the next rate is derived from it; the tier's with the slot."""
    said = [(one.target.id, one.at, answer) for one in polled for answer in one.answers.values()]
    told = [(None, slot, answer) for answer in measured.tier_answers.values()]
    store.upsert_answers(
        tier.pk,
        [
            (
                node,
                answer.probe_id,
                at,
                answer.question,
                answer.rows,
                answer.failure.kind.value if answer.failure else "",
                answer.failure.message if answer.failure else "",
            )
            for node, at, answer in [*said, *told]
        ],
    )


def _statuses(slot: datetime, polled: Sequence[NodePoll]) -> list[tuple[str, str, str]]:
    """How this poll found each node; name, role before and role now of those that have another than before (a failover)."""
    changed = store.upsert_statuses(
        slot,
        [
            (
                one.target.id,
                None if one.resting else one.failure is None,
                one.failure.kind.value if one.failure else "",
                one.failure.message if one.failure else "",
                one.identity.role.value if one.identity else None,
                one.identity.version if one.identity else None,
                one.identity.id if one.identity else None,
                one.clock_offset.total_seconds() if one.clock_offset is not None else None,
                one.duration.total_seconds(),
            )
            for one in polled
        ],
    )
    names = {one.target.id: one.target.name for one in polled}
    return [(names[node], before, role) for node, before, role in changed]


def _roles(tier: Tier, changed: Sequence[tuple[str, str, str]]) -> None:
    """Into the ledger, last of all: whoever takes an alert locks it before the ledger, too."""
    for node, before, role in changed:
        body = {"node": node, "role": role, "before": before}
        subject = f"tier/{tier.slug}/{node}"
        append(kind="node.role", subject=subject, actor=SYSTEM, body=body, tier=tier.slug)


def standings(tier: Tier) -> dict[Key, Stood]:
    """The verdicts before this poll, by check, node name and object."""
    return {
        (check, node or TIER, of): Stood(Verdict(check, node or TIER, of, value, State(state), at), began, failing)
        for check, node, of, state, value, at, began, failing in store.standings(tier)
    }


def _verdicts(tier: Tier, slot: datetime, measured: Measured, ids: dict[str, int]) -> list[Verdict]:
    before, judged = standings(tier), limits(tier)
    standing = {key: stood.verdict for key, stood in before.items()}
    verdicts = judge(measured, judged.checks.values(), standing, judged.of_nodes)
    keyed = {(v.check_id, v.node, v.object[:200]): v for v in verdicts}
    store.upsert_standings(
        tier.pk,
        [
            (
                ids.get(v.node),
                v.check_id,
                of,
                v.state.value,
                v.value,
                v.at,
                since(before.get((check, node, of)), v, slot),
                failing_since(before.get((check, node, of)), v, slot),
            )
            for (check, node, of), v in keyed.items()
        ],
    )
    gone = before.keys() - keyed.keys()
    for check, node, of in gone:
        Standing.objects.filter(tier=tier, check_id=check, node=ids.get(node), object=of).delete()
    follow(Turn(tier, slot, judged, before, keyed, ids, measured.view.nodes))
    proofs.follow(proofs.Poll(tier, slot, judged.checks, before, keyed))
    return verdicts
