"""Errors of real servers: what they repeat of what they were sent is on no span, what went wrong is."""

import time
from collections.abc import Callable

import pytest
import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from opentelemetry.trace import Span
from redis import Redis

from apps.telemetry.echoes import without_echoes
from tests.telemetry.test_scrubbing import sent

SECRET = "zq Ann's-secret 9"
TABLE = "CREATE TEMP TABLE zoo (age int CONSTRAINT grown CHECK (age > 3), name text NOT NULL, kind inet)"
Fail = Callable[[], object]


def put(error: BaseException) -> Callable[[Span, str], None]:
    return lambda span, _: span.record_exception(error)


def on_the_span(error: BaseException) -> str:
    """All that is sent of an error."""
    return sent(put(error), "")[1].decode("utf-8", "replace")


IN_POSTGRESQL = [
    ("INSERT INTO zoo VALUES (1, %s, NULL)", "grown"),
    ("INSERT INTO zoo VALUES (9, %s, NULL), (9, NULL, NULL)", "name"),
    ("INSERT INTO zoo SELECT length(given), NULL FROM (SELECT %s::text AS given) AS one", "name"),
    ("SELECT %s::int", "type integer"),
    ("SELECT %s::inet", "type inet"),
    ("SELECT %s::int[]", "malformed array literal"),
    ("SELECT ('[' || to_json(%s::text) || ' x')::json", "type json"),
    ("SELECT ('9999-99-99' || left(%s, 0))::date", "out of range"),
    ("CALL no_such(%s)", "no_such"),
    ("SELECT no_such FROM zoo WHERE name = %s", "no_such"),
]


@pytest.mark.parametrize(("statement", "stays"), IN_POSTGRESQL, ids=[statement for statement, _ in IN_POSTGRESQL])
@pytest.mark.parametrize("bound", [False, True], ids=["written", "bound"])
def test_what_postgresql_repeats_is_not_sent(db: None, statement: str, stays: str, bound: bool) -> None:
    written = statement.replace("%s", "'zq Ann''s-secret 9'")
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        with pytest.raises(DatabaseError) as raised, transaction.atomic():
            cursor.execute(statement, [SECRET]) if bound else cursor.execute(written)
    told = on_the_span(raised.value)
    assert "-secret 9" not in told
    assert stays in told


def test_what_copy_repeats_is_not_sent(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        with (
            pytest.raises(DatabaseError) as raised,
            transaction.atomic(),
            connection.wrap_database_errors,
            cursor.copy("COPY zoo FROM STDIN") as copy,
        ):
            copy.write(f"{SECRET}\tx\t\\N\n")
    told = on_the_span(raised.value)
    assert "-secret 9" not in told
    assert "COPY zoo, line 1, column age: [masked]" in told


def pipelined(client: Redis) -> object:
    pipe = client.pipeline()
    pipe.execute_command("NOSUCH", SECRET)  # type: ignore[no-untyped-call]
    return pipe.execute()


@pytest.mark.parametrize(
    ("fail", "stays"),
    [
        (lambda client: client.execute_command("NOSUCH", SECRET, "b"), "NOSUCH"),
        (lambda client: client.execute_command("CLIENT", SECRET), "unknown subcommand"),
        (lambda client: client.execute_command("ACL", "SETUSER", "ann", SECRET), "ACL SETUSER modifier"),
        (pipelined, "of pipeline"),
    ],
    ids=["unknown", "subcommand", "acl", "pipeline"],
)
def test_what_redis_repeats_is_not_sent(fail: Callable[[Redis], object], stays: str) -> None:
    with Redis.from_url(settings.REDIS_URL) as client, pytest.raises(redis.ResponseError) as raised:
        fail(client)
    told = on_the_span(raised.value)
    assert "-secret 9" not in told
    assert stays in told


@pytest.mark.parametrize(
    "text",
    [
        'relation "zoo" does not exist',
        'value "x" of the form is missing',
        "Deleted 3 rows.\nLINE 3: SELECT 1",
        "COPY of the file is done, line 3",
    ],
)
def test_what_repeats_nothing_stays_as_it_is(text: str) -> None:
    assert without_echoes(text) == text


ENDLESS = [
    "Failing row contains (" * 20_000, 'invalid input syntax for x: "' * 20_000, 'is out of range value "' * 20_000, "LINE 1: '" * 40_000,
    "of pipeline Command # 1 (" * 20_000, "COPY " * 60_000, "unknown subcommand '" * 20_000, 'is invalid Token "' * 20_000,
    "parameter $1 = '" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS, ids=lambda text: text[:12])
def test_no_text_makes_it_slow(text: str) -> None:
    started = time.process_time()
    without_echoes(text)
    assert time.process_time() - started < 0.5
