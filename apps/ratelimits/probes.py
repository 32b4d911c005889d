"""What is asked of the limiter's state in Redis (`ratelimit:…`) and of the application that uses it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.metrics.application import number
from apps.metrics.hashes import Hashes, pairs
from apps.metrics.kernel import NodeKind, Row, Rows, Sample
from apps.metrics.probe import Command, Probe, Talk, rate, share
from apps.metrics.readers.info import parse
from apps.ratelimits.limiter import QUOTAS, WINDOW_MS, Tier

STATISTICS = "ratelimit:stats:"
SLICES = 100  # of the window, as in lua/take.lua
NEAR = 0.8
MOST_NEAR = 100
COUNTED = ("allowed", "blocked", "burst", "shadow")
TIERS = {tier.value: QUOTAS[tier] for tier in Tier}

_statistics = Hashes(STATISTICS)


def ask_keys(server: object) -> Talk:
    """One row for each key that ever asked, the nearest to its limit first: its counters, tier, limit and present use.

    `used` as the limiter keeps it dates from the key's last request. Where it comes near the limit, the window is counted
    anew as of now, slice by slice.
    """
    counted = list((yield from _statistics(server)))
    commands: list[Command] = []
    for row in counted:
        commands += [
            ("GET", f"ratelimit:tier:{row['name']}"),
            ("HMGET", f"ratelimit:{row['name']}", "used", "burst_used"),
        ]
    said = (yield commands) if commands else []
    rows = [_key(row, tier, state) for row, tier, state in zip(counted, said[::2], said[1::2], strict=True)]
    near = [row for row in rows if row["share"] is not None and row["share"] >= NEAR][:MOST_NEAR]
    if near:
        info, *states = yield [("INFO", "server"), *(("HGETALL", f"ratelimit:{row['key']}") for row in near)]
        _count_again(near, states, parse(info).get("server_time_usec"))
    return sorted(rows, key=lambda row: (-(row["share"] or 0), row["key"]))


def _key(row: Row, tier: str | None, state: list[str | None]) -> dict[str, Any]:
    quota = TIERS.get(tier or "")
    used = sum(int(part) for part in state if part and part.isdecimal())
    return {
        "key": row["name"],
        "tier": tier or "",
        "limit": quota.limit if quota else None,
        "burst_limit": quota.burst if quota else None,
        "used": used,
        "share": share(used, quota.limit) if quota else None,
        **{name: number(row, name) or 0 for name in COUNTED},
    }


def _count_again(rows: Sequence[dict[str, Any]], states: Sequence[Sequence[str]], now_us: int | None) -> None:
    if now_us is None:
        return
    for row, state in zip(rows, states, strict=True):
        row["used"] = in_window(dict(pairs(state)), now_us / 1000)
        row["share"] = share(row["used"], row["limit"])


def in_window(state: Mapping[str, str], now_ms: float) -> int:
    """Requests in the window that ends now, from a key's slices (fields `<slice>` and, of the burst, `b<slice>`).

    >>> in_window({"used": "9", "100": "4", "250": "3", "b250": "1", "burst_ends": "7"}, 260 * 600)
    4
    """
    oldest = int(now_ms / (WINDOW_MS / SLICES)) - SLICES
    slices = ((name.removeprefix("b"), count) for name, count in state.items())
    return sum(int(count) for name, count in slices if name.isdecimal() and count.isdecimal() and int(name) >= oldest)


def _now(rows: Rows) -> Iterable[Sample]:
    """Keys in use, and the part of them that is near its limit."""
    active = [row for row in rows if row["used"]]
    near = [row for row in active if row["share"] is not None and row["share"] >= NEAR]
    yield Sample("ratelimits.keys.active", float(len(active)))
    yield Sample("ratelimits.keys.near", float(len(near)))
    yield Sample("ratelimits.keys.near_share", share(len(near), len(active)))


def _traffic(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    """Shares of the traffic since the poll before, in all and by tier. A key whose counters went down was reset."""
    known = {row["key"]: row for row in before}
    grown: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(COUNTED, 0.0))
    for row in rows:
        earlier = known.get(row["key"], dict.fromkeys(COUNTED, 0))
        if any(row[name] < earlier[name] for name in COUNTED):
            continue
        for of in ("", row["tier"]) if row["tier"] in TIERS else ("",):
            for name in COUNTED:
                grown[of][name] += row[name] - earlier[name]
    grown[""]
    for of, new in grown.items():
        yield from _shares(of, new, seconds)


def _shares(of: str, new: Mapping[str, float], seconds: float) -> Iterable[Sample]:
    whole = new["allowed"] + new["blocked"]
    name = "tier_" if of else ""
    yield Sample(f"ratelimits.keys.{name}requests", whole / seconds * 60, of)
    yield Sample(f"ratelimits.keys.{name}refused", new["blocked"] / seconds * 60, of)
    yield Sample(f"ratelimits.keys.{name}blocked", share(new["blocked"], whole), of)
    yield Sample(f"ratelimits.keys.{name}burst", share(new["burst"], whole), of)
    yield Sample(f"ratelimits.keys.{name}shadow", share(new["shadow"], whole), of)


def limiter_of(rows: Rows) -> Mapping[str, Any]:
    """What an application's document says of its limiter; empty when it says nothing."""
    found = rows[0].get("limiter") if rows and rows[0].get("http_status") == 200 else None
    return found if isinstance(found, Mapping) else {}


def _limiter(rows: Rows) -> Iterable[Sample]:
    said = limiter_of(rows)
    mode = said.get("mode")
    yield Sample("ratelimits.limiter.enforced", None if mode is None else float(mode == "enforce"))


def _degraded(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    per_second = rate(number(limiter_of(rows), "degraded"), number(limiter_of(before), "degraded"), seconds)
    if per_second is not None:
        yield Sample("ratelimits.limiter.degraded", per_second * 60)


PROBES = (
    Probe(
        "ratelimits.keys",
        NodeKind.REDIS,
        ask_keys,
        read=_now,
        derive=_traffic,
        needs="a read-only ACL user with ratelimit:*",
        says=f"HGETALL {STATISTICS}<key>, GET ratelimit:tier:<key>, HMGET ratelimit:<key> used burst_used",
    ),
    Probe("ratelimits.limiter", NodeKind.APPLICATION, "/metrics/app", read=_limiter, derive=_degraded),
)

TIER_PROBES = ()
