"""The plan of one statement, asked for now: one of the few places where a page asks the tier, and marked live.

The statement is prepared and explained, never run: PREPARE takes SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES only, the pipeline's
protocol takes one statement only, and the transaction is read-only and given up at its end. Planning may call stable functions of the
database; they run as the polling login, within the same bounds. The server's text never leaves this module but as a plan.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from apps.metrics.kernel import NodeKind
from apps.metrics.readers import Target
from apps.metrics.readers.base import Unreadable
from apps.metrics.readers.place import place
from apps.metrics.readers.postgres import refusal
from apps.metrics.readers.trust import for_libpq
from apps.queries.advice import Guess, Table, guesses, quoted, scans
from apps.queries.literals import masked

SECONDS = 5.0  # for everything, connecting included
SETTINGS = (
    "-c statement_timeout=2000 -c lock_timeout=300 -c default_transaction_read_only=on -c jit=off -c timezone=UTC"
)
NAME = "opsportal_plan"
LONGEST_VALUE, MOST_PARAMETERS = 1000, 100
TEXT = """
    SELECT query, dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS here
    FROM pg_stat_statements(true)
    WHERE queryid = %s
    ORDER BY here DESC
    LIMIT 1
"""
TYPES = "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = %s"
HYPOPG = "SELECT 1 FROM pg_extension WHERE extname = 'hypopg'"
TABLE = """
    SELECT array_agg(attname::text ORDER BY attnum), relpages, reltuples
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE pg_class.oid = to_regclass(format('%%I.%%I', %s::text, %s::text))
    GROUP BY relpages, reltuples
"""
_DENIED = re.compile(r"^permission denied for (?P<kind>table|view|materialized view|function|schema) (?P<name>.+)$")
_WRITES = re.compile(r"\b(insert\s+into|update|delete\s+from|merge\s+into)\b", re.IGNORECASE)
MAKE_UP, LET_GO = "SELECT hypopg_create_index(%s)", "SELECT hypopg_reset()"
FORGET = "DISCARD PLANS"  # an index made up does not make the server plan anew what it has a generic plan for


class Problem(Enum):
    """Why there is no plan."""

    UNREACHABLE = "unreachable"
    GONE = "gone"
    ELSEWHERE = "elsewhere"
    KIND = "kind"
    DENIED = "denied"
    VALUE = "value"
    LOCKED = "locked"
    SLOW = "slow"
    REFUSED = "refused"


class NoPlan(Exception):
    """There is no plan: `problem` says why, `said` what the server said (hostile: it may quote the statement).

    Where a privilege is missing, `grant` is what would give it; empty where none should: planning what writes needs the right to write.
    """

    def __init__(self, problem: Problem, said: str = "", grant: str = "") -> None:
        super().__init__(said)
        self.problem, self.said, self.grant = problem, said, grant


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan as EXPLAIN (VERBOSE, FORMAT JSON) gives it, the types of the statement's parameters, and what the planner was told of them.

    `generic`: the plan for any values, made without them. `guesses`: indexes that it might profit from; `judged`: whether the planner
    could be asked about them.
    """

    plan: Mapping[str, Any]
    types: Sequence[str]
    generic: bool
    guesses: Sequence[Guess] = ()
    judged: bool = False


def explain(target: Target, queryid: int, values: Sequence[str | None] | None) -> Planned:
    """The plan of a statement on a server, for these values (None: NULL) or, without any, for all.

    Raises NoPlan after at most SECONDS, whatever the server does.
    """
    assert target.kind is NodeKind.POSTGRES
    return asyncio.run(_bounded(target, queryid, values))


async def _bounded(target: Target, queryid: int, values: Sequence[str | None] | None) -> Planned:
    task = asyncio.create_task(_explain(target, queryid, values))
    done, _pending = await asyncio.wait({task}, timeout=SECONDS)
    if not done:
        task.cancel()  # not waited for longer than a moment: a frozen server would hold it up
        await asyncio.wait({task}, timeout=0.2)
        raise NoPlan(Problem.SLOW)
    return task.result()


async def _explain(target: Target, queryid: int, values: Sequence[str | None] | None) -> Planned:
    try:
        where = await place(target)
        connection = await psycopg.AsyncConnection.connect(
            target.url,
            host=where.hosts,
            hostaddr=where.hostaddr,
            sslrootcert=for_libpq(target.url, target.reach.roots),
            autocommit=True,
            row_factory=tuple_row,
            application_name="opsportal plan",
            connect_timeout=3,
            options=SETTINGS,
            tcp_user_timeout=4000,
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        raise NoPlan(Problem.UNREACHABLE, refusal(error).failure.message) from error
    except Unreadable as error:
        raise NoPlan(Problem.UNREACHABLE, error.failure.message) from error
    try:
        return await _planned(connection, queryid, values)
    except psycopg.Error as error:
        raise _problem(error) from error
    finally:
        await connection.close()


async def _planned(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], queryid: int, values: Sequence[str | None] | None
) -> Planned:
    row = await (await connection.execute(TEXT, [queryid])).fetchone()
    if row is None or not row[0]:
        raise NoPlan(Problem.GONE)
    text, here = row
    if not here:
        raise NoPlan(Problem.ELSEWHERE)
    try:
        return await _within_transaction(connection, text, values)
    except psycopg.errors.InsufficientPrivilege as error:
        raise NoPlan(Problem.DENIED, _said(error), missing(_said(error), text, connection.info.user)) from error


