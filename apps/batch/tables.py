"""A table as its database knows it: resolved to its OID before anything is sent to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_SQL = Path(__file__).parent / "sql"
LONGEST = 63  # bytes; PostgreSQL cuts a longer name and takes the table that bears the rest


class Refused(ValueError):
    """What was asked for makes no sense; the message says why and what to do instead. Nothing was changed."""


class TableMoved(Refused):
    """The name stands for another table than when the run began."""


def script(name: str) -> bytes:
    """The text of `sql/<name>.sql`."""
    return (_SQL / f"{name}.sql").read_bytes()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `type_oid` is the type whose wire format carries it (a domain's base type, text for an enum)."""

    name: str
    type_oid: int
    type_name: str
    generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table by name and by OID; make one with `resolve` or `of_name`."""

    schema: str
    name: str
    oid: int
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """The name, quoted."""
        return sql.Identifier(self.schema, self.name)

    def pick(self, names: Sequence[str]) -> tuple[Column, ...]:
        """The columns of these names, in this order. Raises Refused for one that is not there, generated or named twice."""
        known = {column.name: column for column in self.columns}
        if strange := [name for name in names if name not in known]:
            raise Refused(f"{self} has no column {', '.join(map(repr, strange))}; it has {', '.join(known)}.")
        if len(set(names)) < len(names) or not names:
            raise Refused(f"Columns of {self} are named once each, and at least one: {', '.join(names) or 'none'}.")
        if made := [name for name in names if known[name].generated]:
            raise Refused(f"{self} makes {', '.join(made)} by itself; leave it out.")
        return tuple(known[name] for name in names)


def resolve(connection: psycopg.Connection[Any], schema: str, name: str) -> Table:
    """
    The table of exactly this name in this schema.

    Raises:
        Refused: a name is longer than 63 bytes, or there is no such table, or it is no table.
        psycopg.Error: the server did not answer.
    """
    for part in (schema, name):
        if not 0 < len(part.encode("utf-8", "surrogatepass")) <= LONGEST or "\0" in part:
            raise Refused(f"{part!r:.90} is no name of a table: names have 1 to {LONGEST} bytes and no NUL.")
    with connection.cursor() as cursor:
        found = cursor.execute(script("table"), {"schema": schema, "name": name}).fetchone()
        if found is None:
            raise Refused(
                f"There is no table {schema}.{name} here. Write schema and name exactly as the database does."
            )
        oid, primary_key = found
        columns = cursor.execute(script("columns"), {"oid": oid}).fetchall()
    return Table(schema, name, oid, tuple(Column(*row) for row in columns), tuple(primary_key))


def of_name(connection: psycopg.Connection[Any], text: str) -> Table:
    """
    The table written as `schema.name`; without a schema it is in `public`. Names may hold dots: the table that there is counts.

    Raises:
        Refused: as `resolve` does, or dots make it the name of several tables.
        psycopg.Error: the server did not answer.
    """
    dots = [place for place, letter in enumerate(text) if letter == "."]
    tried = [(text[:place], text[place + 1 :]) for place in dots] or [("public", text)]
    found: list[Table] = []
    for last, (schema, name) in enumerate(tried, 1 - len(tried)):
        try:
            found.append(resolve(connection, schema, name))
        except Refused:
            if not (last or found):
                raise
    if len(found) > 1:
        raise Refused(f"{text!r} is the name of {len(found)} tables of different schemas. Rename one of them.")
    return found[0]
