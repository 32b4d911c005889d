"""What the rate limits page draws and lists."""

from apps.metrics.board import Chart, Column, Table
from apps.metrics.kernel import Unit

CHARTS = (
    Chart(
        "blocked",
        "Requests refused",
        Unit.RATIO,
        ("ratelimits.keys.blocked",),
        check="ratelimits.blocked",
        reduce="max",
    ),
    Chart(
        "blocked-tier",
        "Requests refused, by tier",
        Unit.RATIO,
        ("ratelimits.keys.tier_blocked",),
        lines="object",
        check="ratelimits.blocked_tier",
        reduce="max",
    ),
    Chart("traffic", "Requests, by tier", Unit.PER_MINUTE, ("ratelimits.keys.tier_requests",), lines="object"),
    Chart(
        "keys-near",
        "Keys in use, and near their limit",
        Unit.COUNT,
        ("ratelimits.keys.active", "ratelimits.keys.near"),
        lines="metric",
        names=("in use", "near the limit"),
        reduce="max",
    ),
    Chart(
        "beyond",
        "Beyond the limit, yet passed",
        Unit.RATIO,
        ("ratelimits.keys.burst", "ratelimits.keys.shadow"),
        lines="metric",
        names=("burst", "only counted"),
    ),
    Chart(
        "degraded",
        "Decisions without Redis",
        Unit.PER_MINUTE,
        ("ratelimits.limiter.degraded",),
        check="ratelimits.degraded",
        reduce="max",
    ),
)

TABLES = (
    Table(
        "keys",
        "Keys",
        "ratelimits.keys",
        (
            Column("key", "Key", code=True),
            Column("tier", "Tier"),
            Column("used", "Used (at its last request)", Unit.COUNT),
            Column("limit", "Limit", Unit.COUNT),
            Column("share", "Used of its limit", Unit.RATIO),
            Column("burst_limit", "Burst", Unit.COUNT),
            Column("allowed", "Passed ever", Unit.COUNT),
            Column("blocked", "Refused ever", Unit.COUNT),
            Column("burst", "By burst ever", Unit.COUNT),
            Column("shadow", "Only counted ever", Unit.COUNT),
        ),
        empty="No key has asked anything yet.",
        limit=500,
    ),
)
