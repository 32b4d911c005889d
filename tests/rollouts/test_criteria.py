"""The success criteria: what is met, partly, not, and what is not known; the files; and the item that waits for all of them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import Person
from apps.ledger.models import Entry
from apps.metrics.kernel import NodeKind, Unit
from apps.metrics.models import Node, Series, Tier
from apps.metrics.registry import checks
from apps.metrics.store import copy
from apps.playbook.guides import Playbook
from apps.playbook.plan import Expectation, Measure, WeekKind
from apps.playbook.validate import current
from apps.rollouts.comparison import Shift
from apps.rollouts.criteria import criteria
from apps.rollouts.criterion import Criterion, by_value
from apps.rollouts.models import Baseline, Comparison, Deployment, Rollout, Signature, Tick
from apps.rollouts.sheet import in_words
from apps.rollouts.start import start
from apps.rollouts.stretch import Reading
from tests.people import Browser
from tests.rollouts.conftest import FINAL, at, begin

BLOCK, METRIC = "week-3-4", "read-throughput"
NOTHING = "0 of 23 targets met, 23 not known"


@pytest.fixture(scope="module")
def whole() -> Playbook:
    return current().playbook


@pytest.fixture
def rollout(db: None, lead: Person) -> Rollout:
    return start(Tier.objects.create(slug="t", name="T"), "Phase 2", lead)


def url(rollout: Rollout, rest: str = "criteria/") -> str:
    return f"/rollouts/{rollout.pk}/{rest}"


def row(rollout: Rollout, slug: str, block: str = "") -> Criterion:
    return next(r for r in criteria(rollout).rows if (r.promise.slug, r.block.slug if r.block else "") == (slug, block))


def verdict(rollout: Rollout, slug: str, block: str = "") -> tuple[str, str]:
    found = row(rollout, slug, block).answer
    return found.verdict.value, found.reason


def captured(rollout: Rollout, by: Person, metric: str = METRIC, value: float = 100.0, week: str = BLOCK) -> Baseline:
    now = timezone.now() - timedelta(hours=2)
    return Baseline.objects.create(
        rollout=rollout, week=week, metric=metric, unit="/s", value=value, start=now, end=now, at=now, samples=[], digest="", by=by
    )  # fmt: skip


def compared(rollout: Rollout, by: Person, low: float, high: float, moment: datetime | None = None) -> None:
    """A frozen comparison of the reads a second, which were 100."""
    shift = (low + high) / 2
    one = Shift(90, 90, 100.0, 100.0 + shift, shift, low, high, 0.01, 1.0, 3, paired=False)
    result = {"metric": METRIC, "state": "pass", "reached": "met", "said": "", "shift": asdict(one)}
    Comparison.objects.filter(rollout=rollout).update(superseded_at=timezone.now())
    Comparison.objects.create(
        rollout=rollout, week=BLOCK, by=by, at=moment or timezone.now(), state="pass", said="", results=[result], samples={},
        digest="a" * 64,
    )  # fmt: skip


def sampled(tier: Tier, check: str, by_object: dict[str, Sequence[float]]) -> None:
    """Hourly values up to now, of one node of the check's kind."""
    node, _made = Node.objects.get_or_create(
        tier=tier, name=check, defaults={"kind": checks()[check].kind or NodeKind.REDIS, "address": "redis://h"}
    )
    rows = []
    for name, values in by_object.items():
        series = Series.objects.create(tier=tier, node=node, metric=checks()[check].metric, object=name)
        ago = [timezone.now() - timedelta(hours=n, minutes=1) for n in range(len(values))]
        rows += [(series.pk, moment, value) for moment, value in zip(ago, values, strict=True)]
    copy("metrics_sample", ("series_id", "at", "value"), ("int8", "timestamptz", "float8"), rows)


def test_before_anything_is_done_nothing_is_known_and_each_line_says_what_it_needs(
    rollout: Rollout, viewer: Person, stranger: Person, browser: Browser
) -> None:
    page = browser(viewer).get(url(rollout)).content.decode()
    assert NOTHING in page
    assert page.count("no baseline was captured") == 18
    assert page.count("nothing was measured: is the node declared, and polled?") == 5
    assert url(rollout) in browser(viewer).get(url(rollout, "")).content.decode()
    assert browser(stranger).get(url(rollout)).status_code == 404
    assert browser(stranger).get(url(rollout, "criteria.json")).status_code == 404
    assert browser(viewer).get(url(rollout, "criteria.xml")).status_code == 404


