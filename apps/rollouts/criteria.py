"""The success criteria of a rollout: what its blocks and its programme promise, each with its verdict, and one sentence for all.

A promised change is judged by the frozen comparison of its week, a promised value by the samples of its check. What was not measured
is not known, and its reason says what it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.histories import HistoryUnreachable
from apps.metrics.kernel import Verdict
from apps.metrics.registry import checks
from apps.metrics.store import verdicts
from apps.playbook.plan import ALL_TARGETS, BaselineMetric, Improvement, Week, WeekKind
from apps.rollouts.answers import Reached
from apps.rollouts.comparison import Shift
from apps.rollouts.criterion import Answer, Criterion, Figure, by_change, by_value, unknown
from apps.rollouts.models import Comparison, Rollout
from apps.rollouts.progress import Progress, progress
from apps.rollouts.scope import Scope, block, programme
from apps.rollouts.start import playbook_of
from apps.rollouts.stretch import Reading, readings


@dataclass(frozen=True, slots=True)
class Criteria:
    """All of them: those of the blocks in the order of the plan, then the programme's."""

    rollout: Rollout
    rows: tuple[Criterion, ...]

    def counted(self, verdict: Reached) -> int:
        """How many have this verdict."""
        return sum(row.answer.verdict is verdict for row in self.rows)

    @property
    def said(self) -> str:
        """All verdicts in one sentence, without its full stop."""
        met, count = self.counted(Reached.MET), len(self.rows)
        text = ngettext("%(met)d of %(all)d target met", "%(met)d of %(all)d targets met", count)
        parts = [text % {"met": met, "all": count}]
        others = (
            (Reached.PARTLY, _("%(n)d partly")),
            (Reached.NOT, _("%(n)d not")),
            (Reached.UNKNOWN, _("%(n)d not known")),
        )
        parts += [words % {"n": n} for verdict, words in others if (n := self.counted(verdict))]
        return ", ".join(parts)

    @property
    def groups(self) -> list[tuple[Week | None, list[Criterion]]]:
        """The programme's first, then those of each block that promises something."""
        grouped: dict[str, list[Criterion]] = {}
        for row in self.rows:
            grouped.setdefault(row.block.slug if row.block else "", []).append(row)
        found = sorted(grouped.values(), key=lambda rows: rows[0].block is not None)
        return [(rows[0].block, rows) for rows in found]

    def of(self, target: str) -> list[Criterion]:
        """What an item's target names: one of the programme's, or all."""
        if target == ALL_TARGETS:
            return list(self.rows)
        return [row for row in self.rows if row.block is None and row.promise.slug == target]


@dataclass(frozen=True, slots=True)
class _Compared:
    """What may be compared under a week's name, and the comparison that stands."""

    week: Week | None
    scope: Scope
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class _Now:
    """What the tier measures at present: the verdicts of the last poll, and the readings of each promise; or why they cannot be read."""

    verdicts: Sequence[Verdict]
    readings: dict[Improvement, list[Reading]]
    problem: str = ""


def criteria(rollout: Rollout) -> Criteria:
    """All criteria as they stand; asks the store, and no node."""
    plan, weeks = playbook_of(rollout).plan, progress(rollout)
    stands = {c.week: c for c in Comparison.objects.filter(rollout=rollout, superseded_at=None).defer("samples")}
    blocks = [_Compared(at.week, block(at), stands.get(at.week.slug)) for at in weeks if at.week.improvements]
    final = _final(weeks)
    whole = _Compared(final, programme(weeks, plan), stands.get(final.slug) if final else None)
    promises = [(one, promise) for one in blocks for promise in one.scope.promises]
    now = _measure(rollout, [promise for _one, promise in promises] + list(plan.targets))
    rows = [_criterion(one, one.week, promise, now) for one, promise in promises]
    rows += [_criterion(whole, None, target, now) for target in plan.targets]
    return Criteria(rollout, tuple(rows))


def _final(weeks: Sequence[Progress]) -> Week | None:
    return next((at.week for at in reversed(weeks) if at.week.kind is WeekKind.FINAL), None)


