"""What is done with a chunk: insert, upsert, update, delete, or a function of the caller's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any, Protocol

from psycopg import sql

from apps.batch.chunks import Part
from apps.batch.copying import Copying, Rows
from apps.batch.result import Counts
from apps.batch.session import Session
from apps.batch.shape import Tuples
from apps.batch.tables import Table, TableMoved

STAGING = sql.Identifier("pg_temp", "batch_staging")
DROP = sql.SQL("DROP TABLE {}").format(STAGING).as_bytes()


class Operation(StrEnum):
    """The kinds of run."""

    CREATE = "create"
    UPSERT = "upsert"
    UPDATE = "update"
    DELETE = "delete"
    PROCESS = "process"


class Work(Protocol):
    """One operation on one target."""

    @property
    def operation(self) -> Operation:
        """Which."""

    @property
    def target(self) -> str:
        """The table's name, or the function's."""

    @property
    def expects(self) -> tuple[type[Exception], ...]:
        """Errors that are a row's fault, beside the database's."""

    def begin(self, session: Session, /) -> int:
        """Called first in each chunk's transaction; returns its number, or 0 where it has none yet."""

    def do(self, session: Session, part: Part, /) -> Counts:
        """Write a part; returns what was written and skipped. What it raises undoes the part."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What inserting and staging have in common: a table, the shape of rows, how they travel."""

    operation: Operation
    table: Table
    tuples: Tuples
    copying: Copying
    hold: bytes
    copy: bytes
    expects: tuple[type[Exception], ...]

    @property
    def target(self) -> str:
        """The table's name."""
        return str(self.table)

    def begin(self, session: Session) -> int:
        """Hold the table, and see that its name still means the same one. Raises TableMoved."""
        with session.raw.cursor() as cursor:
            cursor.execute(self.hold)
            cursor.nextset()
            row = cursor.fetchone()
        if row is None or row[0] != self.table.oid:
            raise TableMoved(
                f"{self.table} is another table than when the run began: it was swapped or made anew. Nothing more was "
                "written. Look at it, then resume, or begin again."
            )
        return int(row[1])


@dataclass(frozen=True, slots=True)
class Insert(Writing):
    """Rows straight into the table."""

    def do(self, session: Session, part: Part) -> Counts:
        """COPY the part."""
        with session.raw.cursor() as cursor:
            self.copying.send(cursor, self.copy, self.tuples(part.rows))
        return Counts(written=len(part.rows))


@dataclass(frozen=True, slots=True)
class Staged(Writing):
    """Rows into a temporary table, and from there, by one statement, where they belong."""

    key: tuple[str, ...]
    stage: bytes
    apply: bytes

    def do(self, session: Session, part: Part) -> Counts:
        """COPY the part aside, then apply it; of rows with the same key the last one counts, None is never the same."""
        rows = self._last_of_each(self.tuples(part.rows))
        with session.raw.cursor() as cursor:
            cursor.execute(self.stage)
            self.copying.send(cursor, self.copy, rows)
            written = cursor.execute(self.apply).rowcount
            cursor.execute(DROP)
        return Counts(written=written, skipped=len(part.rows) - written)

    def _last_of_each(self, rows: Rows) -> Rows:
        places = [index for index, column in enumerate(self.copying.columns) if column.name in self.key]
        key = itemgetter(*places)
        latest = dict(zip(map(key, rows), rows, strict=True))
        if len(latest) == len(rows):
            return rows
        # To a unique index two keys without a value are two keys.
        return list({object() if _lacks_value(of := key(row)) else of: row for row in rows}.values())


def _lacks_value(key: Any) -> bool:
    return key is None or (isinstance(key, tuple) and None in key)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the caller's, within a transaction. `chunk`: how many rows it is given at most."""

    function: Callable[[Sequence[Any]], object]
    target: str
    expects: tuple[type[Exception], ...]
    chunk: int
    operation: Operation = Operation.PROCESS

    def begin(self, _session: Session) -> int:
        """Nothing is to be held, and perhaps nothing is written."""
        return 0

    def do(self, _session: Session, part: Part) -> Counts:
        """Call it with the rows, chunk by chunk where the part has several."""
        for begin in range(0, len(part.rows), self.chunk):
            self.function(part.rows[begin : begin + self.chunk])
        return Counts(written=len(part.rows))


def holding(table: Table) -> bytes:
    """Lock the table against being dropped or swapped, then tell the OID that its name stands for and the transaction's number."""
    name = table.identifier
    told = sql.SQL(
        "LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE; SELECT {}::regclass::oid::int8, pg_current_xact_id()::text"
    )
    return told.format(name, sql.Literal(name.as_string())).as_bytes()


def staging(table: Table, columns: Sequence[str]) -> bytes:
    """The temporary table that rows with these columns are copied to: the columns' types, no constraint."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    make = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
    return make.format(STAGING, names, table.identifier).as_bytes()


def applying(
    operation: Operation, table: Table, columns: Sequence[str], key: Sequence[str], update: Sequence[str]
) -> bytes:
    """The statement that applies what is staged. `update`: the columns to be set; of an upsert none means: leave what is there."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    match = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in key)
    of = "excluded" if operation is Operation.UPSERT else "s"
    assign = sql.SQL(", ").join(
        sql.SQL("{0} = {1}.{0}").format(sql.Identifier(name), sql.Identifier(of)) for name in update
    )
    parts = {
        "table": table.identifier,
        "names": names,
        "staging": STAGING,
        "match": match,
        "key": sql.SQL(", ").join(map(sql.Identifier, key)),
        "then": sql.SQL("UPDATE SET {}").format(assign) if update else sql.SQL("NOTHING"),
        "assign": assign,
    }
    return sql.SQL(_APPLY[operation]).format(**parts).as_bytes()


_APPLY = {
    Operation.UPSERT: (
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {staging}"
        " ON CONFLICT ({key}) DO {then}"
    ),
    Operation.UPDATE: "UPDATE {table} AS t SET {assign} FROM {staging} AS s WHERE {match}",
    Operation.DELETE: "DELETE FROM {table} AS t USING {staging} AS s WHERE {match}",
}
