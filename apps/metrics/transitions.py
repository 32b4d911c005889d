"""What a poll does to alerts, written down in the poll's transaction: opened, risen, closed, quiet, and told of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.metrics import store
from apps.metrics.alerts import FLAP_WINDOW, FLAPS, Kind, Step, Stood, level, risen, step, step_of_silence, threshold
from apps.metrics.announce import Change, Told, announce
from apps.metrics.dependence import cause_of, spared
from apps.metrics.judge import TIER, Key
from apps.metrics.kernel import Check, NodeView, State, Verdict
from apps.metrics.models import Alert, ClosedBy, Mute, Tier
from apps.metrics.muting import covering, running
from apps.metrics.thresholds import Limits


@dataclass(frozen=True, slots=True)
class Turn:
    """One poll as alerts see it: what counts, the verdicts before and now, the nodes as they were found and their ids."""

    tier: Tier
    slot: datetime
    limits: Limits
    before: Mapping[Key, Stood]
    verdicts: Mapping[Key, Verdict]
    ids: Mapping[str, int]
    nodes: Sequence[NodeView]
    told: list[Told] = field(default_factory=list)
    gone_on: list[Alert] = field(default_factory=list)


def follow(turn: Turn) -> None:
    """Take every alert of the tier one step further; call inside the poll's transaction. Changes are told once, group by group."""
    names = {pk: name for name, pk in turn.ids.items()}
    opened = {
        (alert.check_id, names.get(alert.node_id or 0, TIER), alert.object, alert.kind): alert
        for alert in Alert.objects.select_for_update().filter(tier=turn.tier, closed_at=None).order_by("pk")
    }
    mutes = running(turn.tier, turn.slot)
    for key in turn.verdicts:
        check = turn.limits.of(key[0], key[1])
        if check is None:
            continue
        for kind in Kind:
            alert = opened.pop((*key, kind.value), None)
            taken = _step(turn, check, key, kind, alert)
            if taken is Step.OPEN:
                alert = _opened(turn, check, key, kind)
            if alert is not None:
                _go_on(turn, check, key, alert, taken, mutes)
    for alert in opened.values():  # its object is gone, or its check no longer exists
        _close(turn, alert, ClosedBy.GONE)
    store.update_alerts(
        turn.slot,
        [(a.pk, a.state, a.value, a.threshold, a.cause_id, a.mute_id, a.announced) for a in turn.gone_on],
    )
    announce(turn.tier, turn.slot, turn.told)


def _step(turn: Turn, check: Check, key: Key, kind: Kind, alert: Alert | None) -> Step:
    before, verdict = turn.before.get(key), turn.verdicts[key]
    if kind is Kind.LIMIT:
        flapping = alert is not None and alert.flapping
        return step(check, before, verdict, turn.slot, alert is not None, flapping)
    taken = step_of_silence(check, before, verdict, turn.slot, alert is not None)
    if taken is Step.OPEN and (cause_of(check, verdict.node, turn.nodes) or spared(check, verdict.node, turn.nodes)):
        return Step.NOTHING  # a node that is down, or asked less, says nothing: its own alert tells it
    return taken


def _opened(turn: Turn, check: Check, key: Key, kind: Kind) -> Alert:
    verdict, node = turn.verdicts[key], turn.ids.get(key[1])
    same = {"tier": turn.tier, "node_id": node, "check_id": check.id, "object": key[2], "kind": kind.value}
    lately = Alert.objects.filter(**same, closed_at__gt=turn.slot - FLAP_WINDOW).count()
    state = level(check, turn.before.get(key), verdict, turn.slot) if kind is Kind.LIMIT else State.NO_DATA
    return Alert(
        **same,
        state=state.value,
        value=verdict.value,
        threshold=threshold(check, state),
        opened_at=turn.slot,
        updated_at=turn.slot,
        flapping=kind is Kind.LIMIT and lately >= FLAPS - 1,
    )


def _go_on(turn: Turn, check: Check, key: Key, alert: Alert, taken: Step, mutes: Iterable[Mute]) -> None:
    """Bring an open alert up to date; write it only when something about it changed."""
    if taken is Step.CLOSE:
        _close(turn, alert, ClosedBy.PASSED if alert.kind == Kind.LIMIT else ClosedBy.BACK)
        return
    cause, mute = cause_of(check, key[1], turn.nodes), covering(mutes, alert)
    was = (alert.cause_id, alert.mute_id)
    alert.cause_id, alert.mute = turn.ids.get(cause or ""), mute
    if taken is Step.NOTHING:
        if was != (alert.cause_id, alert.mute_id):
            alert.save(update_fields=["cause", "mute"])
        return
    if taken is Step.UPDATE and alert.kind == Kind.LIMIT:
        verdict = turn.verdicts[key]
        alert.state = risen(alert.state, level(check, turn.before.get(key), verdict, turn.slot))
        alert.value, alert.threshold = verdict.value, threshold(check, State(alert.state))
    alert.updated_at = turn.slot
    told = alert.announced
    if not alert.quiet:  # once for each alert and height
        alert.announced = alert.state
    if alert.pk:
        turn.gone_on.append(alert)
    else:
        alert.save()
    if alert.announced != told:
        turn.told.append(Told.of(alert, check, key[1], Change.WORSE if told else Change.OPENED))


def _close(turn: Turn, alert: Alert, why: ClosedBy) -> None:
    alert.closed_at = alert.updated_at = turn.slot
    alert.closed_by = why
    alert.save(update_fields=["closed_at", "closed_by", "updated_at"])
    if alert.announced:  # also when it is muted by now: who was told that it began is told that it ended
        node = alert.node.name if alert.node else TIER
        turn.told.append(Told.of(alert, turn.limits.of(alert.check_id, node), node, Change.RESOLVED))
