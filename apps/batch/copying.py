"""Rows into a table by COPY: binary, with every value checked against its column, or text for the server to read."""

import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import Format
from psycopg.types.json import Json, Jsonb

from apps.batch.how import Wire
from apps.batch.shape import Unfit
from apps.batch.tables import Column

Rows = Sequence[Sequence[Any]]
# What the driver raises for a value that has no form in its column's type.
NO_FORM = (TypeError, ValueError, OverflowError, AttributeError)
UNFIT = (*NO_FORM, psycopg.DataError)
# The driver's C code keeps the low bits of a whole number that is too large, and takes any object for a truth value.
_WHOLE = {"int2": "h", "int4": "i", "oid": "I"}


@dataclass(frozen=True, slots=True)
class Copying:
    """How rows of these columns travel; `types` is empty for text."""

    columns: tuple[Column, ...]
    types: tuple[int, ...]

    def statement(self, table: sql.Identifier) -> bytes:
        """The COPY that `send` begins."""
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns)
        kind = sql.SQL("BINARY" if self.types else "TEXT")
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(table, names, kind).as_bytes()

    def send(self, cursor: psycopg.Cursor[Any], statement: bytes, rows: Rows) -> None:
        """COPY the rows. Raises one of UNFIT for a value that has no form in its type, psycopg.Error as the server does."""
        ready = self._checked(rows) if self.types else self._wrapped(rows)
        try:
            with cursor.copy(statement) as stream:
                if self.types:
                    stream.set_types(self.types)
                write = stream.write_row
                for row in ready:
                    write(row)
        except NO_FORM as error:
            raise Unfit(self._culprit(cursor.connection, ready[0]) if len(ready) == 1 else str(error)) from error

    def _culprit(self, connection: psycopg.Connection[Any], row: Sequence[Any]) -> str:
        """Which value of a row has no form in its column's type."""
        for column, value in zip(self.columns, row, strict=False):
            alone = Transformer(connection)
            alone.set_dumper_types([column.type_oid], Format.BINARY)
            try:
                alone.dump_sequence([value], [PyFormat.BINARY])
            except UNFIT as error:
                return f"{column.name} is {column.type_name} and cannot hold this {type(value).__name__}: {error}"
        return "a value does not fit its column"

    def _checked(self, rows: Rows) -> Rows:
        for place, column in enumerate(self.columns):
            if check := _CHECKS.get(column.type_name):
                values = [row[place] for row in rows]
                try:
                    check([value for value in values if value is not None] if None in values else values)
                except (OverflowError, TypeError, struct.error) as error:
                    raise Unfit(f"{column.name} is {column.type_name} and cannot hold this: {error}") from error
        return rows

    def _wrapped(self, rows: Rows) -> Rows:
        """Documents marked as such: text alone does not tell a JSON array from an array."""
        marks = {"json": Json, "jsonb": Jsonb}
        places = [(place, marks[c.type_name]) for place, c in enumerate(self.columns) if c.type_name in marks]
        if not places:
            return rows
        made = []
        for row in rows:
            values = list(row)
            for place, mark in places:
                if isinstance(values[place], (dict, list, int, float)):
                    values[place] = mark(values[place])
            made.append(values)
        return made


def copying(connection: psycopg.Connection[Any], columns: tuple[Column, ...], wire: Wire) -> Copying:
    """How these columns travel: as asked for, but in text where the driver has no binary form for one of their types."""
    if wire is Wire.TEXT:
        return Copying(columns, ())
    try:
        for column in columns:
            connection.adapters.get_dumper_by_oid(column.type_oid, Format.BINARY)
    except psycopg.ProgrammingError:
        return Copying(columns, ())
    return Copying(columns, tuple(column.type_oid for column in columns))


def _whole(code: str) -> Callable[[list[Any]], object]:
    return lambda values: array(code, values)


def _truth(values: list[Any]) -> None:
    if values and set(map(type, values)) != {bool}:
        raise TypeError("only True and False are truth values")


def _single(values: list[Any]) -> None:
    struct.pack(f"{len(values)}f", *values)


_CHECKS: dict[str, Callable[[list[Any]], object]] = {
    **{name: _whole(code) for name, code in _WHOLE.items()},
    "bool": _truth,
    "float4": _single,
}
