"""A PgBouncer node: what its console lets the polling login do, and whether it is encrypted."""

from collections.abc import Iterator

from apps.metrics.kernel import NodeKind
from apps.metrics.probe import Probe
from apps.overview.doctor.asked import SHARED, Asked
from apps.overview.doctor.finding import Finding, State

CONFIG, CLIENTS = "doctor.config", "doctor.clients"
PROBES = (
    Probe(CONFIG, NodeKind.PGBOUNCER, "SHOW CONFIG", read=lambda _rows: ()),
    Probe(CLIENTS, NodeKind.PGBOUNCER, "SHOW CLIENTS", read=lambda _rows: ()),
)
CONSOLE = "pgbouncer"
READS_ONLY = ("nodes.reads_only", "Reads only")


def examine(asked: Asked) -> Iterator[Finding]:
    """Whoever is among admin_users may pause, kill and shut down."""
    rows = asked.rows(CONFIG)
    if rows is None:
        yield asked.finding(READS_ONLY, State.UNKNOWN, asked.refused(CONFIG) or "There was no time to ask for it.")
        return
    settings = {row["key"]: str(row["value"]) for row in rows}
    admins = [user.strip() for user in settings.get("admin_users", "").split(",") if user.strip()]
    if asked.login not in admins:
        yield asked.finding(READS_ONLY, State.FINE, f"{asked.login} may SHOW, nothing else")
        return
    told = f"{asked.login} is among admin_users: it may pause and shut down this PgBouncer."
    remedy = f"{SHARED} In its pgbouncer.ini, take it out of the one and put it into the other; then RELOAD:"
    others = ", ".join(user for user in admins if user != asked.login)
    stats = ", ".join(filter(None, [settings.get("stats_users", ""), asked.login]))
    lines = [f"admin_users = {others}".rstrip(), f"stats_users = {stats}"]
    yield asked.finding(READS_ONLY, State.FAILURE, told, remedy, lines)


def tls(asked: Asked) -> str | None:
    """What encrypts this login's newest session on the console, the one that asks; empty for nothing, None where it did not say.

    Older ones are of whoever connected before TLS was asked for.
    """
    rows = [row for row in asked.rows(CLIENTS) or () if (row["user"], row["database"]) == (asked.login, CONSOLE)]
    newest = max((str(row.get("connect_time", "")) for row in rows), default="")
    found = [str(row.get("tls", "")) for row in rows if str(row.get("connect_time", "")) == newest]
    return min(found, default=None)
