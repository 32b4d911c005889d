"""What several answers of one Redis say together: hit rate and saved time, memory by kind, replication, snapshots.

Pure functions of a poll; what must be remembered until the next poll is in the rows they return.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from apps.metrics.kernel import NodeKind, NodeRole, NodeView, Row, Rows, Sample, TierView
from apps.metrics.probe import share

Found: TypeAlias = tuple[Iterable[Row], Iterable[Sample]]

COUNTED = ("hits", "misses", "loads", "stale", "load_us")
SHORTEST = timedelta(seconds=5)  # over less the window reaches back to the poll before the last


def _redis(view: TierView) -> tuple[NodeView, ...]:
    return view.of(NodeKind.REDIS)


def _info(node: NodeView) -> Row | None:
    rows = node.rows("cache.info")
    return rows[0] if rows else None


def _of_node(rows: Rows, node: str) -> Rows:
    return tuple(row for row in rows if row["node"] == node)


def reach(view: TierView) -> Found:
    """Whether each Redis answered."""
    up = {node.name: node.failure is None for node in _redis(view)}
    rows = [{"node": name, "up": answered} for name, answered in up.items()]
    return rows, [Sample("cache.reach.up", float(answered), node=name) for name, answered in up.items()]


def hits(view: TierView) -> Found:
    """Hits, misses and saved time since the poll before, by namespace and in all.

    An application that keeps `cache:stats:<namespace>` is believed about its own cache. Without such hashes Redis' own
    counters serve, which count every read of any key: a rate limiter's as well.
    """
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _redis(view):
        info, namespaces = _info(node), node.rows("cache.stats")
        if info is None or namespaces is None:
            rows += [dict(row) for row in _of_node(view.previous, node.name)]
            continue
        before = {row["object"]: row for row in _of_node(view.previous, node.name)}
        found = [_window(view.at, row, before) for row in _totals(info, namespaces)]
        rows += [{"node": node.name, **row} for row in found]
        samples += _hit_samples(node.name, found)
    return rows, samples


def _totals(info: Row, namespaces: Rows) -> list[dict[str, Any]]:
    """The counters as they stand: of each namespace, or Redis' own under the empty name."""
    if namespaces:
        return [{"object": row["name"], "counted_by": "application", **_numbers(row)} for row in namespaces]
    counted = {"hits": info.get("keyspace_hits"), "misses": info.get("keyspace_misses"), "run_id": info.get("run_id")}
    return [{"object": "", "counted_by": "redis", **counted}]


def _numbers(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "name" and isinstance(value, (int, float))}


def _window(at: datetime, row: dict[str, Any], before: Mapping[str, Row]) -> dict[str, Any]:
    """A namespace's totals with what grew since the poll before; None after a reset and at the very first poll."""
    base = _base(at, row, before)
    hits = misses = None
    if base is not None:
        hits, misses = row.get("hits", 0) - base["base_hits"], row.get("misses", 0) - base["base_misses"]
    load_us = share(row.get("load_us"), row.get("loads"))
    return {
        **row,
        **(base or {"base_hits": None, "base_misses": None, "base_at": None}),
        "at": at.isoformat(),
        "seconds": None if base is None else (at - datetime.fromisoformat(base["base_at"])).total_seconds(),
        "new_hits": hits,
        "new_misses": misses,
        "ratio": None if hits is None or misses is None else share(hits, hits + misses),
        "ratio_ever": share(row.get("hits"), row.get("hits", 0) + row.get("misses", 0)),
        "load_mean": None if load_us is None else load_us / 1e6,
        "saved": None if load_us is None else load_us / 1e6 * row.get("hits", 0),
    }


def _base(at: datetime, row: Row, before: Mapping[str, Row]) -> dict[str, Any] | None:
    """The totals that the window begins with: of the poll before, or, when that was a moment ago, of the one before it.

    A namespace that was not there at the poll before began since then.
    """
    known = before.get(row["object"])
    if known is None:
        began = next((other["at"] for other in before.values()), None)
        return {"base_hits": 0, "base_misses": 0, "base_at": began} if began and row["object"] else None
    if _restarted(row, known):
        return None
    if at - datetime.fromisoformat(known["at"]) < SHORTEST and known["base_at"]:
        return {name: known[name] for name in ("base_hits", "base_misses", "base_at")}
    return {"base_hits": known.get("hits", 0), "base_misses": known.get("misses", 0), "base_at": known["at"]}


def _restarted(row: Row, before: Row) -> bool:
    return row.get("run_id") != before.get("run_id") or any(
        (row.get(name) or 0) < (before.get(name) or 0) for name in COUNTED
    )


