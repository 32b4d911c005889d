"""The messaging application: its rows, what its clients get, what each switch changes, what it survives."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from redis import Redis

from apps.lab import keys, load, seed, switches
from apps.lab.keys import ApiKey
from apps.lab.layout import REPLICAS, Layout, Node
from apps.lab.switches import Switches
from apps.lab.tier import Lab
from tests.conftest import Inject, Until

Ask = Callable[..., httpx.Response]
WEEK = """SELECT to_char(now() AT TIME ZONE 'UTC' + %s * interval '1 week', '"message_queue_"IYYY"w"IW')"""
QUEUE = "SELECT count(*) FROM message_queue WHERE state = %s AND conversation_message_id = %s"


@pytest.fixture(scope="module")
def secret(lab: Lab) -> bytes:
    """Of the lab's keys."""
    return keys.secret(lab.layout.directory)


@pytest.fixture(scope="module")
def clients(secret: bytes) -> dict[str, ApiKey]:
    """Every API key by its name."""
    return {key.key_id: key for key in keys.api_keys(secret)}


@pytest.fixture(scope="module")
def database(lab: Lab) -> Iterator[psycopg.Connection]:
    """The primary, as its owner."""
    with psycopg.connect(seed.owner_dsn(lab.layout), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def conversation(database: psycopg.Connection, clients: dict[str, ApiKey]) -> int:
    """A conversation of the client enterprise-1."""
    number = list(clients).index("enterprise-1") + 1
    return int(value(database, "SELECT max(id) FROM conversation WHERE api_key_id = %s", number))


@pytest.fixture
def ask(lab: Lab, clients: dict[str, ApiKey]) -> Iterator[Ask]:
    """`ask("GET", "/api/…", key="free-1")`: one request to the application; with no key where it is empty."""
    with httpx.Client(base_url=lab.layout.url(), timeout=40) as client:

        def send(method: str, path: str, key: str = "enterprise-1", **options: Any) -> httpx.Response:
            headers = {"X-API-Key": clients[key].plain} if key else {}
            return client.request(method, path, headers=headers | options.pop("headers", {}), **options)

        yield send


@pytest.fixture
def turn(lab: Lab) -> Iterator[Callable[..., None]]:
    """`turn(cache="on")`: switches by name; all are off before and after."""
    load.turn(lab.layout, Switches())

    def set_switches(**positions: str) -> None:
        for name, position in positions.items():
            load.set_switch(lab.layout, name, position)

    yield set_switches
    load.turn(lab.layout, Switches())


@pytest.fixture
def turn_back(turn: Callable[..., None], database: psycopg.Connection) -> Iterator[Callable[..., None]]:
    """`turn`, after which the partitioned table is as if it had never been made."""
    yield turn
    turn(partitioned_tables="off")
    database.execute("DROP TABLE conversation_message_partitioned")
    database.execute("DROP FUNCTION conversation_message_ahead")


def value(database: psycopg.Connection, query: str, *values: object) -> Any:
    """The first column of the first row."""
    row = database.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def report(ask: Ask) -> dict[str, Any]:
    """What the application says of itself."""
    found = ask("GET", "/metrics/app", key="").json()
    assert isinstance(found, dict)
    return found


class TestSeed:
    """The rows of a new lab."""

    def test_messages_cover_the_present_month_and_the_twenty_five_before(self, database: psycopg.Connection) -> None:
        months = "SELECT count(DISTINCT date_trunc('month', created_at AT TIME ZONE 'UTC')) FROM conversation_message"
        assert value(database, months) in {26, 27}  # a lab that lives on reaches the next month
        assert value(database, "SELECT count(*) FROM conversation_message WHERE created_at > now()") == 0

    def test_the_tables_stand_in_proportion(self, database: psycopg.Connection) -> None:
        counts = seed.counts(database)
        assert counts["conversation_message"] >= 100_000
        assert counts["conversation"] >= counts["conversation_message"] // 25
        assert counts["message_recipient"] >= 2 * counts["message"]
        assert counts["message_queue"] > 0
        assert {tier for (tier,) in database.execute("SELECT DISTINCT tier FROM api_key")} == set(keys.TIERS)

    def test_the_queue_has_this_week_and_the_coming_ones_and_an_empty_default(
        self, database: psycopg.Connection
    ) -> None:
        for weeks in range(4):
            name = value(database, WEEK, weeks)
            assert value(database, "SELECT to_regclass(%s)", name) is not None, f"{name} is missing"
        assert value(database, "SELECT count(*) FROM message_queue_default") == 0

    def test_only_the_queue_is_partitioned_at_first(self, database: psycopg.Connection) -> None:
        partitioned = {
            name for (name,) in database.execute("SELECT partrelid::regclass::text FROM pg_partitioned_table")
        }
        assert partitioned <= {"message_queue", "conversation_message_partitioned"}
        assert "message_queue" in partitioned

    def test_no_key_is_stored(self, database: psycopg.Connection, clients: dict[str, ApiKey]) -> None:
        text = str(database.execute("SELECT * FROM api_key").fetchall())
        assert "free-1" in text
        assert not any(key.plain in text or key.plain.removeprefix("msk_") in text for key in clients.values())

    def test_the_secret_of_the_keys_is_readable_by_its_owner_only(self, lab: Lab) -> None:
        assert (lab.layout.directory / keys.SECRET_FILE).stat().st_mode & 0o077 == 0

    def test_the_application_owns_nothing_and_makes_nothing(self, lab: Lab, database: psycopg.Connection) -> None:
        owned = "SELECT count(*) FROM pg_class WHERE relowner = 'app'::regrole"
        assert value(database, owned) == 0
        with psycopg.connect(lab.layout.dsn(Node.PRIMARY, "app"), autocommit=True) as connection:
            for attempt in ("CREATE TABLE mine (n integer)", "UPDATE api_key SET tier = 'Pro'", "DROP TABLE message"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(attempt)

    def test_the_polling_login_reads_no_message(self, lab: Lab) -> None:
        with (
            psycopg.connect(lab.layout.dsn(Node.PRIMARY, "opsportal_poll"), autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT body FROM conversation_message LIMIT 1")

    def test_filling_a_full_database_changes_nothing(self, lab: Lab, database: psycopg.Connection) -> None:
        before = seed.counts(database)
        assert seed.fill(lab.layout).seconds == 0.0
        assert seed.counts(database) == before


@pytest.mark.usefixtures("turn")
class TestApi:
    """What a client gets."""

    def test_a_message_that_was_sent_is_read_queued_and_delivered(
        self, ask: Ask, conversation: int, database: psycopg.Connection
    ) -> None:
        sent = ask("POST", f"/api/conversations/{conversation}/messages", json={"body": "Is it on its way?"})
        assert sent.status_code == 201
        number = sent.json()["id"]
        assert value(database, QUEUE, "waiting", number) == 1
        ask("POST", "/api/queue/deliver?limit=500")
        assert value(database, QUEUE, "done", number) == 1
        newest = ask("GET", f"/api/conversations/{conversation}/messages?limit=1").json()["messages"][0]
        assert (newest["id"], newest["body"], newest["status"]) == (number, "Is it on its way?", "delivered")

    def test_an_announcement_tells_how_far_it_got(self, ask: Ask) -> None:
        news = {"subject": "News", "body": "We moved.", "recipients": ["a@example.org", "b@example.org"]}
        number = ask("POST", "/api/messages", json=news).json()["id"]
        (row,) = ask("GET", f"/api/messages/{number}/delivery").json()["recipients"]
        assert (row["status"], row["recipients"]) == ("sent", 2)

    @pytest.mark.parametrize(
        "path",
        [
            "/api/dashboard",
            "/api/messages/recent?days=30",
            "/api/messages/search?q=invoice",
            "/api/messages/statistics",
        ],
    )
    def test_every_page_answers(self, ask: Ask, path: str) -> None:
        answer = ask("GET", path)
        assert answer.status_code == 200
        assert any(answer.json().values())

    def test_who_logs_in_gets_a_token_that_opens_the_dashboard(self, ask: Ask, secret: bytes) -> None:
        person = keys.accounts(secret)[0]
        answer = ask("POST", "/api/login", key="", json={"email": person.email, "password": person.password})
        bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert ask("GET", "/api/dashboard", key="", headers=bearer).status_code == 200
        forged = {"Authorization": bearer["Authorization"][:-1] + "x"}
        assert ask("GET", "/api/dashboard", key="", headers=forged).status_code == 401

    @pytest.mark.parametrize(
        ("method", "path", "key", "options", "status"),
        [
            ("GET", "/api/dashboard", "", {}, 401),
            ("GET", "/api/dashboard", "", {"headers": {"X-API-Key": "msk_guessed"}}, 401),
            ("POST", "/api/login", "", {"json": {"email": "person-0@client.example", "password": "wrong"}}, 401),
            ("POST", "/api/login", "", {"json": ["no", "object"]}, 400),
            ("GET", "/api/conversations/999999999999/messages", "pro-1", {}, 404),
            ("GET", "/api/conversations/1/messages?limit=0", "pro-1", {}, 400),
            ("GET", "/api/conversations/1/messages?before=yesterday", "pro-1", {}, 400),
            ("GET", "/api/messages/search?q=a", "pro-1", {}, 400),
            ("POST", "/api/messages", "pro-1", {"json": {"subject": "a", "body": "b", "recipients": []}}, 400),
            ("POST", "/api/messages", "pro-1", {"content": b"x" * 70_000}, 413),
            ("DELETE", "/api/dashboard", "pro-1", {}, 405),
            ("GET", "/nowhere", "pro-1", {}, 404),
        ],
    )
    def test_what_cannot_be_is_refused_in_words(
        self, ask: Ask, method: str, path: str, key: str, options: dict[str, Any], status: int
    ) -> None:
        answer = ask(method, path, key=key, **options)
        assert answer.status_code == status
        assert answer.json()["error"].endswith(".")

    def test_another_clients_conversation_does_not_exist(self, ask: Ask, conversation: int) -> None:
        assert ask("GET", f"/api/conversations/{conversation}/messages", key="pro-1").status_code == 404
        sent = ask("POST", f"/api/conversations/{conversation}/messages", key="pro-1", json={"body": "Hello"})
        assert sent.status_code == 404

    def test_queries_are_measured(self, ask: Ask) -> None:
        before = ask("GET", "/metrics/queries", key="").json()["statistics"]["total_queries"]
        ask("GET", "/api/dashboard")
        found = ask("GET", "/metrics/queries", key="").json()
        assert found["statistics"]["total_queries"] == before + 3  # the key, and two statements of the page
        assert 0 < found["statistics"]["p50"] <= found["statistics"]["p95"] <= found["statistics"]["p99"]
        assert found["health"]["status"] in {"healthy", "degraded", "unhealthy"}

    def test_detailed_health_names_every_part(self, ask: Ask) -> None:
        found = ask("GET", "/health/detailed", key="").json()
        services = found["services"]
        assert abs(datetime.now(UTC) - datetime.fromisoformat(found["timestamp"])).total_seconds() < 5
        assert services["database"]["primary"]["connected"]
        assert services["database"]["primary"]["latency_ms"] > 0
        assert [(r["name"], r["connected"]) for r in services["database"]["replicas"]] == [
            (str(n), True) for n in REPLICAS
        ]
        assert services["redis"]["memory_bytes"] > 0
        assert {"keys", "evictions"} <= set(services["redis"])
        assert {"active", "waiting"} <= set(services["pgbouncer"])
        assert {"p95_ms", "slow_share"} <= set(services["queries"])


class TestSwitches:
    """Each switch changes what somebody sees, without a restart."""

    def test_structured_logs_are_json_with_the_callers_correlation_id(
        self, ask: Ask, turn: Callable[..., None]
    ) -> None:
        ask("GET", "/api/dashboard")
        plain = ask("GET", "/metrics/logs", key="").json()["lines"][-1]
        with pytest.raises(ValueError, match=r"Expecting value|Extra data"):
            json.loads(plain)
        turn(structured_logs="on")
        answer = ask("GET", "/api/dashboard", headers={"X-Correlation-ID": "story-7"})
        line = json.loads(ask("GET", "/metrics/logs", key="").json()["lines"][-1])
        assert answer.headers["X-Correlation-ID"] == line["correlation_id"] == "story-7"
        assert (line["path"], line["status"]) == ("/api/dashboard", 200)

    def test_no_line_shows_a_key(self, ask: Ask, turn: Callable[..., None], clients: dict[str, ApiKey]) -> None:
        turn(structured_logs="on")
        ask("GET", f"/api/dashboard?api_key={clients['pro-1'].plain}")
        assert clients["pro-1"].plain not in ask("GET", "/metrics/logs", key="").text

    def test_replica_reads_spread_reads_and_leave_writes(
        self, ask: Ask, turn: Callable[..., None], conversation: int
    ) -> None:
        turn(replica_reads="on")
        before = report(ask)["routing"]
        for _ in range(10):
            ask("GET", "/api/messages/recent")
        after = report(ask)["routing"]
        assert all(after["reads"][name] > before["reads"][name] for name in REPLICAS)
        assert after["reads"][Node.PRIMARY] == before["reads"][Node.PRIMARY]
        ask("POST", f"/api/conversations/{conversation}/messages", json={"body": "Hello"})
        assert report(ask)["routing"]["writes"][Node.PRIMARY] == after["writes"][Node.PRIMARY] + 1

    def test_through_the_pooler_its_statistics_grow(self, ask: Ask, turn: Callable[..., None], lab: Lab) -> None:
        def transactions() -> int:
            console = lab.layout.dsn(Node.PGBOUNCER, "opsportal_poll")
            with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
                rows = connection.cursor(row_factory=dict_row).execute("SHOW STATS").fetchall()
                return sum(int(row["total_xact_count"]) for row in rows if row["database"] == "messaging")

        ask("GET", "/api/dashboard")
        before = transactions()
        ask("GET", "/api/dashboard")
        assert transactions() == before
        turn(pooler="on")
        ask("GET", "/api/dashboard")
        assert transactions() > before

    def test_the_cache_spares_queries_and_forgets_what_was_changed(
        self, ask: Ask, turn: Callable[..., None], conversation: int
    ) -> None:
        turn(cache="on")
        path = f"/api/conversations/{conversation}/messages"
        ask("GET", path)
        before = ask("GET", "/metrics/queries", key="").json()["statistics"]["total_queries"]
        first = ask("GET", path).json()
        assert ask("GET", "/metrics/queries", key="").json()["statistics"]["total_queries"] == before
        assert report(ask)["cache"]["hits"] > 0
        sent = ask("POST", path, json={"body": "Something new"}).json()
        assert ask("GET", f"{path}?limit=1").json()["messages"][0]["id"] == sent["id"]
        assert first["messages"][0]["id"] != sent["id"]

    def test_limits_are_counted_first_and_enforced_later(self, ask: Ask, turn: Callable[..., None], lab: Lab) -> None:
        with Redis.from_url(lab.layout.redis_url(Node.REDIS, "app")) as redis:
            redis.delete("ratelimit:free-9")
        turn(limits="monitor")
        statuses = [ask("GET", "/api/dashboard", key="free-9").status_code for _ in range(14)]
        assert statuses == [200] * 14
        assert report(ask)["limiter"]["mode"] == "monitor"
        turn(limits="enforce")
        refused = ask("GET", "/api/dashboard", key="free-9")
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert "10 requests" in refused.json()["error"]
        assert ask("GET", "/api/dashboard", key="free-8").headers["X-RateLimit-Limit"] == "10"

    def test_partitioned_tables_hold_the_same_rows_both_ways(
        self, ask: Ask, turn_back: Callable[..., None], database: psycopg.Connection, conversation: int
    ) -> None:
        path = f"/api/conversations/{conversation}/messages"
        before = ask("GET", path).json()
        turn_back(partitioned_tables="on")
        assert ask("GET", path).json() == before
        count = "SELECT count(*) FROM {}"
        plain = value(database, count.format("conversation_message"))
        assert value(database, count.format("conversation_message_partitioned")) == plain
        assert (
            value(database, "SELECT count(*) FROM pg_partition_tree('conversation_message_partitioned') WHERE isleaf")
            >= 29
        )
        sent = ask("POST", path, json={"body": "Into the partition of this month"}).json()["id"]
        where = "SELECT tableoid::regclass::text FROM conversation_message_partitioned WHERE id = %s"
        assert value(database, where, sent) == f"conversation_message_{datetime.now(UTC):%Ym%m}"
        turn_back(partitioned_tables="off")
        assert ask("GET", f"{path}?limit=1").json()["messages"][0]["id"] == sent

    def test_a_file_nobody_understands_changes_nothing(
        self, ask: Ask, turn: Callable[..., None], layout: Layout
    ) -> None:
        turn(structured_logs="on")
        ask("GET", "/api/dashboard")
        load.switches_file(layout).write_text("{not json", encoding="utf-8")
        assert report(ask)["switches"]["structured_logs"] is True
        load.switches_file(layout).unlink()

    @pytest.mark.parametrize(("name", "position"), [("chaos", "on"), ("cache", "perhaps"), ("limits", "on")])
    def test_a_switch_that_is_not_is_refused_in_words(self, layout: Layout, name: str, position: str) -> None:
        with pytest.raises(switches.UnknownSwitch, match=r"There is no switch|write "):
            load.set_switch(layout, name, position)


class TestFaults:
    """What the application survives."""

    @pytest.mark.parametrize("pooler", ["off", "on"])
    def test_with_the_primary_stopped_it_answers_and_comes_back(
        self,
        ask: Ask,
        turn: Callable[..., None],
        fault: Inject,
        heal: Inject,
        until: Until,
        conversation: int,
        pooler: str,
    ) -> None:
        turn(pooler=pooler)
        ask("GET", "/api/dashboard")
        fault("stop-primary")
        started = time.monotonic()
        answer = ask("POST", f"/api/conversations/{conversation}/messages", json={"body": "Hello"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert time.monotonic() - started < 30
        health = ask("GET", "/health/detailed", key="")
        assert health.status_code == 503
        assert health.json()["status"] == "unhealthy"
        assert health.json()["services"]["database"]["primary"]["connected"] is False
        heal("stop-primary")
        until(lambda: ask("GET", "/api/dashboard").status_code == 200, 15)

    def test_a_frozen_primary_makes_no_request_hang(self, ask: Ask, fault: Inject, heal: Inject, until: Until) -> None:
        ask("GET", "/api/dashboard")
        fault("freeze-primary")
        started = time.monotonic()
        assert ask("GET", "/api/dashboard").status_code == 503
        assert time.monotonic() - started < 30
        assert ask("GET", "/health", key="").json()["status"] == "unhealthy"
        heal("freeze-primary")
        until(lambda: ask("GET", "/api/dashboard").status_code == 200, 15)

    def test_with_one_replica_down_it_serves_and_says_degraded(
        self, ask: Ask, turn: Callable[..., None], fault: Inject, until: Until
    ) -> None:
        turn(replica_reads="on")
        fault("stop-replica-1")
        assert {ask("GET", "/api/messages/recent").status_code for _ in range(6)} == {200}
        degraded = until(lambda: (a := ask("GET", "/health/detailed", key="")).json()["status"] == "degraded" and a, 90)
        assert isinstance(degraded, httpx.Response)
        assert degraded.status_code == 200
        assert [r["connected"] for r in degraded.json()["services"]["database"]["replicas"]] == [False, True]

    def test_without_redis_it_goes_on_allows_and_counts_that(
        self, ask: Ask, turn: Callable[..., None], fault: Inject, until: Until
    ) -> None:
        turn(cache="on", limits="enforce")
        fault("stop-redis")
        before = report(ask)
        answers = [ask("GET", "/api/dashboard", key="free-7") for _ in range(14)]
        assert {answer.status_code for answer in answers} == {200}
        assert answers[-1].headers["X-RateLimit-Status"] == "degraded"
        after = report(ask)
        assert after["limiter"]["degraded"] == before["limiter"]["degraded"] + 14
        assert after["cache"]["degraded"] > before["cache"]["degraded"]
        until(lambda: ask("GET", "/health/detailed", key="").json()["services"]["redis"]["connected"] is False, 15)

    def test_nothing_it_needs_is_out_of_reach_of_its_user(self, ask: Ask, layout: Layout) -> None:
        ask("GET", "/api/dashboard")
        log = (layout.logs / f"{Node.APP}.log").read_text(encoding="utf-8", errors="replace")
        newest = log.rpartition("Starting gunicorn")[2]
        assert "Listening at" in newest
        assert "ModuleNotFoundError" not in newest
        assert "unknown encoding" not in newest


class TestLoad:
    """The traffic."""

    def test_it_starts_reports_and_stops(self, ask: Ask, lab: Lab, until: Until) -> None:
        assert not load.status(lab.layout).running
        before = report(ask)["queue"]["delivered"]
        load.start(lab.layout, rate=20)
        try:
            until(lambda: load.status(lab.layout).requests > 100, 30)
            found = load.status(lab.layout)
            assert (found.running, found.errors) == (True, 0)
            assert found.p95_ms is not None
            assert found.p95_ms >= (found.p50_ms or 0) > 0
            assert "requests/s" in found.sentence()
            assert report(ask)["queue"]["delivered"] > before
        finally:
            assert load.stop(lab.layout)
        assert not load.status(lab.layout).running

    @pytest.mark.parametrize(("rate", "clients"), [(0, 4), (1000, 4), (20, 0)])
    def test_an_impossible_rate_is_refused(self, layout: Layout, rate: float, clients: int) -> None:
        with pytest.raises(ValueError, match="cannot be made"):
            load.start(layout, rate, clients)
