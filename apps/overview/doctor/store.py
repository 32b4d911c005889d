"""The portal's own store: does it answer, is it migrated, is its ledger out of reach of the serving login, are its partitions kept?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from apps.overview.doctor.finding import Finding, State
from apps.partitions import own_store
from apps.partitions.own import OwnTable, summary, tables
from apps.partitions.own_checks import FEW_DAYS
from apps.telemetry import readiness

OWN_STORE = (Path(__file__).parents[1] / "sql" / "own_store.sql").read_text(encoding="utf-8")
OLDEST, NEWEST = 15, 18
LEDGERS = "ledger_entry, ledger_head, ledger_tile, ledger_checkpoint, ledger_finding"


@dataclass(frozen=True, slots=True)
class OwnStore:
    """What the store says; see `sql/own_store.sql`."""

    version: str
    number: int
    login: str
    superuser: bool
    owner: bool
    rewrites: str | None


def examine(database: readiness.Part, migrations: readiness.Part) -> Iterator[Finding]:
    """`database`, `migrations`: what readiness found of it."""
    yield _of_readiness(database, "store.database", "Answers")
    yield _of_readiness(migrations, "store.migrations", "Migrations", ("python manage.py migrate",))
    if not database.ready:
        return
    try:
        with readiness.connect() as connection:
            found = connection.cursor(row_factory=class_row(OwnStore)).execute(OWN_STORE).fetchone()
            now = datetime.now(UTC)
            history = tables(own_store.ask(connection.cursor(), now), now)
    except psycopg.errors.UndefinedTable:  # not migrated, as was said
        return
    except psycopg.Error as error:
        yield Finding("store.login", "Serving login", State.UNKNOWN, f"the store did not say ({type(error).__name__})")
        return
    assert found is not None
    yield _version(found)
    yield _login(found)
    yield from _partitions(history)


def _of_readiness(part: readiness.Part, name: str, title: str, commands: tuple[str, ...] = ()) -> Finding:
    """A part that cannot be ready because another is not is UNKNOWN, as it says itself."""
    if part.ready:
        return Finding(name, title, State.FINE, part.detail)
    state = State.UNKNOWN if part.detail.startswith("unknown") else State.FAILURE
    what, _stop, remedy = part.detail.partition(". ")
    return Finding(name, title, state, what, remedy, commands if state is State.FAILURE else ())


def _version(found: OwnStore) -> Finding:
    of, major = ("store.version", "Version"), found.number // 10000
    if major < OLDEST:
        told = f"PostgreSQL {found.version}; the portal needs {OLDEST} or newer."
        return Finding(*of, State.FAILURE, told, "Upgrade the portal's own PostgreSQL.")
    if major > NEWEST:
        return Finding(*of, State.WARNING, f"PostgreSQL {found.version}; tried are {OLDEST} to {NEWEST}.")
    return Finding(*of, State.FINE, f"PostgreSQL {found.version}")


def _login(found: OwnStore) -> Finding:
    of = ("store.login", "Serving login")
    if found.superuser or found.owner:
        told = f"{found.login} {'is a superuser' if found.superuser else 'owns the ledger'} and could rewrite it."
        remedy = (
            "Serve with a login that only serves (OPSPORTAL_DATABASE_URL); docs/operating.md shows how both are made."
        )
        return Finding(*of, State.FAILURE, told, remedy)
    if found.rewrites:
        login = sql.Identifier(found.login).as_string(None)
        revoke = f"REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON {LEDGERS} FROM {login};"
        told = f"{found.login} may {found.rewrites}: the ledger could be rewritten."
        return Finding(*of, State.FAILURE, told, "As the owner of the tables:", (revoke,))
    return Finding(*of, State.FINE, f"{found.login} adds to the ledger and cannot change or remove entries")


def _partitions(history: Sequence[OwnTable]) -> Iterator[Finding]:
    """What the partitions room's tools say of the portal's own tables, and what their upkeep fails at."""
    known = summary(history)
    yield _ahead(known["hours_left"], [table.name for table in history if table.kept and table.gaps_ahead])
    of, late = ("store.retention", "Retention of history"), [table for table in history if table.overdue]
    told = ", ".join(f"{len(table.overdue)} of {table.name}" for table in late)
    remedy = "Start the worker, or read below what dropping fails at."
    if late:
        yield Finding(*of, State.WARNING, f"partitions past it for more than a day: {told}", remedy)
    else:
        yield Finding(*of, State.FINE, "no partition is past it for more than a day")
    yield _upkeep([table for table in history if table.kept and table.kept["error"]])


def _ahead(hours: float | None, broken: Sequence[str]) -> Finding:
    """`broken`: the tables with a gap among the partitions to come."""
    of = ("store.partitions", "Partitions of history")
    if hours is None:
        return Finding(*of, State.UNKNOWN, "one of them is locked at this moment", "Ask again.")
    days = int(hours // 24)
    if days >= FEW_DAYS and not broken:
        return Finding(*of, State.FINE, f"made for {days} more days")
    state = State.FAILURE if days < 1 else State.WARNING
    told = f"made for {days} more {'day' if days == 1 else 'days'}" if hours else "none for today: no poll can be kept"
    told += f", with a gap after that in {', '.join(broken)}" if broken and hours else ""
    remedy = "Start the worker, or read its log for `history.upkeep`; until then, with the serving login:"
    return Finding(*of, state, told, remedy, ("SELECT metrics_make_partitions((now() AT TIME ZONE 'UTC')::date, 8);",))


def _upkeep(failing: Sequence[OwnTable]) -> Finding:
    of = ("store.upkeep", "Upkeep of history")
    if not failing:
        return Finding(*of, State.FINE, "no failure on record")
    words = {"make": "making", "drop": "dropping"}
    told = "; ".join(
        f"{words[t.kept['failed']]} partitions of {t.name} fails since {t.kept['failing_since'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        f" ({t.kept['tries']} tries): {t.kept['error']}"
        for t in failing
    )
    remedy = "A lock that is not granted: end the session that holds the table, or wait for its dump. It is tried every ten minutes."
    return Finding(*of, State.WARNING, told, remedy)
