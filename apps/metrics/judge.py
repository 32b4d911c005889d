"""From a poll's samples to verdicts: pure functions of samples, nodes and time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import structlog

from apps.metrics.kernel import Answer, Check, NodeView, Rows, Sample, State, TierView, Verdict
from apps.metrics.probe import MISREAD, TierProbe, misread

log = structlog.get_logger()

TIER = ""  # the node name of what belongs to the tier as a whole

Key = tuple[str, str, str]  # check id, node, object


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything one poll measured: samples by owner (a node's name or TIER), and the tier probes' rows."""

    view: TierView
    samples: Mapping[str, Sequence[Sample]]
    tier_answers: Mapping[str, Answer]


def measure(
    view: TierView, tier_probes: Iterable[TierProbe], previous: Mapping[str, tuple[datetime, Rows]]
) -> Measured:
    """The nodes' own samples, `node.up` of each, and what the tier probes derive from all of them.

    `previous`: time and rows of each tier probe's last answer.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    answers: dict[str, Answer] = {}
    for node in view.nodes:
        for answer in node.answers.values():
            samples[node.name] += answer.samples
    resting = {node.name for node in view.nodes if node.resting}
    for probe in tier_probes:
        at, rows = previous.get(probe.id, (None, ()))
        answer = answers[probe.id] = _derived(probe, replace(view, previous=rows, previous_at=at))
        for sample in answer.samples:
            if sample.node not in resting or probe.of_resting:
                samples[sample.node or TIER].append(sample)
    return Measured(view, samples, answers)


def _derived(probe: TierProbe, view: TierView) -> Answer:
    try:
        told, derived = probe.derive(view)
        return Answer(probe.id, probe.says, tuple(dict(row) for row in told), tuple(derived))
    except MISREAD as error:
        log.exception("probe.misread", probe=probe.id)
        return Answer(probe.id, probe.says, failure=misread(error))


def judge(
    measured: Measured,
    checks: Iterable[Check],
    standing: Mapping[Key, Verdict],
    of_nodes: Mapping[tuple[str, str], Check] = MappingProxyType({}),
) -> list[Verdict]:
    """The verdict of every check on every node and object it applies to; `of_nodes`: a node's own check by (check id, node).

    `standing`: the verdicts before; a check whose probe was not due keeps its value and is judged by its age. What a node that is down was
    last known to have becomes NO_DATA; what its probe no longer lists disappears.
    """
    earlier: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in standing.values():
        earlier[verdict.check_id, verdict.node].append(verdict)
    by_metric: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for owner, found in measured.samples.items():
        for sample in found:
            by_metric[sample.metric][owner].append(sample)
    verdicts: list[Verdict] = []
    for check in checks:
        having = by_metric.get(check.metric, {})
        before = (owner for check_id, owner in earlier if check_id == check.id)
        for owner in _owners(check, measured.view, having, before):
            mine = of_nodes.get((check.id, owner), check)
            verdicts += _of_owner(mine, owner, having.get(owner, ()), earlier.get((check.id, owner), ()), measured)
    return verdicts


def _owners(check: Check, view: TierView, having: Iterable[str], before: Iterable[str]) -> list[str]:
    """The nodes a check applies to: by kind and role, else whoever has its metric or had it before, else the tier itself.

    A node that had it and is down now stays: what it does not say any more must not look as if all who are left were all.
    """
    if check.kind is not None:
        return [node.name for node in view.of(check.kind, check.role)]
    watched = {node.name for node in view.nodes}
    return list(dict.fromkeys([*having, *(owner for owner in before if owner in watched)])) or [TIER]


def _of_owner(
    check: Check, owner: str, now: Sequence[Sample], earlier: Sequence[Verdict], measured: Measured
) -> list[Verdict]:
    at = measured.view.at
    if now:
        return [_verdict(check, owner, sample, at) for sample in _once(now)]
    node = next((n for n in measured.view.nodes if n.name == owner), None)
    state = _silence(check, node)
    if state is None:  # not due now: what was measured last, as old as it is
        return [_aged(check, v, at) for v in earlier] or [Verdict(check.id, owner, "", None, State.NO_DATA, None)]
    lost = [replace(v, value=None, state=state) for v in earlier]
    return lost or [Verdict(check.id, owner, "", None, state, None)]


def _aged(check: Check, verdict: Verdict, now: datetime) -> Verdict:
    if verdict.at is None:  # asked, but it had no number to give yet
        return verdict
    return replace(verdict, state=check.judge(verdict.value, now - verdict.at))


def _verdict(check: Check, owner: str, sample: Sample, at: datetime) -> Verdict:
    value = None if sample.value is None else float(sample.value)
    return Verdict(check.id, owner, sample.object, value, check.judge(value, at - at), at)


def _once(samples: Sequence[Sample]) -> Iterable[Sample]:
    return {sample.object: sample for sample in samples}.values()


def _silence(check: Check, node: NodeView | None) -> State | None:
    """Why there is no sample: NO_DATA (node down), ERROR (its question failed), INCONCLUSIVE (answered, but no number of it, as at the
    first reading of a counter); None when the question was not due.
    """
    if node is None:
        return State.NO_DATA
    if node.failure:
        return State.NO_DATA
    answer = node.answers.get(check.source)
    if answer is None:
        return None
    return State.ERROR if answer.failure else State.INCONCLUSIVE
