"""Before a baseline is captured, its page says what each metric has of what a comparison needs, what is missing, and until when."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from scipy.signal import lfilter

from apps.accounts.models import Person
from apps.metrics.kernel import NodeKind
from apps.metrics.models import Node, Series, Tier
from apps.metrics.registry import checks
from apps.metrics.store import copy
from apps.playbook.plan import Week
from apps.playbook.validate import current
from apps.rollouts.gathering import Gathered, gathered, said
from apps.rollouts.models import Deployment, Rollout
from apps.rollouts.start import playbook_of, start
from tests.people import Browser
from tests.rollouts.conftest import begin

SLOT = timedelta(seconds=10)


@pytest.fixture
def rollout(db: None, lead: Person) -> Rollout:
    tier = Tier.objects.create(slug="t", name="T")
    Node.objects.create(tier=tier, name="app", kind=NodeKind.APPLICATION, address="http://h/")
    return start(tier, "Phase 2", lead)


def sampled(rollout: Rollout, values: list[float], ended: timedelta = SLOT / 2) -> None:
    """The answer times of an application, one a poll."""
    now, node = timezone.now() - ended, Node.objects.get(name="app")
    series = Series.objects.create(tier=rollout.tier, node=node, metric=checks()["app.latency"].metric, object="")
    rows = [(series.pk, now - n * SLOT, value) for n, value in enumerate(reversed(values))]
    copy("metrics_sample", ("series_id", "at", "value"), ("int8", "timestamptz", "float8"), rows)


def latency(rollout: Rollout, window: str = "1h") -> Gathered:
    return next(g for g in gathered(rollout, week(rollout), window) if g.metric.slug == "response-time")


def week(rollout: Rollout) -> Week:
    return week_of(playbook_of(rollout).weeks, "week-1-2")


def week_of(weeks: Sequence[Week], slug: str) -> Week:
    return next(w for w in weeks if w.slug == slug)


def test_what_was_never_measured_is_named(rollout: Rollout, viewer: Person, stranger: Person, browser: Browser) -> None:
    where = f"/rollouts/{rollout.pk}/weeks/week-1-2/gathering/"
    page = browser(viewer).get(where).content.decode()
    assert "0 of 4 metrics have the samples that a comparison needs" in page
    assert page.count("Nothing was measured in this window: is its node declared, and polled?") == 4
    assert "Capture the last" not in page
    assert where in browser(viewer).get(f"/rollouts/{rollout.pk}/weeks/week-1-2/").content.decode()
    assert browser(viewer).get(where + "?window=2y").status_code == 200
    assert browser(stranger).get(where).status_code == 404


def test_the_samples_that_are_missing_come_at_the_pace_of_those_before(rollout: Rollout) -> None:
    sampled(rollout, [0.2, 0.3, 0.25])
    found = latency(rollout)
    assert (found.have, found.need) == (3, 5)
    assert found.missing.startswith("2 more samples, in about 20")
    assert found.ready is not None
    assert abs(found.ready - timezone.now() - 2 * SLOT) < timedelta(seconds=5)


def test_independent_samples_are_soon_enough_and_slow_ones_need_a_longer_window(rollout: Rollout) -> None:
    rng = np.random.default_rng(8)
    slow = lfilter([1], [1, -0.97], rng.standard_normal(330))[300:]
    sampled(rollout, [float(v) for v in 5 + slow])
    found = latency(rollout, "5m")
    assert found.have == 30 < found.need
    assert found.missing.startswith("the window is too short")
    assert found.ready is None


def test_enough_is_enough(rollout: Rollout) -> None:
    sampled(rollout, np.random.default_rng(8).exponential(0.02, 60).tolist())
    found = latency(rollout)
    assert (found.have, found.enough) == (60, True)
    assert said([found]) == "every metric has the samples that a comparison needs"


def test_what_stopped_or_never_moves_is_not_waited_for(rollout: Rollout) -> None:
    sampled(rollout, [0.2, 0.3, 0.25], ended=timedelta(minutes=20))
    assert latency(rollout).missing.startswith("no sample came for 20")
    assert latency(rollout).ready is None
    Series.objects.all().update(object="other")
    sampled(rollout, [0.25] * 12)
    assert "never moved" in latency(rollout, "15m").missing


def test_a_deployed_week_without_a_baseline_says_that_it_is_too_late_and_who_can_go_on(
    lead: Person, qa: Person, dba: Person, viewer: Person, browser: Browser
) -> None:
    whole = current().playbook
    found = begin(replace(whole, weeks=(week_of(whole.weeks, "week-1-2"), whole.weeks[-1])), lead, qa)
    where = f"/rollouts/{found.pk}/weeks/week-1-2/gathering/"
    Deployment.objects.create(rollout=found, week="week-1-2", what="v1", by=dba, at=timezone.now())
    page = browser(viewer).get(where).content.decode()
    assert "<h1>It is too late for a baseline: none was captured before the deployment</h1>" in page
    assert "samples that a comparison needs" not in page
    assert "can be overridden, on the record, by: DevOps engineer, DBA, Engineering lead." in page
    assert "#overrides" not in page
    assert f'href="/rollouts/{found.pk}/weeks/week-1-2/#overrides"' in browser(dba).get(where).content.decode()
