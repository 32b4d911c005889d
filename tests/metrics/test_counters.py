"""A counter that is reset on a real server leaves a gap in history, never a negative rate."""

from datetime import timedelta

import httpx
import redis
from django.db import connection
from django.utils import timezone

from apps.lab import postgres
from apps.lab.layout import Node
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics.poll import poll, slot_of
from tests.conftest import Inject
from tests.watch import Watch

SLOT = timedelta(seconds=10)
RATES = ("queries.counters.transactions_per_second", "cache.info.commands")


def measured(metric: str) -> list[float | None]:
    """All that is kept of a metric on the node that was reset, slot by slot."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.value FROM metrics_sample p JOIN metrics_series s ON s.id = p.series_id JOIN metrics_node n ON n.id = s.node_id"
            " WHERE s.metric = %s AND n.name IN ('lab-primary', 'lab-redis') ORDER BY p.at",
            [metric],
        )
        return [value for (value,) in cursor.fetchall()]


def test_a_reset_leaves_a_gap_and_no_negative_rate(lab: Lab, db: None) -> None:
    tier, first = register(lab.layout), slot_of(timezone.now())
    for number in range(2):
        poll(tier, first + number * SLOT)
    before = {metric: len([v for v in measured(metric) if v is not None]) for metric in RATES}
    assert all(before.values())
    with postgres.connect(lab.layout, Node.PRIMARY, "messaging") as primary:
        primary.execute("SELECT pg_stat_reset(), pg_stat_statements_reset()")
    with redis.Redis.from_url(lab.layout.redis_url(Node.REDIS, "lab", direct=True)) as client:
        client.config_resetstat()
    poll(tier, first + 2 * SLOT)
    for metric in RATES:
        assert len([v for v in measured(metric) if v is not None]) == before[metric]
    poll(tier, first + 3 * SLOT)  # and it goes on
    for metric in RATES:
        assert len([v for v in measured(metric) if v is not None]) == before[metric] + 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.metric, p.value FROM metrics_sample p JOIN metrics_series s ON s.id = p.series_id WHERE p.value < 0"
        )
        assert cursor.fetchall() == []


def test_servers_that_start_anew_leave_no_negative_rate(watch: Watch, lab: Lab, fault: Inject, heal: Inject) -> None:
    """Of the application it is known by its counters alone, which are smaller."""
    for _ in range(20):
        httpx.get(f"{lab.layout.url(direct=True)}/api/anything", timeout=5)
    watch.poll(2)
    for name in ("stop-app", "stop-pgbouncer"):
        fault(name)
        heal(name)
    watch.poll(3)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.metric, p.value FROM metrics_sample p JOIN metrics_series s ON s.id = p.series_id WHERE p.value < 0"
        )
        assert cursor.fetchall() == []