def _measure(rollout: Rollout, promises: Sequence[Improvement]) -> _Now:
    """Present verdicts, and the readings of promised values: those of a stretch from history, the others from the last poll."""
    stood, known = verdicts(rollout.tier), checks()
    here = [promise for promise in promises if promise.check in known]
    found = {promise: _last(promise, stood) for promise in here if promise.over is None}
    asked = {p: (known[p.check], p.over, p.busiest) for p in here if p.over is not None}
    try:
        read = readings(rollout.tier, list(asked.values()))
    except HistoryUnreachable as error:
        return _Now(stood, found, str(error))
    return _Now(stood, found | dict(zip(asked, read, strict=True)))


def _last(promise: Improvement, stood: Sequence[Verdict]) -> list[Reading]:
    return [
        Reading(" ".join(filter(None, (v.node, v.object))), v.value, v.at, 1)
        for v in stood
        if v.check_id == promise.check and v.state.known and v.value is not None and v.at is not None
    ]


def _criterion(one: _Compared, of: Week | None, promise: Improvement, now: _Now) -> Criterion:
    if promise.check:
        return Criterion(of, promise, _valued(promise, now))
    taken = one.scope.baselines.get(promise.promised.against)
    baseline = Figure(taken.value, taken.at) if taken else None
    where, answer = one.week.slug if one.week else "", _changed(one, promise, now)
    entered = one.week if not answer.digest and _by_hand(_metric(one, promise)) else None
    return Criterion(of, promise, answer, baseline, where, entered)


def _metric(one: _Compared, promise: Improvement) -> BaselineMetric | None:
    return next((m for m in one.scope.metrics if m.slug == promise.promised.against), None)


def _by_hand(metric: BaselineMetric | None) -> bool:
    return metric is not None and bool(metric.how) and metric.check not in checks()


def _valued(promise: Improvement, now: _Now) -> Answer:
    check = checks().get(promise.check)
    if check is None:  # a pinned playbook may name one that a later version no longer has
        return unknown(_("this version has no check %(check)s") % {"check": promise.check})
    if promise.over is not None and now.problem:
        return unknown(now.problem)
    silent = [v.node or v.object for v in now.verdicts if v.check_id == check.id and not v.state.known and v.node]
    if promise.over is None and silent:
        return unknown(_("nothing is known of %(where)s") % {"where": ", ".join(silent[:3])})
    return by_value(promise, check.title, now.readings[promise])


def _changed(one: _Compared, promise: Improvement, now: _Now) -> Answer:
    """From the comparison that stands; without one, what is missing for it."""
    against, comparison, deployed = promise.promised.against, one.comparison, one.scope.deployed
    missing = ""
    if against not in one.scope.baselines:
        missing = _("no baseline was captured")
        if deployed:
            missing = _("no baseline was captured before the deployment, and none can be any more")
    elif deployed is None:
        missing = _("not deployed yet")
    elif comparison is None:
        missing = _("not compared yet")
    elif deployed > comparison.at:
        missing = _("deployed again since the comparison")
    if missing or comparison is None:
        return unknown(missing, *_present(one, promise, now))
    source = _("comparison of %(week)s") % {"week": one.week.title if one.week else ""}
    result = next((found for found in comparison.results if found["metric"] == against), None)
    if result is None or not result["shift"] or not result["reached"]:
        text = result["said"].rstrip(".") if result else _("the comparison does not have it")
        return Answer(Reached.UNKNOWN, text, source, digest=comparison.digest)
    return by_change(promise, Shift(**result["shift"]), source, comparison.at, comparison.digest)


def _present(one: _Compared, promise: Improvement, now: _Now) -> tuple[Figure | None, str]:
    """What the metric is at the last poll, where a check measures it: its first value, and the source in words."""
    metric = _metric(one, promise)
    check = checks().get(metric.check) if metric else None
    if check is None:
        return None, _("a person enters its value") if _by_hand(metric) else ""
    stood = next((v for v in now.verdicts if v.check_id == check.id and v.value is not None and v.at), None)
    figure = Figure(stood.value, stood.at) if stood and stood.value is not None and stood.at else None
    return figure, _("%(check)s at the last poll") % {"check": check.title}