@pytest.mark.parametrize(
    ("low", "high", "found", "said"),
    [
        (110, 130, "met", "+120 % (+110 % … +130 %), as promised"),
        (80, 130, "partly", "better for certain, but not certainly by what was promised"),
        (-20, 60, "not", "not what was promised"),
        (-20, 130, "unknown", "cannot tell"),
    ],
)
def test_a_change_is_judged_by_the_frozen_comparison(
    rollout: Rollout, devops: Person, low: float, high: float, found: str, said: str
) -> None:
    captured(rollout, devops)
    assert verdict(rollout, METRIC, BLOCK) == ("unknown", "not deployed yet")
    deployed = Deployment.objects.create(
        rollout=rollout, week=BLOCK, what="R", by=devops, at=timezone.now() - timedelta(hours=1)
    )
    assert verdict(rollout, METRIC, BLOCK) == ("unknown", "not compared yet")
    compared(rollout, devops, low, high)
    state, reason = verdict(rollout, METRIC, BLOCK)
    assert state == found
    assert said in reason.replace("\N{NO-BREAK SPACE}", " ")
    one = row(rollout, METRIC, BLOCK)
    assert one.baseline is not None
    assert one.answer.measured is not None
    assert (one.baseline.value, one.answer.measured.value) == (100.0, 100.0 + (low + high) / 2)
    deployed.at = timezone.now() + timedelta(minutes=1)
    deployed.save()
    assert verdict(rollout, METRIC, BLOCK) == ("unknown", "deployed again since the comparison")


def test_a_baseline_that_was_missed_is_said_to_be_lost(rollout: Rollout, devops: Person) -> None:
    Deployment.objects.create(rollout=rollout, week=BLOCK, what="R", by=devops, at=timezone.now())
    assert verdict(rollout, METRIC, BLOCK)[1].endswith("none can be any more")


def test_a_promised_value_is_the_mean_of_a_day_or_its_busiest_hour(rollout: Rollout) -> None:
    sampled(rollout.tier, "cache.hit_rate", {"": [0.9] * 12 + [0.6] * 12})
    sampled(rollout.tier, "pools.utilisation", {"app": [0.1] * 23 + [0.7], "jobs": [0.1] * 24, "gone": [0.2] * 3})
    sampled(rollout.tier, "app.error_rate", {"": [0.02] * 24})
    state, reason = verdict(rollout, "hit-rate")
    assert (state, reason.replace("\N{NO-BREAK SPACE}", " ")) == ("met", "75 %, as promised")
    state, reason = verdict(rollout, "pool-utilisation")
    assert state == "partly"
    assert "1 of 2 is not what was promised: 10" in reason  # the pool that is gone counts no more
    assert verdict(rollout, "error-rate")[0] == "not"
    assert criteria(rollout).said == "2 of 23 targets met, 1 partly, 1 not, 19 not known"


def test_a_node_that_fell_silent_is_not_left_out(rollout: Rollout) -> None:
    now, step = timezone.now(), timedelta(hours=1)
    promise = next(t for t in current().playbook.plan.targets if t.slug == "hit-rate")
    good, gone = Reading("lab-redis", 0.9, now, 24), Reading("other-redis", 0.9, now - 10 * step, 3)
    assert by_value(promise, "Hit rate", [good]).verdict.value == "met"
    silent = by_value(promise, "Hit rate", [good, gone])
    assert silent.verdict.value == "unknown"
    assert silent.reason.startswith("other-redis was not measured since")
    assert by_value(promise, "Hit rate", [good, replace(gone, at=now)]).verdict.value == "met", "it is new"


def test_half_a_day_is_needed_and_what_is_there_is_shown(rollout: Rollout) -> None:
    sampled(rollout.tier, "cache.hit_rate", {"": [0.9] * 5})
    found = row(rollout, "hit-rate")
    assert found.answer.verdict.value == "unknown"
    assert found.answer.reason.startswith("measured in 5 of 24 steps")
    assert found.answer.measured is not None
    assert found.answer.measured.value == pytest.approx(0.9)


def test_the_files_say_the_same(rollout: Rollout, viewer: Person, browser: Browser) -> None:
    sampled(rollout.tier, "cache.hit_rate", {"": [0.8] * 24})
    document = browser(viewer).get(url(rollout, "criteria.json")).json()
    assert document["said"] == "2 of 23 targets met, 21 not known"
    assert document["counts"] == {"met": 2, "partly": 0, "not": 0, "unknown": 21}
    text = browser(viewer).get(url(rollout, "criteria.csv")).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [r["criterion"] for r in rows] == [c["criterion"] for c in document["criteria"]]
    assert {r["criterion"] for r in rows if r["verdict"] == "met"} == {"hit-rate"}


