"""What several answers of one PgBouncer say together: use of each pool, its mode, capacity, servers held back, changed settings.

Pure functions of a poll; what must be remembered until the next poll is in the rows they return.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from apps.metrics.kernel import NodeKind, NodeView, Row, Rows, Sample, TierView
from apps.metrics.probe import share

Found: TypeAlias = tuple[Iterable[Row], Iterable[Sample]]

LEAKED_AFTER = timedelta(minutes=2)
CHANGE_SHOWN = timedelta(hours=1)
MOST_HELD = 200


def _poolers(view: TierView) -> tuple[NodeView, ...]:
    return view.of(NodeKind.PGBOUNCER)


def _of_node(rows: Rows, node: str) -> Rows:
    return tuple(row for row in rows if row["node"] == node)


def _total(row: Row, *columns: str) -> float | None:
    """Sum of columns; None where this version has not all of them."""
    values = [row.get(column) for column in columns]
    return None if None in values else float(sum(value for value in values if value is not None))


def reach(view: TierView) -> Found:
    """Whether each PgBouncer answered."""
    up = {node.name: node.failure is None for node in _poolers(view)}
    rows = [{"node": name, "up": answered} for name, answered in up.items()]
    return rows, [Sample("pools.reach.up", float(answered), node=name) for name, answered in up.items()]


def use(view: TierView) -> Found:
    """Each pool against its size, and how many wait on each node."""
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _poolers(view):
        pools, databases = node.rows("pools.pools"), node.rows("pools.databases")
        if pools is None or databases is None:
            continue
        sizes = {row["name"]: row.get("pool_size") for row in databases}
        before = {row["object"]: row for row in _of_node(view.previous, node.name)}
        seconds = (view.at - view.previous_at).total_seconds() if view.previous_at else 0.0
        found = [_pool(row, sizes, before, seconds) for row in pools if row["database"] != "pgbouncer"]
        rows += [{"node": node.name, **row} for row in found]
        samples += _use_samples(node.name, found)
    return rows, samples


def _use_samples(node: str, found: list[dict[str, Any]]) -> Iterable[Sample]:
    for metric in ("utilisation", "waiting", "maxwait", "login_stuck"):
        for row in found:
            yield Sample(f"pools.use.{metric}", row[metric], row["object"], node)
        if not found:  # nobody has connected yet: asked, and there is nothing to measure
            yield Sample(f"pools.use.{metric}", None, node=node)
    for metric, column in (("waiting_total", "waiting"), ("servers_total", "servers"), ("clients_total", "clients")):
        values = [row[column] for row in found]
        yield Sample(f"pools.use.{metric}", None if None in values else float(sum(values)), node=node)


def _pool(row: Row, sizes: dict[str, Any], before: dict[str, Row], seconds: float) -> dict[str, Any]:
    pool = f"{row['database']}/{row['user']}"
    in_use = _total(row, "sv_active", "sv_tested", "sv_used", "sv_login")
    size = sizes.get(row["database"])
    stuck = 0.0
    if row.get("sv_login") and pool in before and before[pool]["logging_in"]:
        stuck = before[pool]["login_stuck"] + seconds
    return {
        "object": pool,
        "mode": row.get("pool_mode"),
        "size": size or None,  # 0: no limit
        "in_use": in_use,
        "idle": row.get("sv_idle"),
        "servers": float(sum(value for name, value in row.items() if name.startswith("sv_"))),
        "utilisation": share(in_use, size),
        "clients": row.get("cl_active"),
        "waiting": row.get("cl_waiting"),
        "maxwait": None if row.get("maxwait") is None else row["maxwait"] + row.get("maxwait_us", 0) / 1e6,
        "logging_in": row.get("sv_login"),
        "login_stuck": stuck,
    }


def modes(view: TierView) -> Found:
    """The mode each database is pooled in, and which answer says so.

    A pool exists once somebody has connected; SHOW POOLS then tells its mode. Before that it is the database's own of SHOW DATABASES, or
    else the default of SHOW CONFIG, which is asked less often and kept.
    """
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _poolers(view):
        pools, databases = node.rows("pools.pools"), node.rows("pools.databases")
        default = next((row["default"] for row in _of_node(view.previous, node.name)), None)
        for row in node.rows("pools.config") or ():
            if row["key"] == "pool_mode":
                default = row["value"]
        if pools is None or databases is None:
            rows += [dict(row) for row in _of_node(view.previous, node.name)]
            continue
        for of, mode, told_by in _modes(pools, databases, default):
            rows.append({"node": node.name, "object": of, "mode": mode, "told_by": told_by, "default": default})
            transaction = None if mode is None else float(mode == "transaction")
            samples.append(Sample("pools.mode.transaction", transaction, of, node.name))
    return rows, samples


def _modes(pools: Rows, databases: Rows, default: str | None) -> Iterable[tuple[str, str | None, str]]:
    """What is pooled, its mode, and the command that told it; the default alone where no database is listed."""
    used = [row for row in pools if row["database"] != "pgbouncer" and row.get("pool_mode")]
    for row in used:
        yield f"{row['database']}/{row['user']}", row["pool_mode"], "SHOW POOLS"
    idle = [row for row in databases if row["name"] not in {"pgbouncer", *(pool["database"] for pool in used)}]
    for row in idle:
        own = row.get("pool_mode")
        yield str(row["name"]), own or default, "SHOW DATABASES" if own else "SHOW CONFIG"
    if not used and not idle:
        yield "", default, "SHOW CONFIG"


def capacity(view: TierView) -> Found:
    """Clients of each node against `max_client_conn`, which is asked less often and kept."""
    rows: list[dict[str, Any]] = []
    for node in _poolers(view):
        lists, config = node.rows("pools.lists"), node.rows("pools.config")
        known = next(iter(_of_node(view.previous, node.name)), {})
        most = known.get("max_clients")
        if config is not None:
            most = next(
                (int(row["value"]) for row in config if row["key"] == "max_client_conn"),
                None,
            )
        used = None if lists is None else next((row["items"] for row in lists if row["list"] == "used_clients"), None)
        rows.append(
            {
                "node": node.name,
                "clients": used,
                "max_clients": most,
                "used": share(used, most),
            }
        )
    return rows, [
        Sample("pools.capacity.used", row["used"], node=row["node"]) for row in rows if row["clients"] is not None
    ]


def held(view: TierView) -> Found:
    """Servers that one client keeps without the server having said anything since an earlier poll.

    The console tells no transaction's start. But a server whose link and last answer are the same as at an earlier poll
    has been in one transaction since that poll: the time between is a lower bound, by our own clock. In session mode a
    silent link is what is expected, so those pools are left out.
    """
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _poolers(view):
        servers, pools = node.rows("pools.servers"), node.rows("pools.pools")
        if servers is None or pools is None:
            continue
        sessions = {(row["database"], row["user"]) for row in pools if row.get("pool_mode") == "session"}
        before = {row["server"]: row for row in _of_node(view.previous, node.name)}
        clients = {row["ptr"]: row for row in node.rows("pools.clients") or ()}
        found = [
            _holder(view.at, row, before.get(row["ptr"]), clients.get(row["link"]))
            for row in servers
            if row.get("link") and (row["database"], row["user"]) not in sessions
        ]
        found.sort(key=lambda row: -float(row["seconds"]))
        rows += [{"node": node.name, **row} for row in found[:MOST_HELD]]
        leaked = sum(row["seconds"] >= LEAKED_AFTER.total_seconds() for row in found)
        longest = float(found[0]["seconds"]) if found else 0.0
        samples.append(Sample("pools.held.longest", longest, node=node.name))
        samples.append(Sample("pools.held.leaked", float(leaked), node=node.name))
    return rows, samples


def _holder(at: datetime, row: Row, before: Row | None, client: Row | None) -> dict[str, Any]:
    same = before is not None and (before["link"], before["answered"]) == (
        row["link"],
        row["request_time"],
    )
    since = before["since"] if before is not None and same else at.isoformat()
    known = before["client"] if before is not None and same else ""
    return {
        "pool": f"{row['database']}/{row['user']}",
        "seconds": (at - datetime.fromisoformat(since)).total_seconds(),
        "application": row.get("application_name", ""),
        "client": f"{client['addr']}:{client['port']}" if client else known,
        "backend_pid": row.get("remote_pid"),
        "answered": row["request_time"],
        "since": since,
        "server": row["ptr"],
        "link": row["link"],
    }


def settings(view: TierView) -> Found:
    """Every setting, with the value before and the time where it changed while we watched."""
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for node in _poolers(view):
        before = _of_node(view.previous, node.name)
        config = node.rows("pools.config")
        if config is None:
            rows += [dict(row) for row in before]
            continue
        known = {row["key"]: row for row in before}
        found = [_setting(view.at, row, known.get(row["key"])) for row in config]
        found.sort(key=_ordinary)
        rows += [{"node": node.name, **row} for row in found]
        recent = sum(
            view.at - datetime.fromisoformat(row["changed_at"]) < CHANGE_SHOWN for row in found if row["changed_at"]
        )
        samples.append(Sample("pools.settings.changed", float(recent), node=node.name))
    return rows, samples


def _ordinary(setting: dict[str, Any]) -> tuple[bool, bool, str]:
    """What changed comes first, then what is not as PgBouncer has it by default."""
    default = setting["default"] or ""
    return setting["changed_at"] is None, setting["value"] in {default, None}, setting["key"]


def _setting(at: datetime, row: Row, known: Row | None) -> dict[str, Any]:
    now = {
        "key": row["key"],
        "value": row["value"],
        "default": row.get("default"),
        "before": None,
        "changed_at": None,
    }
    if known is None:
        return now
    if known["value"] == row["value"]:
        return now | {"before": known["before"], "changed_at": known["changed_at"]}
    return now | {"before": known["value"], "changed_at": at.isoformat()}
