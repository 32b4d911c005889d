"""`/metrics` and `/metrics/pool`: what a scraper reads of the real tier, and who may."""

from datetime import timedelta
from math import inf, nan
from pathlib import Path

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from apps.accounts.models import Person
from apps.lab import redis
from apps.lab.layout import Layout
from apps.metrics import store
from apps.metrics.models import LatestAnswer, Series, Tier
from apps.metrics.names import external
from apps.metrics.registry import exported
from tests.conftest import Inject
from tests.people import Browser, MakePerson
from tests.watch import Watch

TOKEN = "a-token-for-machines"
EXPORTERS = Path(__file__).with_name("exporters.txt")
OURS = {"tier", "node", "role"}  # labels of the portal that no exporter has
HOSTILE = 'ta"b\\le\n# TYPE up gauge'


@pytest.fixture
def scrape(settings: Settings) -> Client:
    """A machine that knows the token."""
    settings.METRICS_TOKEN = TOKEN
    return Client(headers={"Authorization": f"Bearer {TOKEN}"})


def families(client: Client) -> dict[str, list[tuple[dict[str, str], float]]]:
    answer = client.get("/metrics")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        assert family.name not in found, "a name stands once"
        found[family.name] = [(sample.labels, sample.value) for sample in family.samples]
    return found


def test_a_scraper_reads_the_newest_samples_and_the_states_of_checks(
    watch: Watch, scrape: Client, fault: Inject
) -> None:
    of = Series.objects.filter(metric="cache.info.used_memory").first()
    assert of is not None
    Series.objects.filter(pk=of.pk).update(object=HOSTILE)
    found = families(scrape)
    assert {labels["node"] for labels, value in found["pg_up"] if value == 1} == {
        "lab-primary", "lab-replica-1", "lab-replica-2",
    }  # fmt: skip
    assert any(labels.get("object") == HOSTILE for labels, _value in found["opsportal_cache_info_used_memory"])
    states = [
        (labels["state"], value)
        for labels, value in found["opsportal_check_state"]
        if labels["check"] == "node.up" and labels["node"] == "lab-redis"
    ]
    assert ("pass", 1.0) in states
    assert sum(value for _state, value in states) == 1
    assert len(found["redis_memory_used_bytes"]) == 1
    fault("stop-redis")
    watch.poll(2)
    found = families(scrape)
    assert [value for labels, value in found["redis_up"] if labels["node"] == "lab-redis"] == [0.0]
    assert "redis_memory_used_bytes" not in found, "of a node that is down nothing else is said"


def test_no_name_and_no_label_is_taken_for_a_number(watch: Watch, scrape: Client) -> None:
    Tier.objects.update(slug="infra")
    said = {"cache.info.used_memory": inf, "cache.info.clients": -inf, "replicas.lag.seconds": nan}
    later = watch.slot + timedelta(seconds=1)
    rows = [(of.pk, later, said[of.metric]) for of in Series.objects.filter(metric__in=said)]
    store.copy("metrics_sample", ("series_id", "at", "value"), ("int8", "timestamptz", "float8"), rows)
    found = families(scrape)
    ours = {name for name in found if name.startswith("opsportal_")} - {"opsportal_check_state"}
    assert ours <= {external(metric) for metric in Series.objects.values_list("metric", flat=True)}
    assert {labels["tier"] for samples in found.values() for labels, _value in samples} == {"infra"}
    for metric, value in said.items():
        assert {str(one) for _labels, one in found[external(metric)]} == {str(value)}


def of_exporters() -> dict[str, tuple[str, set[str]]]:
    """Name, without the `_total` that the parser takes off a counter's, to type and labels."""
    lines = (line.split() for line in EXPORTERS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {
        name.removesuffix("_total"): (kind, set(labels[0].split(",")) if labels else set())
        for name, kind, *labels in lines
    }


def test_what_exporters_have_a_name_for_bears_it_with_their_type_and_labels(
    watch: Watch, scrape: Client, layout: Layout
) -> None:
    with redis.session(layout) as client:
        client.set("of-a-test", "1", ex=60)
    watch.poll()
    known = of_exporters()
    text = scrape.get("/metrics").content.decode()
    found = {
        family.name: family
        for family in text_string_to_metric_families(text)
        if not family.name.startswith("opsportal_")
    }
    assert {one.name.removesuffix("_total") for one in exported()} <= found.keys()
    for name, family in found.items():
        kind, labels = known[name]
        assert family.type == kind, name
        for sample in family.samples:
            assert sample.labels.keys() - OURS <= labels, name


def test_what_exporters_name_has_their_unit(watch: Watch, scrape: Client) -> None:
    stats = LatestAnswer.objects.get(probe="pools.stats")
    stats.rows = [row | {"total_query_time": 2_500_000} for row in stats.rows]
    stats.save()
    found = families(scrape)
    assert {value for _labels, value in found["pgbouncer_stats_queries_duration_seconds"]} == {2.5}
    assert {labels["node"]: value for labels, value in found["pg_replication_is_replica"]} == {
        "lab-primary": 0, "lab-replica-1": 1, "lab-replica-2": 1,
    }  # fmt: skip
    assert {labels["state"] for labels, _value in found["pg_stat_activity_count"]} == {
        "active", "idle", "idle in transaction",
    }  # fmt: skip
    (started,) = (
        value for labels, value in found["pg_postmaster_start_time_seconds"] if labels["node"] == "lab-primary"
    )
    assert 0 < watch.slot.timestamp() - started < 86400


def test_the_pools_of_a_tier_are_one_document(watch: Watch, scrape: Client) -> None:
    document = scrape.get("/metrics/pool").json()
    assert document["tier"] == "lab"
    (part,) = document["databases"]
    assert part["node"] == "lab-pgbouncer"
    assert "messaging" in {row["name"] for row in part["rows"]}
    assert {"pools", "lists", "stats"} <= document.keys()
    assert scrape.get("/metrics/pool?tier=none").status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/metrics/pool"])
def test_without_token_or_permission_nothing_is_said(
    watch: Watch, settings: Settings, browser: Browser, dba: Person, viewer: Person, path: str
) -> None:
    settings.METRICS_TOKEN = ""
    assert Client(headers={"Authorization": "Bearer "}).get(path).status_code == 401
    settings.METRICS_TOKEN = TOKEN
    for header in ("", "Bearer wrong", TOKEN):
        refused = Client(headers={"Authorization": header}).get(path)
        assert refused.status_code == 401
        assert "OPSPORTAL_METRICS_TOKEN" in refused.content.decode()
    assert browser(viewer).get(path).status_code == 401
    assert browser(dba).get(path).status_code == 200


def test_who_has_a_role_on_one_tier_reads_of_that_one_only(
    watch: Watch, person: MakePerson, browser: Browser, scrape: Client
) -> None:
    Tier.objects.create(slug="other", name="Other")
    here, there = (browser(person(f"of-{slug}", ["devops"], tier_slug=slug)) for slug in ("lab", "other"))
    assert 'tier="lab"' in here.get("/metrics").content.decode()
    nothing = there.get("/metrics")
    assert (nothing.status_code, "lab" in nothing.content.decode()) == (200, False)
    assert here.get("/metrics/pool").json()["tier"] == "lab"
    assert there.get("/metrics/pool").json()["tier"] == "other"
    hidden = there.get("/metrics/pool?tier=lab")
    assert (hidden.status_code, hidden.json()) == (404, {"error": "There is no tier 'lab'."})
    assert scrape.get("/metrics/pool?tier=other").json()["tier"] == "other"