def test_the_item_on_all_targets_refuses_until_they_are_met_and_freezes_them(
    whole: Playbook, lead: Person, qa: Person, browser: Browser
) -> None:
    plan = replace(whole.plan, targets=tuple(t for t in whole.plan.targets if t.slug == "hit-rate"))
    rollout = begin(replace(whole, plan=plan, weeks=(whole.weeks[-1],)), lead, qa)
    Tick.objects.filter(item="targets-reached").update(undone_at=timezone.now())
    tick = url(rollout, f"weeks/{FINAL}/items/targets-reached/tick/")
    refused = browser(qa).post(tick)
    assert refused.status_code == 422
    assert "1 of 1 targets are not met. Cache hit rate: nothing was measured" in refused.content.decode()
    assert not Tick.objects.filter(item="targets-reached", undone_at=None).exists()
    sampled(rollout.tier, "cache.hit_rate", {"": [0.8] * 24})
    assert browser(qa).post(tick).status_code == 302
    kept = Tick.objects.get(item="targets-reached", undone_at=None)
    assert [(e["criterion"], e["verdict"]) for e in kept.evidence] == [("hit-rate", "met")]
    assert kept.digest in bytes(Entry.objects.get(kind="rollout.tick").body).decode()
    assert "as promised" in browser(qa).get(url(rollout, f"weeks/{FINAL}/")).content.decode()


def test_the_final_week_compares_the_programme_with_the_first_blocks_baseline(
    whole: Playbook, lead: Person, qa: Person, devops: Person, backend: Person, browser: Browser
) -> None:
    first = next(week for week in whole.weeks if week.kind is WeekKind.BLOCK)
    rollout = begin(replace(whole, weeks=(first, whole.weeks[-1])), lead, qa)
    captured(rollout, devops, "request-throughput", 100.0, first.slug)
    Deployment.objects.create(rollout=rollout, week=first.slug, what="L", by=devops, at=timezone.now())
    covers = at(rollout, first.slug).covers
    for off, person in zip(first.sign_offs, (devops, backend, lead), strict=True):
        signed = {"slot": off.slug, "role": off.roles[0], "meaning": off.meaning, "decision": "approve"}
        Signature.objects.create(
            rollout=rollout, week=first.slug, by=person, at=timezone.now(), statement=b"", digest="", covers=covers, **signed
        )  # fmt: skip
    compare = url(rollout, f"weeks/{FINAL}/compare/")
    assert browser(devops).post(compare, {"after-request-throughput": "130"}).status_code == 302
    assert [o["metric"] for o in Comparison.objects.get().results] == [
        "query-p95", "query-mean", "request-throughput", "read-throughput",
    ]  # fmt: skip
    state, reason = verdict(rollout, "request-throughput")
    assert (state, reason.replace("\N{NO-BREAK SPACE}", " ")) == ("met", "+30 %, as promised")
    assert verdict(rollout, "read-throughput")[0] == "unknown"
    page = browser(devops).get(url(rollout)).content.decode()
    assert f"/weeks/{FINAL}/comparison/#metric-request-throughput" in page


@pytest.mark.parametrize(
    ("measure", "low", "high", "words"),
    [
        ("change", -0.5, -0.2, "20 % to 50 % less"),
        ("change", None, -0.95, "at least 95 % less"),
        ("change", -0.2, 0.0, "0 % to 20 % less"),
        ("change", 0.25, 0.4, "25 % to 40 % more"),
        ("change", 1.0, None, "at least 100 % more"),
        ("change", None, 0.05, "at most 5 % more"),
        ("change", -0.1, 0.1, "from 10 % less to 10 % more"),
        ("difference", -0.2, -0.05, "50 ms to 200 ms less"),
        ("value", None, 2.0, "at most 2 s"),
        ("value", 1.0, 2.0, "1 s to 2 s"),
    ],
)
def test_a_promise_is_written_as_it_is_read_aloud(
    measure: str, low: float | None, high: float | None, words: str
) -> None:
    promised = Expectation(unit=Unit.SECONDS, low=low, high=high, measure=Measure(measure))
    assert in_words(promised).replace("\N{NO-BREAK SPACE}", " ") == words


def test_who_has_to_enter_a_value_is_told_where(rollout: Rollout, viewer: Person, browser: Browser) -> None:
    page = " ".join(browser(viewer).get(url(rollout)).content.decode().split())
    link = f'<a href="/rollouts/{rollout.pk}/weeks/week-3-4/comparison/">on the comparison page of “Week 3–4: read replicas”</a>'
    assert f"A person enters its value {link}" in page
    assert browser(viewer).get(url(rollout, "weeks/week-3-4/comparison/")).status_code == 200
