"""`/health` and `/health/detailed`: the mission's shape and thresholds, from the real tier through its faults."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from apps.lab import faults
from apps.lab.tier import Lab
from apps.metrics.kernel import State, Verdict
from apps.metrics.models import Tier
from apps.metrics.registry import checks
from apps.overview.health import CLASSIFYING, DEGRADED, HEALTHY, UNHEALTHY, UNKNOWN, _worst_values, classify
from tests.conftest import Inject
from tests.watch import Watch

PRIMARY = Verdict("queries.primary_up", "", "", 1.0, State.PASS, None)
NODES = [
    {"object": "r1", "kind": "postgres", "role": "replica", "declared_role": "replica", "up": True},
    {"object": "r2", "kind": "postgres", "role": "", "declared_role": "replica", "up": True},
]


def lag(node: str, state: State) -> Verdict:
    return Verdict("replicas.lag_health", node, "", 0.1, state, None)


def with_down(*names: str) -> list[dict[str, object]]:
    return [{**row, "up": row["object"] not in names} for row in NODES]


BOTH = [lag("r1", State.PASS), lag("r2", State.PASS)]


@pytest.mark.parametrize(
    ("verdicts", "nodes", "status"),
    [
        ([PRIMARY, *BOTH], with_down(), HEALTHY),
        ([PRIMARY, lag("r1", State.PASS), lag("r2", State.NO_DATA)], with_down("r2"), DEGRADED),
        ([PRIMARY, lag("r1", State.WARN), lag("r2", State.PASS)], with_down(), DEGRADED),
        ([PRIMARY, lag("r1", State.FAIL), lag("r2", State.PASS)], with_down(), UNHEALTHY),
        ([PRIMARY], with_down("r1", "r2"), UNHEALTHY),
        ([PRIMARY, *BOTH, Verdict("pools.waiting", "p", "", 3, State.WARN, None)], with_down(), DEGRADED),
        ([PRIMARY, *BOTH, Verdict("pools.waiting", "p", "", 30, State.FAIL, None)], with_down(), UNHEALTHY),
        ([PRIMARY, *BOTH, Verdict("cache.up", "c", "", None, State.NO_DATA, None)], with_down(), DEGRADED),
        (
            [PRIMARY, *BOTH, Verdict("queries.slow_share", "p", "", None, State.INCONCLUSIVE, None)],
            with_down(),
            HEALTHY,
        ),
        ([Verdict("queries.primary_up", "", "", 0.0, State.FAIL, None), *BOTH], with_down(), UNHEALTHY),
        ([Verdict("queries.primary_up", "", "", None, State.NO_DATA, None), *BOTH], with_down(), UNKNOWN),
        ([], [], UNKNOWN),
    ],
)
def test_the_table_of_the_mission(verdicts: list[Verdict], nodes: list[dict[str, object]], status: str) -> None:
    assert classify(verdicts, nodes) == status


@pytest.mark.parametrize(
    ("check", "healthy", "degraded", "unhealthy"),
    [
        ("queries.primary_up", (1,), (), (0,)),
        ("replicas.lag_health", (0, 0.999), (1, 5), (5.001,)),
        ("cache.memory_health", (0, 99_999_999), (100_000_000, 500_000_000), (500_000_001,)),
        ("cache.evictions_health", (0,), (1, 10_000), (10_001,)),
        ("pools.waiting", (0,), (1, 10), (11,)),
        ("queries.p95_health", (0, 299.9), (300, 600), (600.1,)),
        ("queries.slow_share", (0, 0.0499), (0.05, 0.10), (0.101,)),
    ],
)
def test_each_bound_is_the_missions(
    check: str, healthy: tuple[float, ...], degraded: tuple[float, ...], unhealthy: tuple[float, ...]
) -> None:
    for values, state in ((healthy, State.PASS), (degraded, State.WARN), (unhealthy, State.FAIL)):
        for value in values:
            assert checks()[check].judge(value, timedelta(0)) is state, value
    assert check == "replicas.lag_health" or check in CLASSIFYING


def test_of_two_poolers_the_one_that_decides_is_shown() -> None:
    waiting = [Verdict("pools.waiting", name, "", value, state, None) for name, value, state in
               (("a", 12, State.FAIL), ("b", 0, State.PASS))]  # fmt: skip
    assert _worst_values(waiting) == _worst_values(waiting[::-1]) == {"pools.waiting": 12}


def test_a_tier_that_is_well(watch: Watch, client: Client) -> None:
    watch.poll(3)
    body = client.get("/health/detailed").json()
    assert body["status"] in {"healthy", "degraded"}, body
    assert set(body) == {"status", "timestamp", "tier", "polled_at", "services"}
    database = body["services"]["database"]
    assert database["primary"]["connected"] is True
    assert database["primary"]["latency_ms"] > 0
    assert [r["name"] for r in database["replicas"]] == ["lab-replica-1", "lab-replica-2"]
    assert all(r["lag_seconds"] is not None for r in database["replicas"])
    assert {name: set(told) for name, told in body["services"].items()} == {
        "database": {"primary", "replicas"},
        "redis": {"connected", "memory_bytes", "keys", "evictions"},
        "pgbouncer": {"connected", "active", "waiting"},
        "queries": {"p95_ms", "slow_share"},
    }
    assert set(database["primary"]) == {"connected", "latency_ms"}
    assert set(database["replicas"][0]) == {"name", "connected", "lag_seconds"}
    assert body["services"]["redis"]["memory_bytes"] > 0
    assert body["services"]["pgbouncer"]["waiting"] == 0
    assert "services" not in client.get("/health").json()


def test_one_replica_down_of_two_is_degraded_and_answers_200(
    watch: Watch, client: Client, fault: Inject, lab: Lab, heal: Callable[[str], None]
) -> None:
    fault("stop-replica-1")
    watch.poll(2)
    answer = client.get("/health/detailed")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    down = answer.json()["services"]["database"]["replicas"][0]
    assert down == {"name": "lab-replica-1", "connected": False, "lag_seconds": None}
    heal("stop-replica-1")
    assert faults.active(lab.servers) == {}


def test_no_primary_is_unhealthy_and_answers_503(watch: Watch, client: Client, fault: Inject) -> None:
    fault("stop-primary")
    watch.poll(2)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")


def test_what_was_not_polled_is_not_known(client: Client, db: None) -> None:
    assert client.get("/health").status_code == 404
    Tier.objects.create(slug="lab", name="Lab")
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unknown")
    assert "Name one" in client.get("/health?tier=other").json()["error"]
