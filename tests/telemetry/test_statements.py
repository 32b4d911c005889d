"""What counts as the same statement, whatever its values; and that no value is left in it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from apps.telemetry.statements import Catalogue, fingerprint_of, normalised

ALIKE = [
    ("SELECT a FROM t WHERE id = 1", "SELECT a  FROM t\n WHERE id = 23 -- why"),
    ("SELECT a FROM t WHERE n = 'x'", "SELECT a FROM t WHERE n = 'it''s; DROP TABLE t'"),
    ("SELECT a FROM t WHERE n = E'x'", "SELECT a FROM t WHERE n = $$x$$"),
    ("SELECT a FROM t WHERE id = %s", "SELECT a FROM t WHERE id = $1"),
    ("SELECT a FROM t WHERE id = %(id)s", "SELECT a FROM t WHERE id = -1.5e3"),
    ("SELECT a FROM t WHERE id IN (%s, %s)", "SELECT a FROM t WHERE id IN (1,2,3)"),
    ("INSERT INTO t (a, b) VALUES (%s, %s)", "INSERT INTO t (a, b) VALUES (%s, %s), (%s, %s), (%s, %s)"),
    ("SELECT /* a\ncomment */ 1", "SELECT 2"),
    ('SAVEPOINT "s1_x1"', 'SAVEPOINT "s2_x99"'),
    ("SELECT a FROM t WHERE n > .5 AND m > 5.", "SELECT a FROM t WHERE n > 0x1F AND m > 1_000_000"),
]
DIFFERENT = [
    ("SELECT a FROM t1", "SELECT a FROM t2"),
    ('SELECT "a1" FROM t', 'SELECT "a2" FROM t'),
    ("SELECT a FROM t WHERE a = 1", "SELECT a FROM t WHERE b = 1"),
    ("SELECT a::int4", "SELECT a::int8"),
    ('SAVEPOINT "s1_x1"', 'RELEASE SAVEPOINT "s1_x1"'),
    # As Django asks SQLite and Oracle for what contains a text.
    (
        r"SELECT a FROM t WHERE a LIKE %s ESCAPE '\' AND b LIKE %s ESCAPE '\'",
        r"SELECT a FROM t WHERE a LIKE %s ESCAPE '\' OR c LIKE %s ESCAPE '\'",
    ),
]
# Texts that one server reads in another way than the next.
AMBIGUOUS = [
    r"SELECT a FROM t WHERE path = 'C:\' AND name = 'hunter2'",
    r"SELECT a FROM t WHERE path = 'it\'s hunter2' AND name = 'x'",
    r"SELECT a FROM t WHERE path = 'x\\\' AND name = 'hunter2' AND note = 'y'",
    r"SELECT a FROM t WHERE path LIKE %s ESCAPE '\' AND name = 'hunter2'",
    "SELECT /* a /* comment */ about hunter2 */ 1",
    f"SELECT ${'long_tag' * 8}$hunter2${'long_tag' * 8}$",
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_values_blanks_and_comments_make_no_other_statement(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_do(one: str, other: str) -> None:
    assert fingerprint_of(normalised(one)) != fingerprint_of(normalised(other))


@given(st.text(min_size=1).map(lambda text: f"Zq{text}9x"))
def test_no_value_is_left_in_a_statement(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    assert normalised(f"SELECT 1 WHERE a = E'{quoted}' AND b = 2") == "SELECT ? WHERE a = ? AND b = ?"


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_shows_no_value_in_either(text: str) -> None:
    assert "hunter2" not in normalised(text)


@given(st.text("'\"$%/*-(),?1aE \\\n", max_size=200))
def test_any_text_comes_to_one_short_line(text: str) -> None:
    again = normalised(text)
    assert "\n" not in again or '"' in text  # a quoted name stays as it is
    assert len(fingerprint_of(again)) == 16


@pytest.mark.parametrize(
    "text", ["(1, '", "/*", "$a$", "1.", "(?,", "(?), ", "--", "%(", "''", '"', "- ", "0x", "\\'", "1_", "/*/"]
)
def test_no_text_makes_it_slow(text: str) -> None:
    started = time.process_time()
    normalised(text * 100_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("given", [b"SELECT 1", sql.SQL("SELECT {}").format(sql.Literal(1)), sql.SQL("SELECT 7")])
def test_what_is_no_text_is_told_apart_as_well(given: Any) -> None:
    assert Catalogue().statement(given).text == "SELECT ?"


def test_statements_with_values_in_their_text_fill_no_memory() -> None:
    catalogue = Catalogue()
    statements = {catalogue.statement(f"SELECT {number}") for number in range(10_000)}
    assert len(statements) == 1
    assert len(catalogue.by_text) <= 4096
    for number in range(10_000):
        catalogue.statement(f"SELECT a{number}")
    assert len(list(catalogue)) <= 4097
