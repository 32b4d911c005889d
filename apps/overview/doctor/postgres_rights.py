"""A PostgreSQL node: the polling login's rights, the statistics that it reads, and the lines that give it what it lacks."""

from collections.abc import Iterator
from pathlib import Path

from psycopg import sql as quoting

from apps.metrics.kernel import NodeKind, NodeRole, Row
from apps.metrics.probe import Probe, sql
from apps.overview.doctor.asked import Asked
from apps.overview.doctor.finding import Finding, State
from apps.overview.doctor.postgres_writes import READS_ONLY, name
from apps.overview.doctor.postgres_writes import examine as examine_writes

ROOM = str(Path(__file__).parents[1] / "apps.py")
LOGIN, WRITABLE = "doctor.polling_login", "doctor.writable"
PROBES = tuple(
    Probe(f"doctor.{name}", NodeKind.POSTGRES, sql(ROOM, name), read=lambda _rows: ())
    for name in ("polling_login", "writable")
)
RIGHTS = ("nodes.rights", "Polling login")
STATEMENTS = ("nodes.statements", "pg_stat_statements")
READ_FROM, WANTED = (1, 8), (1, 9)  # of pg_stat_statements: below the first nothing is read, below the second not all
INHERITS_SINCE = 16  # a grant says itself whether it counts


def examine(asked: Asked) -> Iterator[Finding]:
    """What the two questions brought; one that failed leaves its findings unknown."""
    rows, written = asked.rows(LOGIN), asked.rows(WRITABLE)
    if not rows:
        yield asked.finding(RIGHTS, State.UNKNOWN, asked.refused(LOGIN) or "The login is not among the roles.")
        return
    (row,) = rows
    yield _monitor(asked, row)
    yield _statements(asked, row)
    if row["sequences_closed"]:
        yield _sequences(asked, row)
    if written is None:
        yield asked.finding(READS_ONLY, State.UNKNOWN, asked.refused(WRITABLE))
    else:
        yield examine_writes(asked, row, written, where(asked, row["database"]))


def where(asked: Asked, database: str = "") -> str:
    """Where lines that replicas follow are run."""
    told = f"in database {database}, " if database else ""
    follow = "; the replicas follow" if _role(asked) is NodeRole.REPLICA else ""
    return f"On the primary, {told}as a superuser{follow}:"


def _role(asked: Asked) -> NodeRole:
    return asked.polled.identity.role if asked.polled.identity else asked.polled.target.role


def _monitor(asked: Asked, row: Row) -> Finding:
    login = name(row["login"])
    if row["monitor"]:
        return asked.finding(RIGHTS, State.FINE, f"{row['login']} has the rights of pg_monitor")
    if not row["monitor_granted"]:
        told = (
            f"{row['login']} is not in pg_monitor: other sessions, their statements and replication are hidden from it."
        )
        return asked.finding(RIGHTS, State.FAILURE, told, where(asked), [f"GRANT pg_monitor TO {login};"])
    told = f"{row['login']} is in pg_monitor and does not inherit its rights."
    since = _numbers(_version(asked))[:1] >= (INHERITS_SINCE,)
    line = f"GRANT pg_monitor TO {login} WITH INHERIT TRUE;" if since else f"ALTER ROLE {login} INHERIT;"
    return asked.finding(RIGHTS, State.FAILURE, told, where(asked), [line])


def _version(asked: Asked) -> str:
    return asked.polled.identity.version if asked.polled.identity else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition(" ")[0].split(".") if part.isdecimal())


def _statements(asked: Asked, row: Row) -> Finding:
    found, newest, here = row["statements"], row["statements_newest"], where(asked, row["database"])
    if not row["statements_loaded"]:
        return _not_loaded(asked, row)
    if found is None:
        told = f"The extension is not in database {row['database']}: no statement is seen."
        return asked.finding(STATEMENTS, State.FAILURE, told, here, ["CREATE EXTENSION pg_stat_statements;"])
    if _numbers(found) < WANTED <= _numbers(newest or ""):
        state = State.FAILURE if _numbers(found) < READ_FROM else State.WARNING
        told = f"Version {found}, of which {'nothing' if state is State.FAILURE else 'not everything'} is read."
        return asked.finding(STATEMENTS, state, told, here, ["ALTER EXTENSION pg_stat_statements UPDATE;"])
    return asked.finding(STATEMENTS, State.FINE, f"version {found}, loaded with the server")


def _not_loaded(asked: Asked, row: Row) -> Finding:
    told = "The library is not loaded with this server: no statement is seen."
    if row["statements_newest"] is None:
        remedy = "Install it (Debian: postgresql, Red Hat: postgresql-contrib), and run the doctor again."
        return asked.finding(STATEMENTS, State.FAILURE, f"Not installed on this server. {told}", remedy)
    if row["preloaded"] is None:
        remedy = "Add it to what shared_preload_libraries names in this server's postgresql.conf, and restart it:"
        return asked.finding(
            STATEMENTS, State.FAILURE, told, remedy, ["shared_preload_libraries = 'pg_stat_statements'"]
        )
    names = [part.strip().strip('"') for part in row["preloaded"].split(",") if part.strip()]
    # Each by itself: ALTER SYSTEM takes a list in one string for the name of one library, and the server would not start again.
    listed = ", ".join(quoting.Literal(part).as_string(None) for part in [*names, "pg_stat_statements"])
    remedy = "On this very server, as a superuser; then restart it:"
    return asked.finding(
        STATEMENTS, State.FAILURE, told, remedy, [f"ALTER SYSTEM SET shared_preload_libraries = {listed};"]
    )


def _sequences(asked: Asked, row: Row) -> Finding:
    many = row["sequences_closed"]
    told = f"{many} in {row['sequences_in']} may not be read: whether {'it runs' if many == 1 else 'they run'} out is not seen."
    line = f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {row['sequences_in']} TO {name(row['login'])};"
    return asked.finding(("nodes.sequences", "Sequences"), State.WARNING, told, where(asked, row["database"]), [line])
