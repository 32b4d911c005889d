"""Capturing a baseline: the samples of each metric in a window, frozen with their load and a digest."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.ledger.leaf import canonical
from apps.metrics.histories import HistoryUnreachable
from apps.metrics.kernel import Check, Unit
from apps.metrics.lines import Line
from apps.metrics.models import Node, Tier
from apps.metrics.registry import checks
from apps.metrics.store import lines
from apps.playbook.plan import BaselineMetric
from apps.rollouts.comparison import needed_of, unchanging
from apps.rollouts.models import Baseline, Rollout
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.tally import should_move
from apps.rollouts.windowed import raw_moments

WINDOWS = {
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
}
LEAST_SAMPLES = 3
MOST_POINTS = 9000  # a day at ten seconds
LOAD = "queries.statements_total"  # the check that reads how many statements a second the primary executes


def metric_of(wanted: BaselineMetric) -> str:
    """The name of the metric that a baseline is taken of; empty when a person enters it, as where this version lacks its check."""
    if not wanted.check:
        return wanted.metric
    check = checks().get(wanted.check)  # a pinned playbook may name one that a later version no longer has
    return check.metric if check else ""


def samples(tier: Tier, metric: str, start: datetime, end: datetime, check: Check | None = None) -> list[Line]:
    """The raw samples of a metric in a window, one line for each node and object; of a check, those of the nodes it judges."""
    found = lines(tier, [metric], start, end, points=MOST_POINTS)
    if check is None:
        return found
    judged = judged_by(tier, [check])
    return [line for line in found if judged(line, check)]


def judged_by(tier: Tier, wanted: Sequence[Check]) -> Callable[[Line, Check], bool]:
    """A function that says whether a line is of a check: of its metric, and of a node that it judges. One query."""
    kinds = {check.kind for check in wanted if check.kind is not None}
    nodes = Node.objects.filter(tier=tier, kind__in=kinds).select_related("status") if kinds else ()
    known = {node.name: (node.kind, _role(node)) for node in nodes}

    def judged(line: Line, check: Check) -> bool:
        kind, role = known.get(line.node, ("", ""))
        of_kind = check.kind is None or (kind == check.kind and (check.role is None or role == check.role))
        return line.metric == check.metric and of_kind

    return judged


def _role(node: Node) -> str:
    """As it was seen last, or else as it is declared."""
    return (node.status.role if hasattr(node, "status") else "") or node.role


def middle(found: list[Line]) -> float | None:
    """The median of all samples; None when there are fewer than LEAST_SAMPLES."""
    values = [value for line in found for value in line.values if value is not None]
    return median(values) if len(values) >= LEAST_SAMPLES else None


def capture(
    rollout: Rollout, at: Progress, window: str, entered: Mapping[str, float], by: Person, *, early: bool = False
) -> tuple[list[Baseline], list[BaselineMetric]]:
    """
    Capture what can be captured of a week's metrics. Returns what was kept, and the metrics still without samples or entry.

    `window`: a key of WINDOWS, ending now. `entered`: values of those metrics that a person reads elsewhere, by slug. A capture made before
    is superseded and stays on record. `early`: although a metric has fewer samples than a comparison needs.

    Raises:
        Refused: the week is not open, already deployed, no metric has samples in the window, one has too few and `early` is not said, or
            somebody captured at the same moment (409).
    """
    _refuse_late(at)
    if window not in WINDOWS:
        raise Refused(_("Choose a window of 5 minutes, 15 minutes, 1 hour or 24 hours."))
    end = datetime.now(UTC)
    start = end - WINDOWS[window]
    taken, lacking = [], []
    for wanted in at.week.baseline:
        try:
            made = _take(rollout, at, wanted, start=start, end=end, entered=entered, by=by)
        except HistoryUnreachable as error:
            raise Refused(str(error), status=503) from error
        if made is not None:
            taken.append(made)
        elif wanted.slug not in at.done.baselines:
            lacking.append(wanted)
    if not taken:
        raise Refused(
            _("Nothing was captured: no metric has three samples in this window. Wait, or choose a longer one.")
        )
    if (thin := _thin(taken)) and not early:
        titles = {wanted.slug: wanted.title for wanted in at.week.baseline}
        told = ", ".join(_("%(title)s %(samples)s") % {"title": titles[m], "samples": n} for m, n in thin.items())
        text = _(
            "Too early, so nothing was captured. Samples of those a comparison needs: %(told)s. Wait, choose a longer window, or tick "
            "“capture all the same”: the comparison of these will then say that it knows too little."
        )
        raise Refused(text % {"told": told})
    try:
        _keep(rollout, at, taken, window, by)
    except IntegrityError as error:
        text = _("Somebody else captured this baseline a moment ago; nothing was changed. Reload to see it.")
        raise Refused(text, status=409) from error
    return taken, lacking


def _thin(taken: Sequence[Baseline]) -> dict[str, str]:
    """Have of need of the metrics with fewer samples than a comparison needs; entered ones need none."""
    found = {}
    for one in taken:
        values = [value for _at, value in raw_moments(one.samples)]
        if one.samples and len(values) < (need := needed_of(values)):
            found[one.metric] = _("%(have)d of %(need)d") % {"have": len(values), "need": need}
    return found


def _refuse_late(at: Progress) -> None:
    if not at.open:
        text = _("This week is not open yet: %(week)s must be fully signed first.")
        raise Refused(text % {"week": at.waits_for}, status=409)
    if at.done.deployments:
        text = _("A baseline is what was before: this week is already deployed, so none can be captured.")
        raise Refused(text, status=409)


def _take(
    rollout: Rollout,
    at: Progress,
    wanted: BaselineMetric,
    *,
    start: datetime,
    end: datetime,
    entered: Mapping[str, float],
    by: Person,
) -> Baseline | None:
    metric, raw, load = metric_of(wanted), [], None
    if metric:
        found = samples(rollout.tier, metric, start, end, checks().get(wanted.check))
        value = middle(found)
        raw = [_raw(line) for line in found]
        load = middle(samples(rollout.tier, checks()[LOAD].metric, start, end, checks()[LOAD]))
    else:
        value = entered.get(wanted.slug)
    if value is None:
        return None
    frozen: dict[str, Any] = {"metric": wanted.slug, "of": metric, "value": value, "samples": raw}
    return Baseline(
        rollout=rollout,
        week=at.week.slug,
        metric=wanted.slug,
        unit=wanted.unit.value,
        value=value,
        start=start,
        end=end,
        samples=raw,
        load_per_second=load,
        conditions={"metric": metric, "entered": not metric, "unchanging": _hangs(raw, wanted.unit)},
        digest=hashlib.sha256(canonical(frozen)).hexdigest(),
        by=by,
        at=end,
    )


def _hangs(raw: list[dict[str, Any]], unit: Unit) -> bool:
    """Whether some series says one and the same value throughout, where two measurements never agree: its source hangs."""
    series = ([value for _at, value in one["points"]] for one in raw)
    return any(should_move(values[0], unit) and unchanging(values) for values in series if values)


def _raw(line: Line) -> dict[str, Any]:
    pairs = [[at, value] for at, value in zip(line.times, line.values, strict=True) if value is not None]
    return {"node": line.node, "object": line.object, "points": pairs}


def _keep(rollout: Rollout, at: Progress, taken: list[Baseline], window: str, by: Person) -> None:
    with transaction.atomic():
        _refuse_late(locked(rollout, at.week.slug))
        Baseline.objects.filter(
            rollout=rollout, week=at.week.slug, metric__in=[b.metric for b in taken], superseded_at=None
        ).update(superseded_at=datetime.now(UTC))
        Baseline.objects.bulk_create(taken)
        append(
            kind="rollout.baseline",
            subject=f"rollout/{rollout.pk}/{at.week.slug}",
            actor=by.username,
            body={
                "rollout": rollout.name,
                "week": at.week.title,
                "window": window,
                "count": len(taken),
                "early": _thin(taken),
                "values": {b.metric: {"value": b.value, "unit": b.unit, "digest": b.digest} for b in taken},
            },
            tier=rollout.tier.slug,
        )
