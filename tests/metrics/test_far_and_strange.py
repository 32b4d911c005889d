"""Servers far away, and answers that no calendar, encoding or plan holds: each is measured, or says why not, and delays nobody."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import pytest
from django.conf import settings
from hypothesis import example, given
from hypothesis import strategies as st
from redis import Redis

from apps.cache.probes import PROBES as CACHE
from apps.lab import links, postgres
from apps.lab.layout import DATABASE, Layout
from apps.lab.layout import Node as Server
from apps.lab.proxy import Mode
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics import store
from apps.metrics.collect import Collector, NodePoll
from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.models import LatestAnswer, NodeStatus
from apps.metrics.poll import poll
from apps.metrics.probe import Probe, Question, Variant
from apps.metrics.readers import Target
from tests.metrics.test_poll import rows, slots
from tests.watch import Asking

__all__ = ["slots"]

FAR = (Server.PRIMARY, Server.PGBOUNCER, Server.REDIS)
LATENCY = timedelta(milliseconds=700)


@pytest.fixture
def far(lab: Lab) -> Iterator[None]:
    """A primary, a pooler and a Redis whose every answer takes 700 ms longer."""
    for server in FAR:
        links.put(lab.layout, server, Mode.DELAY, LATENCY.total_seconds() * 1000)
    yield
    for server in FAR:
        links.put(lab.layout, server, Mode.PASS)


def test_a_node_behind_700_ms_is_measured_from_the_second_poll_on(
    lab: Lab, db: None, far: None, slots: Callable[[], datetime]
) -> None:
    tier = register(lab.layout)
    began = monotonic()
    poll(tier, first := slots())
    assert monotonic() - began < settings.NODE_DEADLINE.total_seconds() + 2
    found = dict(rows(first))
    assert {found[name] for name in found.keys() - set(FAR)} == {""}, "who is near is measured at once"
    assert {found[name] for name in FAR} <= {"", "timeout"}
    for message in NodeStatus.objects.filter(up=False).values_list("message", flat=True):
        assert "onnecting" in message
        assert "next poll" in message
    poll(tier, second := slots())
    assert set(dict(rows(second)).values()) == {""}
    for name in FAR:
        assert NodeStatus.objects.get(node__name=name).duration_seconds >= LATENCY.total_seconds()
    poll(tier, slots())
    asked = LatestAnswer.objects.filter(node__name=Server.PGBOUNCER).values_list("probe", flat=True)
    assert {"pools.pools", "pools.stats", "pools.servers"} <= set(asked), "what there was no time for comes next"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector(timedelta(seconds=4))
    yield made
    made.close()


@pytest.fixture
def ask(lab: object, layout: Layout, collector: Collector) -> Callable[..., NodePoll]:
    """Ask the primary one question that no room asks."""

    def asking(text: str, database: str = DATABASE) -> NodePoll:
        target = Target(
            1,
            "it",
            NodeKind.POSTGRES,
            NodeRole.PRIMARY,
            layout.dsn(Server.PRIMARY, "opsportal_poll", database),
        )
        probe = Probe("test.it", NodeKind.POSTGRES, Question((Variant(text),)))
        (polled,) = collector.poll([target], {1: [probe]}, {})
        return polled

    return asking


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("'infinity'::timestamptz", "infinity"),
        ("'0044-03-15 12:00:00+00 BC'::timestamptz", "0044-03-15 12:00:00+00 BC"),
        ("'2026-01-01 12:00:00.25+02'::timestamptz", "2026-01-01T10:00:00.250000+00:00"),
        ("'infinity'::date", "infinity"),
        ("12345678901234567890::numeric", 12345678901234567890),
        ("2.50::numeric", 2.5),
        ("2.00::numeric", 2),
        ("'90 seconds'::interval", 90.0),
        ("ARRAY[1.5, 2]::numeric[]", [1.5, 2]),
        ("true", True),
        ("NULL::text", None),
        ("E'<b>\\n'''", "<b>\n'"),
    ],
)
def test_a_value_of_any_type_is_one_of_jsons(ask: Callable[..., NodePoll], value: str, said: object) -> None:
    answer = ask(f"SELECT {value} AS value").answers["test.it"]
    assert answer.failure is None
    (row,) = answer.rows
    assert (type(row["value"]), row["value"]) == (type(said), said)


def test_text_that_is_not_in_the_encoding_it_claims_is_shown_as_far_as_it_can_be(
    ask: Callable[..., NodePoll], layout: Layout
) -> None:
    with postgres.connect(layout, Server.PRIMARY, DATABASE) as owner:
        known = owner.execute("SELECT FROM pg_database WHERE datname = 'bytes'").fetchone()
        if known is None:  # and it stays: dropping a database waits up to a minute for processes that sleep
            owner.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    (row,) = ask(r"SELECT E'caf\xe9' AS name, 7 AS number", database="bytes").answers["test.it"].rows
    assert row == {"name": "caf\N{REPLACEMENT CHARACTER}", "number": 7}


def test_a_question_whose_columns_changed_is_planned_anew(ask: Callable[..., NodePoll], layout: Layout) -> None:
    with postgres.connect(layout, Server.PRIMARY, DATABASE) as owner:
        owner.execute(
            "CREATE TABLE changing (a int); INSERT INTO changing VALUES (1); GRANT SELECT ON changing TO PUBLIC"
        )
        try:
            asking = partial(ask, "SELECT * FROM changing")
            assert asking().answers["test.it"].rows == ({"a": 1},)
            owner.execute("ALTER TABLE changing ADD b text DEFAULT 'new'")
            failure = asking().answers["test.it"].failure
            assert failure is not None
            assert "cached plan" in failure.message
            for _ in range(3):
                assert asking().answers["test.it"].rows == ({"a": 1, "b": "new"},)
        finally:
            owner.execute("DROP TABLE changing")


def test_a_server_that_closed_the_kept_connection_is_a_failure_and_answers_again(
    ask: Callable[..., NodePoll], layout: Layout
) -> None:
    asking = partial(ask, "SELECT pg_backend_pid() AS pid")
    (row,) = asking().answers["test.it"].rows
    with postgres.connect(layout, Server.PRIMARY, DATABASE) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 2000)", [row["pid"]])
    lost = asking()
    assert lost.failure is not None
    assert lost.failure.message.startswith("The connection was lost: ")
    assert asking().failure is None


def test_a_redis_that_closed_the_kept_connection_is_asked_over_another(lab: object, layout: Layout) -> None:
    asking = Asking(NodeKind.REDIS, layout.redis_url(Server.REDIS, "opsportal_poll"), CACHE)
    try:
        asking.ask()
        with Redis.from_url(layout.redis_url(Server.REDIS, "lab", direct=True)) as client:
            client.execute_command("CLIENT", "KILL", "USER", "opsportal_poll")
        assert "cache.info" in asking.ask().answers
    finally:
        asking.close()


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
@example(["NULL", "", 'a"b', "{c,d}", "\\", '\\"', " e ", "\n"])
def test_what_a_tier_says_is_kept_as_it_said_it(layout: Layout, column: list[str | None]) -> None:
    with postgres.connect(layout, Server.STORE) as connection:
        assert connection.execute("SELECT %s::text[]", [store.array(column)]).fetchone() == (column,)
