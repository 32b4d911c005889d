"""The portal's own store: whether it answers, is migrated, keeps its serving login from the ledger, and has partitions ahead."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from apps.overview.doctor.finding import Finding, State
from apps.telemetry import readiness

OWN_STORE = (Path(__file__).parents[1] / "sql" / "own_store.sql").read_text(encoding="utf-8")
OLDEST, NEWEST = 15, 18
FEW_DAYS = 3  # the worker makes a week ahead, every ten minutes
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
    days_ahead: int


def examine(database: readiness.Part, migrations: readiness.Part) -> Iterator[Finding]:
    """`database`, `migrations`: what readiness found of it."""
    yield _of_readiness(database, "store.database", "Answers")
    yield _of_readiness(migrations, "store.migrations", "Migrations", ("python manage.py migrate",))
    if not database.ready:
        return
    try:
        with readiness.connect() as own, own.cursor(row_factory=class_row(OwnStore)) as cursor:
            found = cursor.execute(OWN_STORE).fetchone()
    except psycopg.errors.UndefinedTable:  # not migrated, as was said
        return
    except psycopg.Error as error:
        yield Finding("store.login", "Serving login", State.UNKNOWN, f"the store did not say ({type(error).__name__})")
        return
    assert found is not None
    yield _version(found)
    yield _login(found)
    yield _partitions(found)


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


def _partitions(found: OwnStore) -> Finding:
    of, days = ("store.partitions", "Partitions of history"), found.days_ahead
    if days >= FEW_DAYS:
        return Finding(*of, State.FINE, f"made for {days} more days")
    state = State.FAILURE if days < 1 else State.WARNING
    told = (
        f"made for {days} more {'day' if days == 1 else 'days'}" if days >= 0 else "none for today: no poll can be kept"
    )
    remedy = "Start the worker, or read its log for `maintain`; until then, with the serving login:"
    return Finding(*of, state, told, remedy, ("SELECT metrics_make_partitions((now() AT TIME ZONE 'UTC')::date, 8);",))
