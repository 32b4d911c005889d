"""Bounds of partitions: what `pg_get_expr(relpartbound)` prints, as typed values. Times are read as UTC where they name no zone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TypeAlias


class Edge(Enum):
    """The ends of a range that have no value."""

    LOWEST = "MINVALUE"
    HIGHEST = "MAXVALUE"


Value: TypeAlias = datetime | int | str | Edge | None


@dataclass(frozen=True, slots=True)
class Default:
    """The partition for what no other takes."""


@dataclass(frozen=True, slots=True)
class Range:
    """From `lower` up to, but without, `upper`: one value for each column of the key."""

    lower: tuple[Value, ...]
    upper: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """These values of the key; None stands for NULL."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Hashed:
    """Keys whose hash leaves `remainder` when divided by `modulus`."""

    modulus: int
    remainder: int


Bound: TypeAlias = Default | Range | Listed | Hashed

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([^\s',()]+))\s*(?:,|$)")
_RANGE = re.compile(r"FOR VALUES FROM \((.*)\) TO \((.*)\)", re.DOTALL)
_LIST = re.compile(r"FOR VALUES IN \((.*)\)", re.DOTALL)
_HASH = re.compile(r"FOR VALUES WITH \(modulus (\d+), remainder (\d+)\)", re.IGNORECASE)
_TIME = re.compile(r"\d{4,}-\d\d-\d\d")


class BoundUnread(ValueError):
    """The text is no bound that PostgreSQL prints; the message repeats it."""


def parse(text: str) -> Bound:
    """The bound that a text tells; raises BoundUnread for any other text.

    >>> parse("FOR VALUES FROM ('2026-11-23 00:00:00+00') TO ('2026-11-30 00:00:00+00')").upper[0].isoformat()
    '2026-11-30T00:00:00+00:00'
    >>> parse("FOR VALUES IN ('it''s', NULL)"), parse("FOR VALUES WITH (modulus 4, remainder 1)"), parse("DEFAULT")
    (Listed(values=("it's", None)), Hashed(modulus=4, remainder=1), Default())
    """
    if text == "DEFAULT":
        return Default()
    if match := _HASH.fullmatch(text):
        return Hashed(int(match[1]), int(match[2]))
    if match := _LIST.fullmatch(text):
        return Listed(tuple(_values(match[1], text)))
    # A quoted value may hold ") TO (": then the split with as many values on both sides is the right one.
    for before, after in _splits(text):
        try:
            lower, upper = tuple(_values(before, text)), tuple(_values(after, text))
        except BoundUnread:
            continue
        if lower and len(lower) == len(upper):
            return Range(lower, upper)
    raise BoundUnread(f"This is no partition bound: {text!r}")


def _splits(text: str) -> Iterator[tuple[str, str]]:
    match = _RANGE.fullmatch(text)
    if not match:
        return
    inside = text[len("FOR VALUES FROM (") : -1]
    start = inside.find(") TO (")
    while start >= 0:
        yield inside[:start], inside[start + len(") TO (") :]
        start = inside.find(") TO (", start + 1)


def _values(inside: str, text: str) -> Iterator[Value]:
    position = 0
    while position < len(inside):
        match = _TOKEN.match(inside, position)
        if not match:
            raise BoundUnread(f"This is no partition bound: {text!r}")
        yield _bare(match[2]) if match[1] is None else _quoted(match[1].replace("''", "'"))
        position = match.end()


def _bare(word: str) -> Value:
    if word in {"MINVALUE", "MAXVALUE"}:
        return Edge(word)
    if word == "NULL":
        return None
    return int(word) if re.fullmatch(r"-?\d+", word) else word


def _quoted(word: str) -> Value:
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if _TIME.match(word):
        try:
            moment = datetime.fromisoformat(word)
        except ValueError:
            return word
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return word


def times(bound: Bound) -> tuple[datetime, datetime] | None:
    """Start and end of a range in time, by the first column of its key; None for any other bound.

    An open end is the earliest or the latest time there is.

    >>> times(Range((Edge.LOWEST,), (datetime(2026, 1, 1, tzinfo=UTC),)))[0].year
    1
    """
    if not isinstance(bound, Range) or not bound.lower:
        return None
    start, end = bound.lower[0], bound.upper[0]
    if Edge.LOWEST is start and isinstance(end, datetime):
        start = datetime.min.replace(tzinfo=UTC)
    if Edge.HIGHEST is end and isinstance(start, datetime):
        end = datetime.max.replace(tzinfo=UTC)
    return (start, end) if isinstance(start, datetime) and isinstance(end, datetime) else None
