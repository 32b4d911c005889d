"""Comparing a week with its baseline: windows are chosen, both questions asked of each metric, and the outcome frozen."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.ledger.leaf import canonical
from apps.metrics.histories import HistoryUnreachable
from apps.metrics.kernel import State, worst
from apps.metrics.registry import checks
from apps.playbook.plan import BaselineMetric
from apps.rollouts.baseline import LOAD, metric_of, middle, samples
from apps.rollouts.comparison import SelfCheck, compare, self_check, unchanging
from apps.rollouts.models import Baseline, Comparison, Rollout
from apps.rollouts.outcomes import Outcome, entered_outcome, measured_outcome, unknown, unmeasured
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.scope import Scope, scope_of
from apps.rollouts.window import After, Match, after
from apps.rollouts.windowed import Pairs, matched, moments, raw_moments

HISTORY_WINDOWS = 8  # of what was before, each as long as the baseline: seven comparisons of it with itself


def compare_week(rollout: Rollout, at: Progress, entered: Mapping[str, float], by: Person) -> Comparison:
    """
    Compare every metric of a week's scope with what came after its last deployment, and keep the outcome.

    `entered`: values after the deployment that people read elsewhere, by slug.

    Raises:
        Refused: the week is not open, is signed, or nothing was deployed or captured in it (409); history cannot be read (503).
    """
    _refuse(at)
    scope, now = scope_of(rollout, at), datetime.now(UTC)
    if scope.deployed is None or not scope.baselines:
        text = _("Nothing to compare yet: capture a baseline and record the deployment first.")
        raise Refused(text, status=409)
    try:
        found = [_metric(rollout, scope, wanted, now, entered) for wanted in scope.metrics]
    except HistoryUnreachable as error:
        raise Refused(str(error), status=503) from error
    return _keep(rollout, at, found, by, now)


def _refuse(at: Progress) -> None:
    if not at.open:
        text = _("This week is not open yet: %(week)s must be fully signed first.")
        raise Refused(text % {"week": at.waits_for}, status=409)
    if at.signed:
        raise Refused(_("This week is signed; a signer has to revoke before it is compared again."), status=409)


def _metric(
    rollout: Rollout, scope: Scope, wanted: BaselineMetric, now: datetime, entered: Mapping[str, float]
) -> tuple[Outcome, Pairs, Pairs]:
    """The outcome of one metric, and the values of both sides."""
    baseline, deployed = scope.baselines.get(wanted.slug), scope.deployed
    promises = [promise for promise in scope.promises if promise.promised.against == wanted.slug]
    if baseline is None or deployed is None:
        return unknown(wanted, _("no baseline was captured")), [], []
    if not metric_of(wanted):
        value = entered.get(wanted.slug)
        if value is None:
            return unknown(wanted, _("its value after the deployment was not entered")), [], []
        return entered_outcome(wanted, promises, baseline.value, value), [], []
    within = after(baseline.start, baseline.end, deployed, now)
    if within is None:
        return unmeasured(wanted, deployed + (baseline.end - baseline.start)), [], []
    return _measured(rollout, wanted, promises, baseline, within)


def _measured(
    rollout: Rollout, wanted: BaselineMetric, promises: list[Any], baseline: Baseline, within: After
) -> tuple[Outcome, Pairs, Pairs]:
    metric, check = metric_of(wanted), checks().get(wanted.check)
    before = raw_moments(baseline.samples)
    later = moments(samples(rollout.tier, metric, within.start, within.end, check))
    values, others, paired = [v for _at, v in before], [v for _at, v in later], within.match is not Match.NONE
    if unchanging(values) or unchanging(others):
        text = _("one side is a single value that never moves, as a source says that hangs")
        return unknown(wanted, text, State.NO_DATA), before, later
    if paired:
        values, others = matched(before, later, baseline.start, within.start, settings.POLL_SECONDS)
    shift = compare(values, others, paired=paired)
    trust = _self_check(rollout, wanted, baseline, len(before))
    load = middle(samples(rollout.tier, checks()[LOAD].metric, within.start, within.end, checks()[LOAD]))
    outcome = measured_outcome(wanted, promises, shift, trust, within, (baseline.load_per_second, load))
    return outcome, before, later


def _self_check(rollout: Rollout, wanted: BaselineMetric, baseline: Baseline, length: int) -> SelfCheck | None:
    start = baseline.end - HISTORY_WINDOWS * (baseline.end - baseline.start)
    found = samples(rollout.tier, metric_of(wanted), start, baseline.end, checks().get(wanted.check))
    return self_check([v for _at, v in moments(found)], length)


def _keep(
    rollout: Rollout, at: Progress, found: list[tuple[Outcome, Pairs, Pairs]], by: Person, now: datetime
) -> Comparison:
    results = [asdict(outcome) for outcome, _before, _after in found]
    kept = {o.metric: {"before": before, "after": later} for o, before, later in found}
    state = worst([o.state for o, _before, _after in found])
    said = _sentence([o for o, _before, _after in found])
    digest = hashlib.sha256(canonical({"results": results, "samples": kept})).hexdigest()
    with transaction.atomic():
        _refuse(locked(rollout, at.week.slug))
        Comparison.objects.filter(rollout=rollout, week=at.week.slug, superseded_at=None).update(superseded_at=now)
        made = Comparison.objects.create(
            rollout=rollout,
            week=at.week.slug,
            by=by,
            at=now,
            state=state,
            said=said,
            results=results,
            samples=kept,
            digest=digest,
        )
        append(
            kind="rollout.compare",
            subject=f"rollout/{rollout.pk}/{at.week.slug}",
            actor=by.username,
            body={"rollout": rollout.name, "week": at.week.title, "state": state.value, "said": said, "digest": digest},
            tier=rollout.tier.slug,
        )
    return made


def _sentence(found: list[Outcome]) -> str:
    """All outcomes in one sentence: what fails first, then what is not known."""
    bad = [o.title for o in found if o.state in {State.FAIL, State.WARN}]
    vague = sum(not o.state.known for o in found)
    good = sum(o.state is State.PASS for o in found)
    parts = [ngettext("%(n)d metric as it should be", "%(n)d metrics as they should be", good) % {"n": good}]
    if bad:
        parts.insert(0, _("not as promised: %(which)s") % {"which": ", ".join(bad)})
    if vague:
        parts.append(ngettext("%(n)d not known", "%(n)d not known", vague) % {"n": vague})
    return ", ".join(parts)