def _hit_samples(node: str, found: list[dict[str, Any]]) -> Iterable[Sample]:
    for row in found:
        if row["object"]:
            yield Sample("cache.hits.namespace_ratio", row["ratio"], row["object"], node)
    known = [row for row in found if row["new_hits"] is not None and row["seconds"]]
    if not known:
        return
    hits, misses = (float(sum(row[name] for row in known)) for name in ("new_hits", "new_misses"))
    yield Sample("cache.hits.ratio", share(hits, hits + misses), node=node)
    yield Sample("cache.hits.hits", hits / known[0]["seconds"], node=node)
    yield Sample("cache.hits.misses", misses / known[0]["seconds"], node=node)


KINDS = {
    "entries": "used_memory_dataset",
    "clients": "mem_clients_normal",
    "replication": "mem_total_replication_buffers",
    "append-only file": "mem_aof_buffer",
    "at start": "used_memory_startup",
}


def memory(view: TierView) -> Found:
    """Used memory by kind; `other` is what remains of the total, mostly the tables of keys."""
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _redis(view):
        info = _info(node)
        if info is None or "used_memory" not in info:
            continue
        total = info["used_memory"]
        kinds = {kind: info[column] for kind, column in KINDS.items() if column in info}
        if len(kinds) == len(KINDS):
            kinds["other"] = max(0, total - sum(kinds.values()))
        rows += [
            {"node": node.name, "object": kind, "bytes": size, "share": share(size, total)}
            for kind, size in kinds.items()
        ]
        samples += [Sample("cache.memory.bytes", float(size), kind, node.name) for kind, size in kinds.items()]
    return rows, samples


def replication(view: TierView) -> Found:
    """Whether each Redis has the role it was declared with (none declared: master), and whether its links hold."""
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _redis(view):
        info = _info(node)
        if info is None or "role" not in info:
            continue
        expected = "slave" if node.declared_role is NodeRole.REPLICA else "master"
        link = _link(info)
        rows.append(
            {
                "node": node.name,
                "role": info["role"],
                "expected": expected,
                "replicas": info.get("connected_slaves"),
                "link": link,
            }
        )
        samples.append(Sample("cache.replication.as_declared", float(info["role"] == expected), node=node.name))
        samples.append(Sample("cache.replication.link", None if link is None else float(link), node=node.name))
    return rows, samples


def _link(info: Row) -> bool | None:
    """Whether all replication links hold; None where there is none."""
    if info["role"] == "slave":
        return bool(info.get("master_link_status") == "up")
    states = [part.get("state") for name, part in info.items() if name.startswith("slave") and isinstance(part, dict)]
    return all(state == "online" for state in states) if states else None


def saves(view: TierView) -> Found:
    """How late the snapshot is by its own schedule, and whether it, or a write of the append-only file, failed."""
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _redis(view):
        info, settings = _info(node), node.rows("cache.settings")
        known = next(iter(_of_node(view.previous, node.name)), {})
        schedule = settings[0].get("save") if settings else known.get("schedule")
        if info is None:
            rows += [dict(row) for row in _of_node(view.previous, node.name)]
            continue
        row = {"node": node.name, "schedule": schedule, **_saved(info, schedule)}
        rows.append(row)
        if schedule is not None:
            samples.append(Sample("cache.saves.overdue", row["overdue"], node=node.name))
        samples.append(Sample("cache.saves.failed", row["failed"], node=node.name))
    return rows, samples


def overdue(schedule: str, changes: int, age: float) -> float | None:
    """Seconds by which a snapshot is late; `schedule` is Redis' own: pairs of seconds and changes. None if it is empty.

    >>> overdue("300 100 60 10000", 150, 420), overdue("300 100 60 10000", 99, 9000), overdue("", 5, 9)
    (120, 0, None)
    """
    words = [int(word) for word in schedule.split()]
    limits = [seconds for seconds, least in zip(words[::2], words[1::2], strict=True) if changes >= least]
    if not words:
        return None
    return max(0, age - min(limits)) if limits else 0


def _saved(info: Row, schedule: str | None) -> dict[str, Any]:
    now, last = info.get("server_time_usec"), info.get("rdb_last_save_time")
    age = None if now is None or last is None else max(0.0, now / 1e6 - last)
    changes = info.get("rdb_changes_since_last_save")
    statuses = [
        info.get(name) for name in ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
    ]
    return {
        "last_save": None if last is None else datetime.fromtimestamp(last, UTC).isoformat(),
        "changes": changes,
        "append_only": bool(info.get("aof_enabled")),
        "age": age,
        "overdue": None if age is None or changes is None else overdue(schedule or "", changes, age),
        "failed": None if statuses[0] is None else float(any(status not in {None, "ok"} for status in statuses)),
    }
