"""The operations: `create`, `upsert`, `update`, `delete`, `process` and `stream`, over Django models and raw tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from django.db import DEFAULT_DB_ALIAS, models, router
from psycopg import Connection, sql

from apps.batch.copying import UNFIT, copying
from apps.batch.how import TOGETHER, How, Wire
from apps.batch.result import Result
from apps.batch.run import NOTHING, begun, run
from apps.batch.session import connect, is_address, refuse_inside_transaction
from apps.batch.shape import Shape, fields_of, shape_of
from apps.batch.tables import Refused, Table, of_name
from apps.batch.tables import resolve as resolve_on
from apps.batch.work import STAGING, Call, Insert, Operation, Staged, applying, holding, staging

Target: TypeAlias = type[models.Model] | Table
T = TypeVar("T")
FETCHED = 10_000  # rows of a stream that are in memory


def table(name: str, using: str = DEFAULT_DB_ALIAS) -> Table:
    """
    The table written as `schema.name`, resolved to its OID on the database of an alias or an address.

    Raises:
        Refused: there is no such table, or its name has more than 63 bytes.
        psycopg.Error: the server did not answer.
    """
    with connect(using) as connection:
        return of_name(connection, name)


def create(
    target: Target,
    rows: Iterable[Any],
    *,
    columns: Sequence[str] | None = None,
    using: str = "",
    how: How | None = None,
) -> Result:
    """
    Insert rows by COPY.

    Args:
        target: a model, or a table from `table`.
        rows: read once and lazily. Model instances, mappings, or tuples in the order of `columns`; all of one kind.
            Values have the Python type of their column and are not cast.
        columns: names of columns, of fields where there is a model; by default what the first row has.
        using: alias or address of the database; by default where the model is written, or `default`.
        how: everything else.

    Returns:
        What was done. Instances do not learn their keys, and no signal is sent.

    Raises:
        Refused: the call makes no sense; nothing was done.
        SourceFailed: `rows` raised an error; its `result` tells what was done.
        psycopg.Error: no chunk can succeed: a privilege or a table is missing.
    """
    return _write(_Asked(Operation.CREATE, target, columns, (), None), rows, using, how)


def upsert(
    target: Target,
    rows: Iterable[Any],
    *,
    key: Sequence[str] = (),
    update: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    using: str = "",
    how: How | None = None,
) -> Result:
    """
    Insert rows, and update those whose key is there already; of rows with one key the last counts (with `parallel` above 1: of
    those in one transaction).

    Args:
        key: columns of a unique index; by default the primary key.
        update: what is set where the row is there; by default all but the key. Empty: leave the row that is there.
        target, rows, columns, using, how: as for `create`, and so is what is returned and raised.
    """
    return _write(_Asked(Operation.UPSERT, target, columns, key, update), rows, using, how)


def update(
    target: Target,
    rows: Iterable[Any],
    *,
    key: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    using: str = "",
    how: How | None = None,
) -> Result:
    """Set the other columns of the rows with these keys; a key that is not there is counted as skipped. See `upsert`."""
    return _write(_Asked(Operation.UPDATE, target, columns, key, None), rows, using, how)


def delete(
    target: Target, keys: Iterable[Any], *, key: Sequence[str] = (), using: str = "", how: How | None = None
) -> Result:
    """
    Delete the rows with these keys: bare values, tuples for a key of several columns, mappings, or instances of the model.

    Nothing cascades in Python, and no signal is sent.
    """
    return _write(_Asked(Operation.DELETE, target, None, key, None), keys, using, how)


def process(
    rows: Iterable[T],
    function: Callable[[Sequence[T]], object],
    *,
    expects: tuple[type[Exception], ...] = (ValueError, LookupError, ArithmeticError),
    using: str = DEFAULT_DB_ALIAS,
    how: How | None = None,
) -> Result:
    """
    Call a function with each chunk, inside a transaction of its own that Django's models take part in.

    Args:
        function: called in another thread; a chunk that fails is called again, whole or in parts.
        expects: errors that are a row's fault, beside the database's; any other ends the run and is raised.
    """
    how = how or How()
    refuse_inside_transaction(using)
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
    return run(Call(function, name, expects, how.chunk), rows, how, using, together=1)


def stream(
    source: Target, *, columns: Sequence[str] = (), using: str = "", size: int = FETCHED
) -> Iterator[tuple[Any, ...]]:
    """
    The rows of a model or table as tuples, from one snapshot, `size` of them in memory at a time.

    A queryset streams by itself: give `queryset.iterator()` to the operations.
    """
    using = _database(source, using, write=False)
    with connect(using) as connection, connection.transaction():
        found, fields = _table(source, connection)
        names = [fields.get(name, name) for name in columns] or [column.name for column in found.columns]
        known = {column.name for column in found.columns}
        if strange := [name for name in names if name not in known]:
            raise Refused(f"{found} has no column {', '.join(strange)}; it has {', '.join(sorted(known))}.")
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(map(sql.Identifier, names)), found.identifier)
        with connection.cursor("batch_stream") as cursor:
            cursor.itersize = size
            yield from cursor.execute(query)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call of one of the operations that write."""

    operation: Operation
    target: Target
    columns: Sequence[str] | None
    key: Sequence[str]
    update: Sequence[str] | None

    def work(self, first: Any, connection: Connection[Any], using: str, wire: Wire) -> Insert | Staged:
        """What is to be done with rows like the first. Raises Refused."""
        table, fields = _table(self.target, connection)
        keys = tuple(fields.get(name, name) for name in self.key) or table.primary_key
        shape = self._shape(first, keys, using)
        sends = copying(connection, table.pick(shape.columns) if shape.columns else (), wire)
        if self.operation is Operation.CREATE:
            copy = sends.statement(table.identifier)
            return Insert(self.operation, table, shape.tuples, sends, holding(table), copy, UNFIT)
        _refuse_keyless(table, keys)
        named = None if self.update is None else [fields.get(name, name) for name in self.update]
        sets = _sets(self.operation, table, shape.columns, keys, named)
        stage, copy = staging(table, shape.columns), sends.statement(STAGING)
        merge = applying(self.operation, table, shape.columns, keys, sets)
        return Staged(self.operation, table, shape.tuples, sends, holding(table), copy, UNFIT, keys, stage, merge)

    def _shape(self, first: Any, keys: tuple[str, ...], using: str) -> Shape:
        if first is NOTHING:
            return Shape((), list)
        if self.operation is Operation.DELETE and not isinstance(first, models.Model):  # keys, whatever the target
            return shape_of(first, keys, None, using)
        if self.operation is Operation.DELETE and not isinstance(self.target, Table):
            named = {str(field.column): name for name, field in fields_of(self.target).items()}
            return shape_of(first, [named[key] for key in keys], self.target, using)
        return shape_of(first, self.columns, None if isinstance(self.target, Table) else self.target, using)


