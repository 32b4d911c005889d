"""What Redis is asked: INFO in one command, and the few things INFO does not tell. Never KEYS, never a value."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.cache.joined import hits, memory, reach, replication, saves
from apps.metrics.hashes import LONGEST_NAME, Hashes, pairs
from apps.metrics.kernel import NodeKind, Row, Rows, Sample
from apps.metrics.probe import FAST, Probe, Talk, TierProbe, rate, share

STATISTICS = "cache:stats:"
ENTRIES = "cache:"
PAGE, MOST_PAGES = 2000, 10
SLOW_COMMANDS = 32
LONGEST_COMMAND = 80
# Below this much unused memory the ratio of fragmentation says nothing: an empty server's code alone makes it 8.
FRAGMENTATION_FROM = 64_000_000
COUNTERS = (
    "evicted_keys",
    "expired_keys",
    "rejected_connections",
    "total_commands_processed",
    "keyspace_hits",
    "keyspace_misses",
)


def keys(info: Row) -> int:
    """Keys of all databases of an INFO answer."""
    return sum(part["keys"] for name, part in info.items() if name.startswith("db") and isinstance(part, dict))


def _info(rows: Rows) -> Iterable[Sample]:
    (info,) = rows
    used = info.get("used_memory")
    values = {
        "used_memory": used,
        "used_memory_rss": info.get("used_memory_rss"),
        "memory_share": share(used, info.get("maxmemory")),
        "clients": info.get("connected_clients"),
        "clients_share": share(info.get("connected_clients"), info.get("maxclients")),
        "keys": keys(info),
        "evicted": info.get("evicted_keys"),
        "fragmentation": _fragmentation(info),
    }
    return [Sample(f"cache.info.{name}", value) for name, value in values.items()]


def _fragmentation(info: Row) -> float | None:
    unused = info.get("mem_fragmentation_bytes")
    return None if unused is None or unused < FRAGMENTATION_FROM else info.get("mem_fragmentation_ratio")


def was_reset(info: Row, before: Row) -> bool:
    """Whether the counters began anew since an earlier INFO. CONFIG RESETSTAT keeps the run id: any decrease counts."""
    return info.get("run_id") != before.get("run_id") or any(info.get(c, 0) < before.get(c, 0) for c in COUNTERS)


def _rates(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    (info,), (known,) = rows, before
    if was_reset(info, known):
        return
    for metric, counter, scale in (
        ("evictions", "evicted_keys", 60),
        ("expirations", "expired_keys", 60),
        ("rejected", "rejected_connections", 60),
        ("commands", "total_commands_processed", 1),
        ("hits", "keyspace_hits", 1),
        ("misses", "keyspace_misses", 1),
    ):
        per_second = rate(info.get(counter), known.get(counter), seconds)
        yield Sample(f"cache.info.{metric}", None if per_second is None else per_second * scale)


def ask_slow_log(_server: object) -> Talk:
    """The newest slow commands: their name and first argument only, because the others may be somebody's data."""
    (entries,) = yield [("SLOWLOG", "GET", SLOW_COMMANDS)]
    return [
        {
            "id": number,
            "at": datetime.fromtimestamp(began, UTC).isoformat(),
            "seconds": micros / 1e6,
            "command": _name(words),
        }
        for number, began, micros, words, *_client in entries
    ]


def _name(words: Sequence[str]) -> str:
    text = " ".join(" ".join(words[:2]).split(" ")[:2]) + (" …" if len(words) > 2 else "")
    return text if len(text) <= LONGEST_COMMAND else text[: LONGEST_COMMAND - 1] + "…"


def _slow_log_growth(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    """New entries a minute, from their ids, which only a restart begins anew."""
    newest = max((row["id"] for row in rows), default=None)
    known = max((row["id"] for row in before), default=None)
    if newest is None:
        new = 0
    elif known is None:
        new = len(rows)
    elif newest < known:
        return
    else:
        new = newest - known
    yield Sample("cache.slowlog.growth", new / seconds * 60)


def _slowest(rows: Rows) -> Iterable[Sample]:
    yield Sample("cache.slowlog.slowest", max((row["seconds"] for row in rows), default=None))


def ask_entries(_server: object) -> Talk:
    """Cache entries by namespace, counted over at most PAGE × MOST_PAGES keys; `complete`: those were all."""
    counts: Counter[str] = Counter()
    cursor = "0"
    for _page in range(MOST_PAGES):
        ((cursor, found),) = yield [("SCAN", cursor, "MATCH", f"{ENTRIES}*", "COUNT", PAGE)]
        counts.update(key.split(":", 2)[1][:LONGEST_NAME] for key in found if is_entry(key))
        if cursor == "0":
            break
    complete = cursor == "0"
    total = {"namespace": "", "entries": counts.total(), "complete": complete}
    return [
        total,
        *({"namespace": name, "entries": count, "complete": complete} for name, count in sorted(counts.items())),
    ]


def is_entry(key: str) -> bool:
    """Whether a key is an entry `cache:<namespace>:<key>`, not bookkeeping of the cache itself.

    >>> is_entry("cache:people:7"), is_entry("cache:stats:people"), is_entry("cache:people")
    (True, False, False)
    """
    return key.startswith(ENTRIES) and not key.startswith(STATISTICS) and key.count(":") >= 2


def _entries(rows: Rows) -> Iterable[Sample]:
    for row in rows:
        if row["namespace"]:
            yield Sample("cache.entries.count", float(row["entries"]), row["namespace"])
        else:
            yield Sample("cache.entries.total", float(row["entries"]))


def _nothing(_rows: Rows) -> Iterable[Sample]:
    """Only rows are wanted: a tier probe reads them together with others."""
    return ()


def ask_settings(_server: object) -> Talk:
    """The settings that INFO does not tell."""
    names = ("save", "maxmemory-policy", "appendonly")
    said = yield [("CONFIG", "GET", name) for name in names]
    return [dict(pair for flat in said for pair in pairs(flat))]


def _redis(name: str, question: Any, says: str = "", **more: Any) -> Probe:
    return Probe(
        f"cache.{name}", NodeKind.REDIS, question, says=says, **{"every": FAST, "needs": "a read-only ACL user", **more}
    )


PROBES = (
    _redis("info", "INFO", read=_info, derive=_rates),
    _redis("stats", Hashes(STATISTICS), f"HGETALL of every {STATISTICS}*", read=_nothing),
    _redis("slowlog", ask_slow_log, f"SLOWLOG GET {SLOW_COMMANDS}", read=_slowest, derive=_slow_log_growth),
    _redis(
        "entries",
        ask_entries,
        f"SCAN MATCH {ENTRIES}* COUNT {PAGE}, at most {MOST_PAGES} times",
        read=_entries,
        every=timedelta(seconds=30),
    ),
    _redis(
        "settings",
        ask_settings,
        "CONFIG GET save maxmemory-policy appendonly",
        read=_nothing,
        every=timedelta(seconds=60),
    ),
)

TIER_PROBES = (
    TierProbe("cache.reach", reach, says="Which Redis nodes answered this poll."),
    TierProbe(
        "cache.hits",
        hits,
        says=(
            "Hits and misses since the poll before: from cache:stats:*, else keyspace_hits and keyspace_misses of INFO."
        ),
    ),
    TierProbe("cache.memory", memory, says="The memory fields of INFO."),
    TierProbe(
        "cache.replication",
        replication,
        says="Role and links of INFO, against the role that the node was declared with.",
    ),
    TierProbe("cache.saves", saves, says="The persistence fields of INFO, with CONFIG GET save."),
)