async def _within_transaction(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], text: str, values: Sequence[str | None] | None
) -> Planned:
    async with connection.transaction(force_rollback=True):
        try:
            async with connection.pipeline():  # whose protocol takes one statement only
                await connection.execute(sql.SQL("PREPARE {} AS ").format(sql.Identifier(NAME)) + sql.SQL(text))
        except psycopg.errors.SyntaxError as error:
            raise NoPlan(Problem.KIND, _said(error)) from error
        types = ((await (await connection.execute(TYPES, [NAME])).fetchone()) or ([],))[0]
        if values is not None and len(values) != len(types):
            raise NoPlan(Problem.VALUE, f"{len(types)} values are wanted")
        generic = values is None and bool(types)
        await connection.execute(
            sql.SQL("SET LOCAL plan_cache_mode = {}").format(
                sql.Literal("force_generic_plan" if generic else "force_custom_plan")
            )
        )
        given = values if values is not None else [None] * len(types)
        plan = await _plan(connection, given)
        found = guesses(plan, await _tables(connection, plan))
        judged = await (await connection.execute(HYPOPG)).fetchone() is not None
        if judged:
            found = [replace(guess, cost_with=await _cost_with(connection, guess, given)) for guess in found]
    return Planned(plan, types, generic, found, judged)


async def _tables(connection: psycopg.AsyncConnection[tuple[Any, ...]], plan: Mapping[str, Any]) -> dict[str, Table]:
    """What the catalog knows of the tables that a plan reads whole."""
    tables = {}
    for schema, name in {(scan["Schema"], scan["Relation Name"]) for scan in scans(plan)}:
        row = await (await connection.execute(TABLE, [schema, name])).fetchone()
        if row is not None:
            tables[f"{schema}.{name}"] = Table(*row)
    return tables


async def _cost_with(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], guess: Guess, values: Sequence[str | None]
) -> float:
    """The cost as if the index were there: hypopg makes it up for this session only."""
    await connection.execute(MAKE_UP, [guess.hypothetical])
    await connection.execute(FORGET)
    plan = await _plan(connection, values)
    await connection.execute(LET_GO)
    return float(plan["Total Cost"])


async def _plan(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], values: Sequence[str | None]
) -> Mapping[str, Any]:
    given = sql.SQL(", ").join([sql.Literal(value) for value in values])
    call = sql.SQL("({})").format(given) if values else sql.SQL("")
    statement = sql.SQL("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {}{}").format(sql.Identifier(NAME), call)
    row = await (await connection.execute(statement)).fetchone()
    assert row is not None
    plan: Mapping[str, Any] = row[0][0]["Plan"]
    return plan


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).partition("\n")[0]


def missing(said: str, text: str, login: str) -> str:
    """The GRANT for what the server denied; empty where the statement writes or locks rows.

    >>> missing("permission denied for table orders", "SELECT * FROM shop.orders WHERE id = $1", "opsportal_poll")
    'GRANT SELECT ON shop.orders TO opsportal_poll;'
    >>> missing("permission denied for table orders", "UPDATE orders SET paid = $1", "opsportal_poll")
    ''
    """
    match = _DENIED.match(said)
    if match is None or _WRITES.search(masked(text)):
        return ""
    kind, name = match["kind"], match["name"]
    written = re.search(rf'((?:"[^"]+"|\w+)\.)"?{re.escape(name)}\b', text)
    where = f"{written[1] if written else ''}{quoted(name)}"
    what = {"function": f"EXECUTE ON FUNCTION {where}", "schema": f"USAGE ON SCHEMA {quoted(name)}"}
    return f"GRANT {what.get(kind, f'SELECT ON {where}')} TO {quoted(login)};"


def _problem(error: psycopg.Error) -> NoPlan:
    said = _said(error)
    match error:
        case psycopg.errors.LockNotAvailable():
            return NoPlan(Problem.LOCKED, said)
        case psycopg.errors.QueryCanceled():
            return NoPlan(Problem.SLOW, said)
        case psycopg.errors.DataError():
            return NoPlan(Problem.VALUE, said)
        case psycopg.OperationalError():
            return NoPlan(Problem.UNREACHABLE, said)
        case _:
            return NoPlan(Problem.REFUSED, said)