def _write(asked: _Asked, rows: Iterable[Any], using: str, how: How | None) -> Result:
    how, using = how or How(), _database(asked.target, using, write=True)
    refuse_inside_transaction(using)
    first, whole = begun(rows, how)
    with connect(using) as connection:
        work = asked.work(first, connection, using, how.wire)
        if is_address(using):  # logging in twice would cost as much as carrying some thousand rows
            return run(work, whole, how, using, TOGETHER, connection)
    return run(work, whole, how, using, TOGETHER)


def _sets(
    operation: Operation, table: Table, columns: Sequence[str], keys: Sequence[str], named: Sequence[str] | None
) -> Sequence[str]:
    """The columns that are set. Raises Refused where a row lacks its key, or what it should set."""
    if not columns:
        return ()
    if lacking := [name for name in keys if name not in columns]:
        raise Refused(
            f"Rows have no {', '.join(lacking)}, by which rows of {table} are found. Give key=(…), or rows that have it."
        )
    if operation is Operation.DELETE:
        return ()
    sets = [name for name in columns if name not in keys] if named is None else list(named)
    if strange := [name for name in sets if name not in columns]:
        raise Refused(f"Rows have no {', '.join(strange)} to update with.")
    if operation is Operation.UPDATE and not sets:
        raise Refused(f"Rows have nothing but their key; there is nothing to set in {table}.")
    return sets


def _refuse_keyless(found: Table, keys: Sequence[str]) -> None:
    if not keys:
        raise Refused(f"{found} has no primary key. Say with key=(…) by which columns its rows are told apart.")
    found.pick(keys)


def _database(target: Target, using: str, *, write: bool) -> str:
    if using or isinstance(target, Table):
        return using or DEFAULT_DB_ALIAS
    return router.db_for_write(target) if write else router.db_for_read(target)


def _table(target: Target, connection: Connection[Any]) -> tuple[Table, dict[str, str]]:
    """The table, resolved anew where it is a model's, and the columns of a model's fields by field name."""
    if isinstance(target, Table):
        return target, {}
    fields = {name: str(field.column) for name, field in fields_of(target).items()}
    return resolve_on(connection, _schema(connection), target._meta.db_table), fields  # noqa: SLF001  Django's documented API


def _schema(connection: Connection[Any]) -> str:
    row = connection.execute("SELECT current_schema()").fetchone()
    return str(row[0]) if row and row[0] else "public"
