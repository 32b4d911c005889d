"""Bounds as PostgreSQL prints them, whatever their values are."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from apps.lab import postgres
from apps.lab.layout import Layout, Node
from apps.partitions.bounds import Bound, BoundUnread, Default, Edge, Hashed, Listed, Range, parse, times

PRINT = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'part'"


@pytest.fixture
def scratch(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A session of the primary in which everything is undone."""
    with postgres.connect(layout, Node.PRIMARY) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL timezone = 'UTC'")
        yield connection


def printed(connection: psycopg.Connection, columns: str, by: str, bound: str) -> Bound:
    """The bound of a partition that was really made so, as it is printed and read again."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL(f"CREATE TABLE whole ({columns}) PARTITION BY {by}"))
        connection.execute(sql.SQL(f"CREATE TABLE part PARTITION OF whole {bound}"))
        row = connection.execute(PRINT).fetchone()
    assert row is not None
    return parse(row[0])


def test_ranges_of_time(scratch: psycopg.Connection) -> None:
    for kind, lower, upper in (
        ("timestamptz", "'2026-11-23 00:00+00'", "'2026-11-30 00:00+00'"),
        ("timestamp", "'2026-11-23'", "'2026-11-30'"),
        ("date", "'2026-11-23'", "'2026-11-30'"),
    ):
        bound = printed(scratch, f"at {kind}", "RANGE (at)", f"FOR VALUES FROM ({lower}) TO ({upper})")
        assert times(bound) == (datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)), kind


def test_open_ends_and_several_columns(scratch: psycopg.Connection) -> None:
    columns = "at timestamptz, n int, word text"
    bound = printed(
        scratch,
        columns,
        "RANGE (at, n, word)",
        "FOR VALUES FROM (MINVALUE, MINVALUE, MINVALUE) TO ('2026-01-01', -5, 'it''s) TO (')",
    )
    assert bound == Range((Edge.LOWEST,) * 3, (datetime(2026, 1, 1, tzinfo=UTC), -5, "it's) TO ("))
    span = times(bound)
    assert span is not None
    assert span[0] == datetime.min.replace(tzinfo=UTC)


def test_lists_hashes_and_the_default(scratch: psycopg.Connection) -> None:
    awkward = "FOR VALUES IN ('it''s', 'a, b', '(x)', NULL)"
    assert printed(scratch, "word text", "LIST (word)", awkward) == Listed(("it's", "a, b", "(x)", None))
    assert printed(scratch, "n bigint", "LIST (n)", "FOR VALUES IN (1, -2)") == Listed((1, -2))
    assert printed(scratch, "n int", "HASH (n)", "FOR VALUES WITH (MODULUS 4, REMAINDER 3)") == Hashed(4, 3)
    assert printed(scratch, "n int", "LIST (n)", "DEFAULT") == Default()


def test_numbers_are_no_times(scratch: psycopg.Connection) -> None:
    bound = printed(scratch, "n bigint", "RANGE (n)", "FOR VALUES FROM (20260101) TO (20260201)")
    assert bound == Range((20260101,), (20260201,))
    assert times(bound) is None


@given(st.lists(st.one_of(st.text(), st.none()), min_size=1))
def test_any_words_survive_being_quoted(words: list[str | None]) -> None:
    inside = ", ".join("NULL" if word is None else "'" + word.replace("'", "''") + "'" for word in words)
    bound = parse(f"FOR VALUES IN ({inside})")
    assert isinstance(bound, Listed)
    told = [word for word in bound.values if isinstance(word, str) or word is None]
    assert len(bound.values) == len(words)
    assert [word for word in words if word in told or word is None] == told


@given(st.text())
def test_nonsense_is_refused_in_words(text: str) -> None:
    with pytest.raises(BoundUnread) as refusal:
        parse(f"FOR VALUES FROM {text}")
    assert repr(text)[1:-1] in str(refusal.value)
