"""What PgBouncer's console is asked: one command a probe. Columns are read by name, as they differ from 1.15 to 1.25.

`SHOW FDS` is never asked: it hands out file descriptors and blocks the process while it does.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from apps.metrics.kernel import NodeKind, Row, Rows, Sample
from apps.metrics.probe import SLOW, Probe, TierProbe, rate, share
from apps.pools.joined import capacity, held, modes, reach, settings, use

CONSOLE = "pgbouncer"  # the console's own database: its pool serves nobody
MOST_CLIENTS = 200
MICROSECONDS = 1e6
NEEDS = "a login in stats_users"


def served(rows: Rows, key: str = "database") -> Iterable[Row]:
    """The rows of the application's databases, without the console's own."""
    return (row for row in rows if row.get(key) != CONSOLE)


def _pools(rows: Rows) -> Iterable[Sample]:
    names = {
        "clients_active": "cl_active",
        "clients_waiting": "cl_waiting",
        "servers_active": "sv_active",
        "servers_idle": "sv_idle",
        "servers_used": "sv_used",
        "servers_login": "sv_login",
    }
    for row in served(rows):
        pool = f"{row['database']}/{row['user']}"
        for metric, column in names.items():
            yield Sample(f"pools.pools.{metric}", row.get(column), pool)


def _databases(rows: Rows) -> Iterable[Sample]:
    for row in served(rows, "name"):
        database = str(row["name"])
        if "paused" in row and "disabled" in row:
            yield Sample(
                "pools.databases.stopped",
                float(bool(row["paused"] or row["disabled"])),
                database,
            )
        yield Sample("pools.databases.connections", row.get("current_connections"), database)
        yield Sample(
            "pools.databases.connections_share",
            share(row.get("current_connections"), row.get("max_connections")),
            database,
        )


def _lists(rows: Rows) -> Iterable[Sample]:
    items = {row["list"]: row["items"] for row in rows}
    for name in ("used_clients", "login_clients", "used_servers"):
        yield Sample(f"pools.lists.{name}", items.get(name))


def _traffic(rows: Rows, before: Rows, seconds: float) -> Iterable[Sample]:
    """Rates of a database since the poll before; none after a reset (any total that went down)."""
    earlier = {row["database"]: row for row in before}
    for row in served(rows):
        known = earlier.get(row["database"])
        if known is None or _reset(row, known):
            continue
        database = str(row["database"])
        grown = {name: row[name] - known[name] for name in row if name.startswith("total_") and name in known}
        transactions, queries = (
            grown.get("total_xact_count"),
            grown.get("total_query_count"),
        )
        rates = {
            "transactions": "total_xact_count",
            "queries": "total_query_count",
            "received": "total_received",
        }
        for metric, column in (rates | {"sent": "total_sent"}).items():
            yield Sample(
                f"pools.stats.{metric}",
                rate(row.get(column), known.get(column), seconds),
                database,
            )
        for metric, column, of in (
            ("wait", "total_wait_time", transactions),
            ("transaction_time", "total_xact_time", transactions),
            ("query_time", "total_query_time", queries),
        ):
            mean = share(grown.get(column), of)
            yield Sample(
                f"pools.stats.{metric}",
                None if mean is None else mean / MICROSECONDS,
                database,
            )


def _reset(row: Row, known: Mapping[str, Any]) -> bool:
    return any(name in known and row[name] < known[name] for name in row if name.startswith("total_"))


def _memory(rows: Rows) -> Iterable[Sample]:
    yield Sample("pools.memory.total", float(sum(row["memtotal"] for row in rows)))


def _nothing(_rows: Rows) -> Iterable[Sample]:
    """Only rows are wanted: a tier probe reads them together with others."""
    return ()


def _clients(rows: Rows) -> Iterable[Sample]:
    clients = list(served(rows))
    yield Sample("pools.clients.connected", float(len(clients)))
    yield Sample("pools.clients.linked", float(sum(bool(row.get("link")) for row in clients)))


def linked(rows: Rows) -> Rows:
    """Of all clients those that have a server now, longest silent first, at most MOST_CLIENTS.

    There may be `max_client_conn` clients; only these can hold a server back.
    """
    holding = sorted(
        (row for row in served(rows) if row.get("link")),
        key=lambda row: str(row.get("request_time")),
    )
    return tuple(holding[:MOST_CLIENTS])


def _console(name: str, command: str, **more: Any) -> Probe:
    return Probe(f"pools.{name}", NodeKind.PGBOUNCER, command, needs=NEEDS, **more)


PROBES = (
    _console("pools", "SHOW POOLS", read=_pools),
    _console("databases", "SHOW DATABASES", read=_databases, keep=lambda rows: tuple(served(rows, "name"))),
    _console("lists", "SHOW LISTS", read=_lists),
    _console("stats", "SHOW STATS", read=_nothing, derive=_traffic),
    _console("servers", "SHOW SERVERS", read=_nothing),
    _console(
        "clients",
        "SHOW CLIENTS",
        read=_clients,
        keep=linked,
        every=timedelta(seconds=30),
    ),
    _console("config", "SHOW CONFIG", read=_nothing, every=timedelta(seconds=60)),
    _console("memory", "SHOW MEM", read=_memory, every=SLOW),
)

TIER_PROBES = (
    TierProbe("pools.reach", reach, says="Which PgBouncer nodes answered this poll."),
    TierProbe("pools.use", use, says="SHOW POOLS and SHOW DATABASES, joined by database."),
    TierProbe(
        "pools.mode",
        modes,
        says="SHOW POOLS; for a database without a pool SHOW DATABASES, or else pool_mode of SHOW CONFIG.",
    ),
    TierProbe(
        "pools.capacity",
        capacity,
        says="SHOW LISTS against max_client_conn of SHOW CONFIG.",
    ),
    TierProbe(
        "pools.held",
        held,
        says="Servers of SHOW SERVERS that stayed linked to one client without answering since the poll before.",
    ),
    TierProbe("pools.settings", settings, says="SHOW CONFIG compared with the poll before."),
)
