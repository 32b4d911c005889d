"""A week compared on its page: from a frozen baseline and stored samples to an outcome on record, and what is refused."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.kernel import NodeKind, State
from apps.metrics.models import Node, Series, Tier
from apps.metrics.registry import checks
from apps.metrics.store import copy
from apps.rollouts.advancing import advance_all
from apps.rollouts.comparisons import compared
from apps.rollouts.models import Baseline, Comparison, Deployment, Rollout, Signature, Watch
from apps.rollouts.progress import Progress, progress
from apps.rollouts.start import start
from apps.rollouts.uncompared import compare_ended
from tests.people import Browser

WEEK, METRIC, SLOT = "week-1-2", "response-time", timedelta(seconds=10)
LENGTH = timedelta(minutes=15)
Measure = Callable[[float], Rollout]


@pytest.fixture
def measured(db: None, lead: Person, devops: Person, dba: Person) -> Measure:
    """`measured(0.1)`: an open week with an hour of samples, a baseline and a deployment, since which all takes 0.1 s longer."""

    def make(slower: float) -> Rollout:
        tier = Tier.objects.create(slug="t", name="T")
        node = Node.objects.create(tier=tier, name="app", kind=NodeKind.APPLICATION, address="http://h/")
        rollout = start(tier, "Phase 2", lead)
        first = progress(rollout)[0]
        for off, person in zip(first.week.sign_offs, (devops, dba, lead), strict=True):
            signed = {"slot": off.slug, "role": off.roles[0], "meaning": off.meaning, "decision": "approve"}
            Signature.objects.create(
                rollout=rollout, week=first.week.slug, by=person, at=timezone.now(), statement=b"", digest="", covers=first.covers, **signed
            )  # fmt: skip
        now = timezone.now()
        deployed = now - LENGTH - timedelta(minutes=1)
        rng = np.random.default_rng(4)
        moments = [deployed - 3 * LENGTH + n * SLOT for n in range((now - deployed + 3 * LENGTH) // SLOT)]
        values = [0.2 + float(rng.exponential(0.02)) + (slower if at > deployed else 0.0) for at in moments]
        series = Series.objects.create(tier=tier, node=node, metric=checks()["app.latency"].metric, object="")
        rows = [(series.pk, at, value) for at, value in zip(moments, values, strict=True)]
        copy("metrics_sample", ("series_id", "at", "value"), ("int8", "timestamptz", "float8"), rows)
        before = [
            [at.timestamp(), v] for at, v in zip(moments, values, strict=True) if deployed - LENGTH <= at < deployed
        ]
        frozen(rollout, devops, METRIC, float(np.median([v for _at, v in before])), before, deployed)
        Deployment.objects.create(rollout=rollout, week=WEEK, what="Logging", by=devops, at=deployed)
        return rollout

    return make


def frozen(
    rollout: Rollout, by: Person, metric: str, value: float, points: list[list[float]], end: datetime
) -> Baseline:
    samples = [{"node": "app", "object": "", "points": points}] if points else []
    window = {"start": end - LENGTH, "end": end, "at": end}
    return Baseline.objects.create(
        rollout=rollout, week=WEEK, metric=metric, unit="s", value=value, samples=samples, digest="", by=by, **window
    )


def week_of(rollout: Rollout) -> Progress:
    return next(at for at in progress(rollout) if at.week.slug == WEEK)


def url(rollout: Rollout, rest: str) -> str:
    return f"/rollouts/{rollout.pk}/weeks/{WEEK}/{rest}/"


def answer_of(comparison: Comparison, metric: str = METRIC) -> dict[str, object]:
    return next(o for o in comparison.results if o["metric"] == metric)


def test_a_regression_is_found_and_said_and_kept(measured: Measure, devops: Person, browser: Browser) -> None:
    rollout = measured(0.1)
    assert compared(week_of(rollout).done).state is State.INCONCLUSIVE
    covers = week_of(rollout).covers
    assert browser(devops).post(url(rollout, "compare")).status_code == 302
    kept = Comparison.objects.get()
    found = answer_of(kept)
    assert (found["state"], found["held"]) == ("fail", "worse")
    assert kept.state == "fail"
    page = browser(devops).get(url(rollout, "comparison")).content.decode()
    assert "worse than is tolerated" in page
    assert "less of harm could be within" in page
    assert "other hours than before" in page.lower()
    assert kept.digest in page
    assert kept.digest in bytes(Entry.objects.get(kind="rollout.compare").body).decode()
    at = week_of(rollout)
    assert compared(at.done).state is State.FAIL
    assert at.covers != covers  # whoever signed before has not seen it


def test_no_change_passes_and_what_nobody_measured_stays_unknown(
    measured: Measure, devops: Person, browser: Browser
) -> None:
    rollout = measured(0.0)
    frozen(rollout, devops, "request-throughput", 100.0, [], timezone.now())
    assert browser(devops).post(url(rollout, "compare"), {"after-request-throughput": "130 /s"}).status_code == 302
    kept = Comparison.objects.get()
    assert answer_of(kept)["state"] == "pass"
    assert answer_of(kept, "request-throughput")["held"] == "held"
    assert "no baseline" in str(answer_of(kept, "query-p95")["said"])
    assert kept.state == "inconclusive"  # seven of the nine metrics were never captured
    assert "7 not known" in kept.said


def test_comparing_again_supersedes_and_a_later_deployment_asks_for_it(
    measured: Measure, devops: Person, browser: Browser
) -> None:
    rollout = measured(0.1)
    for _time in range(2):
        browser(devops).post(url(rollout, "compare"))
    assert Comparison.objects.count() == 2
    assert Comparison.objects.filter(superseded_at=None).count() == 1
    Deployment.objects.create(rollout=rollout, week=WEEK, what="APM", by=devops, at=timezone.now())
    assert compared(week_of(rollout).done).state is State.INCONCLUSIVE
    browser(devops).post(url(rollout, "compare"))
    said = str(answer_of(Comparison.objects.get(superseded_at=None))["said"])
    assert "a window as long as the baseline's is over only at" in said


def test_a_source_that_hangs_is_no_data(measured: Measure, devops: Person, browser: Browser) -> None:
    rollout = measured(0.0)
    baseline = Baseline.objects.get()
    points = [[at, 0.25] for at, _value in baseline.samples[0]["points"]]
    Baseline.objects.update(samples=[{"node": "app", "object": "", "points": points}])
    browser(devops).post(url(rollout, "compare"))
    assert answer_of(Comparison.objects.get())["state"] == "no_data"


def watched(rollout: Rollout, by: Person, **of: Any) -> Watch:
    """A watch that ended just now, and nobody compared after it."""
    now = timezone.now()
    told = {"begins": now - LENGTH, "ends": now, "terms": {}, "state": "pass", "ended_at": now} | of
    return Watch.objects.create(rollout=rollout, week=WEEK, by=by, at=now - LENGTH, **told)


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_process_did_not_compare_any_other_does_once(
    transactional_db: None, measured: Measure, devops: Person
) -> None:
    rollout = measured(0.1)
    watched(rollout, devops)

    def turn() -> None:
        advance_all(timezone.now())
        connection.close()

    threads = [Thread(target=turn) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = Comparison.objects.get()
    assert (kept.by, kept.state) == (devops, "fail")
    assert Entry.objects.filter(kind="rollout.compare").count() == 1
    advance_all(timezone.now())
    assert Comparison.objects.count() == 1


@pytest.mark.parametrize("why", ["aborted", "compared", "deployed again", "signed", "watched again"])
def test_what_needs_no_comparison_is_not_compared(
    measured: Measure, devops: Person, qa: Person, dba: Person, lead: Person, why: str
) -> None:
    rollout = measured(0.0)
    watch, now = watched(rollout, devops, aborted_by=devops if why == "aborted" else None), timezone.now()
    match why:
        case "compared":
            said = {"state": "pass", "said": "", "results": [], "samples": {}, "digest": ""}
            Comparison.objects.create(rollout=rollout, week=WEEK, by=devops, at=now, **said)
        case "deployed again":
            Deployment.objects.create(rollout=rollout, week=WEEK, what="APM", by=devops, at=now)
        case "watched again":
            watched(rollout, devops, state="", ended_at=None, ends=now + LENGTH)
        case "signed":
            at = week_of(rollout)
            for off, by in zip(at.week.sign_offs, (devops, qa, dba, lead), strict=False):
                signed = {"slot": off.slug, "role": off.roles[0], "meaning": off.meaning, "decision": "approve"}
                Signature.objects.create(
                    rollout=rollout, week=WEEK, by=by, at=now, statement=b"", digest="", covers=at.covers, **signed
                )
            assert week_of(rollout).signed
    before = Comparison.objects.count()
    assert not compare_ended(watch.pk)
    assert Comparison.objects.count() == before


def test_who_may_not_and_what_cannot_be_read(
    measured: Measure, viewer: Person, stranger: Person, devops: Person, browser: Browser
) -> None:
    rollout = measured(0.0)
    frozen(rollout, devops, "request-throughput", 100.0, [], timezone.now())
    assert browser(viewer).get(url(rollout, "comparison")).status_code == 200
    assert browser(viewer).post(url(rollout, "compare")).status_code == 403
    assert browser(stranger).get(url(rollout, "comparison")).status_code == 404
    for typed in ("many", "1" + " " * 1000 + "x1", "9" * 400):
        wrong = browser(devops).post(url(rollout, "compare"), {"after-request-throughput": typed})
        assert wrong.status_code == 422
        assert "is not understood; write it like 12" in wrong.content.decode()
    assert not Comparison.objects.exists()
    assert not Entry.objects.filter(kind="rollout.compare").exists()
