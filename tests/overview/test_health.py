"""`/health` and `/health/detailed`: the mission's shape and thresholds, from the real tier through its faults."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.lab import faults
from apps.lab.tier import Lab
from apps.metrics.kernel import State, Verdict
from apps.metrics.models import Tier
from apps.overview.health import DEGRADED, HEALTHY, UNHEALTHY, UNKNOWN, classify
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
