"""Each fault does to the real servers what it says, seen by their clients; healing undoes all of it."""

import json
import select
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from time import monotonic

import psycopg
import pytest
import redis
from psycopg.rows import scalar_row

from apps.lab import faults, keys, links, load, postgres
from apps.lab import redis as lab_redis
from apps.lab.faults import FAULTS, UnknownFault
from apps.lab.layout import HOST, WATCHED, Layout, Node
from apps.lab.pgbouncer import POOL_SIZE
from apps.lab.switches import Limits
from apps.lab.tier import Lab
from apps.metrics.registry import checks
from tests.conftest import Inject, Until

FIXED = """stop-primary stop-replica-1 stop-replica-2 freeze-replica-2 pause-replay stop-pgbouncer exhaust-pool leak-connection stop-redis
fill-redis evict-redis hold-lock slow-queries idle-in-transaction fill-default-partition"""


@dataclass(frozen=True, slots=True)
class Client:
    """What a client of the lab sees, through the faces."""

    layout: Layout

    def refused(self, node: str) -> bool:
        try:
            socket.create_connection((HOST, self.layout.port(node)), timeout=2).close()
        except ConnectionRefusedError:
            return True
        return False

    def hangs(self, node: str) -> bool:
        """Connected, but no answer within a second to the first bytes of PostgreSQL, Redis or HTTP."""
        with socket.create_connection((HOST, self.layout.port(node)), timeout=1) as client:
            first = {Node.REDIS: b"PING\r\n", Node.APP: b"GET / HTTP/1.0\r\n\r\n"}
            client.sendall(
                first.get(Node(node), b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            )  # an SSLRequest is always answered
            try:
                return not client.recv(1)
            except TimeoutError:
                return True

    def ask(self, query: str, node: str = Node.PRIMARY) -> object:
        """One value, asked as superuser on the server itself."""
        with postgres.connect(self.layout, node, "messaging") as connection:
            return connection.cursor(row_factory=scalar_row).execute(query.encode()).fetchone()

    def pool(self) -> dict[str, int]:
        """The application's line of SHOW POOLS."""
        dsn = self.layout.dsn(Node.PGBOUNCER, "opsportal_poll", direct=True)
        with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            cursor = console.execute("SHOW POOLS")
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return next((row for row in rows if row["user"] == "app"), {})

    def redis(self, section: str) -> dict[str, int]:
        with lab_redis.session(self.layout) as client:
            found: dict[str, int] = client.info(section)
            return found


@pytest.fixture
def client(lab: Lab) -> Client:
    return Client(lab.layout)


def heal(lab: Lab, name: str) -> None:
    assert faults.heal(lab.servers, name)


def test_every_promised_fault_is_there_and_says_what_it_does() -> None:
    assert set(FIXED.split()) <= set(FAULTS)
    for fault in FAULTS.values():
        assert fault.says.endswith("."), fault.name
        assert fault.node in set(Node)
        assert set(fault.fires) <= set(checks()), fault.name


def test_every_check_of_the_alert_and_health_tables_has_a_fault_that_fires_it() -> None:
    fired = {check for fault in FAULTS.values() for check in fault.fires}
    assert {
        "app.error_rate",
        "cache.evictions_health",
        "cache.hit_rate",
        "cache.memory_health",
        "pools.utilisation",
        "pools.waiting",
        "queries.p95",
        "queries.p95_health",
        "queries.primary_up",
        "queries.slow_share",
        "ratelimits.blocked",
        "replicas.lag_health",
        "replicas.replay_lag",
    } <= fired


STOPPED = [name for name in FAULTS if name.startswith("stop-")]
HANGING = [name for name in FAULTS if name.startswith(("freeze-", "partition-")) and FAULTS[name].node in WATCHED]


@pytest.mark.parametrize("name", STOPPED)
def test_a_stopped_server_refuses_until_it_is_healed(lab: Lab, client: Client, fault: Inject, name: str) -> None:
    node = FAULTS[name].node
    fault(name)
    assert client.refused(node)
    assert {status.name: status.state for status in lab.status()}[node] == "down"
    heal(lab, name)
    assert not client.refused(node)
    assert not client.hangs(node)
    assert postgres.streaming(lab.layout)


@pytest.mark.parametrize("name", HANGING)
def test_a_frozen_or_partitioned_server_hangs_until_it_is_healed(
    lab: Lab, client: Client, fault: Inject, name: str
) -> None:
    node = FAULTS[name].node
    fault(name)
    assert client.hangs(node)
    heal(lab, name)
    assert not client.hangs(node)
    assert postgres.streaming(lab.layout)


def test_sessions_that_were_there_hang_too_and_are_answered_after_the_thaw(lab: Lab, fault: Inject) -> None:
    with closing(psycopg.connect(lab.layout.dsn(Node.PRIMARY, "app"), autocommit=True)) as connection:
        fault("freeze-primary")
        connection.pgconn.send_query(b"SELECT 1")
        connection.pgconn.flush()
        assert select.select([connection.fileno()], [], [], 0.5)[0] == []
        heal(lab, "freeze-primary")
        assert select.select([connection.fileno()], [], [], 5)[0]


def test_a_partitioned_replica_drops_out_of_the_stream_and_comes_back(
    lab: Lab, client: Client, fault: Inject, until: Until
) -> None:
    fault("partition-replica-2")
    until(lambda: client.ask("SELECT count(*) FROM pg_stat_replication") == 1, 15)
    assert client.ask("SELECT active FROM pg_replication_slots WHERE slot_name = 'replica_2'") is False
    heal(lab, "partition-replica-2")
    assert client.ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2


@pytest.mark.parametrize(("name", "least"), [("slow-primary", 0.7), ("slow-replica-1", 0.7)])
def test_a_slow_link_makes_each_answer_late(lab: Lab, fault: Inject, until: Until, name: str, least: float) -> None:
    node = FAULTS[name].node
    with psycopg.connect(lab.layout.dsn(node, "opsportal_poll"), autocommit=True) as connection:
        fault(name)
        begun = monotonic()
        connection.execute("SELECT 1")
        assert least <= monotonic() - begun < 3
        heal(lab, name)
        begun = monotonic()
        connection.execute("SELECT 1")
        assert monotonic() - begun < least


def test_paused_replay_leaves_the_replica_behind_what_it_received(
    lab: Lab, client: Client, fault: Inject, until: Until
) -> None:
    behind = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint"
    until(lambda: postgres.streaming(lab.layout))  # what is paused while it does not stream asks for no stream
    fault("pause-replay")
    until(lambda: int(str(client.ask(behind, Node.REPLICA_1))) >= 65536)
    assert int(str(client.ask(behind, Node.REPLICA_2))) < 65536
    heal(lab, "pause-replay")
    until(lambda: int(str(client.ask(behind, Node.REPLICA_1))) < 65536)


@pytest.mark.parametrize("name", ["exhaust-pool", "crowd-servers"])
def test_an_exhausted_pool_makes_clients_wait(lab: Lab, client: Client, fault: Inject, until: Until, name: str) -> None:
    fault(name)
    until(lambda: client.pool()["cl_waiting"] > 10)
    assert client.pool()["sv_active"] == POOL_SIZE
    heal(lab, name)
    until(lambda: client.pool()["cl_waiting"] == 0)


def test_a_leak_keeps_server_connections_in_a_transaction(
    lab: Lab, client: Client, fault: Inject, until: Until
) -> None:
    leaked = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'culprit'"
    )
    fault("leak-connection")
    assert client.ask(leaked) == 3
    assert client.pool()["sv_active"] >= 3
    heal(lab, "leak-connection")
    until(lambda: client.ask(leaked) == 0)


@pytest.mark.parametrize(
    ("name", "query", "least"),
    [
        ("idle-in-transaction", "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'", 3),
        (
            "hold-lock",
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'conversation_message'::regclass",
            3,
        ),
        (
            "slow-queries",
            "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND application_name = 'culprit'",
            15,
        ),
        ("fill-connections", "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'", 88),
        ("inactive-slot", "SELECT count(*) FROM pg_replication_slots WHERE NOT active", 1),
        ("fill-default-partition", "SELECT count(*) FROM message_queue_default", 500),
        ("error-rate", "SELECT (NOT has_table_privilege('app', 'conversation_message', 'SELECT'))::int", 1),
        ("pending-restart", "SELECT count(*) FROM pg_settings WHERE pending_restart", 1),
    ],
)
def test_the_primary_shows_it_and_shows_it_no_more(
    lab: Lab, client: Client, fault: Inject, until: Until, name: str, query: str, least: int
) -> None:
    before = int(str(client.ask(query)))
    assert before < least
    fault(name)
    until(lambda: int(str(client.ask(query))) >= least)
    heal(lab, name)
    until(lambda: int(str(client.ask(query))) < least)


@pytest.mark.parametrize(("name", "counter"), [("deadlock", "deadlocks"), ("roll-back", "xact_rollback")])
def test_the_database_counts_it(lab: Lab, client: Client, fault: Inject, until: Until, name: str, counter: str) -> None:
    def count() -> int:
        return int(str(client.ask(f"SELECT sum({counter}) FROM pg_stat_database")))  # noqa: S608  our own words

    before = count()
    fault(name)
    until(lambda: count() > before)


def test_no_week_is_ahead_until_it_is_healed(lab: Lab, client: Client, fault: Inject) -> None:
    weeks = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'message_queue'::regclass"
    before = client.ask(weeks)
    fault("drop-future-partitions")
    assert client.ask(weeks) == int(str(before)) - 4
    heal(lab, "drop-future-partitions")
    assert client.ask(weeks) == before


def test_settings_of_a_replica_drift(lab: Lab, client: Client, fault: Inject, until: Until) -> None:
    fault("settings-drift")
    until(lambda: client.ask("SHOW work_mem", Node.REPLICA_2) == "1MB")
    heal(lab, "settings-drift")
    until(lambda: client.ask("SHOW work_mem", Node.REPLICA_2) == client.ask("SHOW work_mem"))


def test_a_disabled_pool_turns_new_clients_away(lab: Lab, fault: Inject) -> None:
    fault("disable-pool")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(lab.layout.dsn(Node.PGBOUNCER, "app"))
    heal(lab, "disable-pool")
    psycopg.connect(lab.layout.dsn(Node.PGBOUNCER, "app")).close()


@pytest.mark.parametrize(("name", "least_megabytes"), [("fill-redis", 230), ("flood-redis", 500)])
def test_redis_is_full(lab: Lab, client: Client, fault: Inject, name: str, least_megabytes: int) -> None:
    fault(name)
    assert client.redis("memory")["used_memory"] > least_megabytes * 1_000_000
    heal(lab, name)
    memory = client.redis("memory")
    assert memory["used_memory"] < 100_000_000
    assert memory["maxmemory"] == lab_redis.MEGABYTES * 1024 * 1024


def test_redis_evicts_and_goes_on_evicting(lab: Lab, client: Client, fault: Inject, until: Until) -> None:
    fault("evict-redis")
    evicted = client.redis("stats")["evicted_keys"]
    assert evicted > 10_000
    until(lambda: client.redis("stats")["evicted_keys"] > evicted)
    heal(lab, "evict-redis")
    assert client.redis("stats")["evicted_keys"] == 0
    assert client.redis("memory")["maxmemory"] == lab_redis.MEGABYTES * 1024 * 1024


def test_redis_that_cannot_save_refuses_writes(lab: Lab, client: Client, fault: Inject) -> None:
    fault("fail-save")
    with redis.Redis.from_url(lab.layout.redis_url(Node.REDIS, "app")) as application:
        with pytest.raises(redis.ResponseError, match="MISCONF"):
            application.set("cache:test", "x")
        heal(lab, "fail-save")
        assert application.set("cache:test", "x", ex=1)


def test_cached_entries_do_not_last(lab: Lab, fault: Inject, until: Until) -> None:
    with redis.Redis.from_url(lab.layout.redis_url(Node.REDIS, "app")) as application:
        fault("cold-cache")
        application.set("cache:test:1", "x")
        application.hset("cache:stats:test", "hits", 1)
        until(lambda: not application.exists("cache:test:1"))
        assert application.hget("cache:stats:test", "hits") == b"1"
        application.delete("cache:stats:test")


def test_a_greedy_key_is_refused_and_the_limits_go_back_to_what_they_were(
    lab: Lab, fault: Inject, until: Until
) -> None:
    before = load.current_switches(lab.layout)
    stats = f"ratelimit:stats:{keys.api_keys(keys.secret(lab.directory))[0].key_id}"
    with lab_redis.session(lab.layout) as client:
        client.delete(stats)
        fault("block-traffic")
        until(lambda: int(client.hget(stats, "blocked") or 0) > 20)
    heal(lab, "block-traffic")
    assert load.current_switches(lab.layout) == before


def test_injecting_twice_is_once_and_healing_twice_is_harmless(lab: Lab, client: Client, fault: Inject) -> None:
    assert faults.inject(lab.servers, "inactive-slot") is True
    assert faults.inject(lab.servers, "inactive-slot") is False
    assert list(faults.active(lab.servers)) == ["inactive-slot"]
    assert faults.heal(lab.servers, "inactive-slot") is True
    assert faults.heal(lab.servers, "inactive-slot") is False


@pytest.mark.parametrize(
    "name",
    [
        "cancel-reports",
        "demote-redis",
        "fail-archiving",
        "fail-save",
        "fill-default-partition",
        "fill-redis",
        "hold-lock",
        "neglected-partitions",
        "outgrown-slot",
        "pause-replay",
        "promote-replica-2",
        "stop-replica-2",
    ],
)
def test_a_fault_whose_injection_was_cut_short_is_healed_from_its_intent(
    lab: Lab, client: Client, fault: Inject, name: str
) -> None:
    fault(name)
    record = lab.layout.faults / f"{name}.json"
    record.write_text(json.dumps(json.loads(record.read_text(encoding="utf-8")) | {"record": {}}), encoding="utf-8")
    assert faults.heal_all(Lab(lab.directory).servers) == [name]  # as a later process does
    assert faults.active(lab.servers) == {}
    assert postgres.streaming(lab.layout)


def test_a_replica_that_lost_its_wal_while_a_slot_outgrew_its_limit_is_made_anew(
    lab: Lab, client: Client, fault: Inject, until: Until
) -> None:
    fault("outgrown-slot")
    fault("stop-replica-2")
    status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'replica_2'"

    def lost() -> bool:
        with postgres.connect(lab.layout, Node.PRIMARY) as primary:
            primary.execute("SELECT pg_logical_emit_message(true, 'test', 'x')")
            primary.execute("SELECT pg_switch_wal()")
            primary.execute("CHECKPOINT")
        return client.ask(status) == "lost"

    until(lost, 20)
    heal(lab, "stop-replica-2")
    heal(lab, "outgrown-slot")
    assert postgres.streaming(lab.layout)
    assert client.ask(status) == "reserved"
    assert client.ask("SHOW max_slot_wal_keep_size", Node.REPLICA_1) == "2GB"


def test_limits_go_back_to_what_they_were_though_whoever_changed_them_was_killed_at_it(
    lab: Lab, fault: Inject, until: Until
) -> None:
    load.set_switch(lab.layout, "limits", "enforce")
    words = f"from apps.lab import faults, tier; faults.inject(tier.Lab(tier.Path({str(lab.directory)!r})).servers, 'burst-traffic')"
    try:
        with subprocess.Popen([sys.executable, "-c", words], cwd=links.BASE) as process:
            until(lambda: load.current_switches(lab.layout).limits is Limits.MONITOR)
            process.kill()
        assert faults.heal_all(lab.servers) == ["burst-traffic"]
        assert load.current_switches(lab.layout).limits is Limits.ENFORCE
    finally:
        load.set_switch(lab.layout, "limits", "off")


def test_a_client_that_nobody_wrote_down_is_ended_too(lab: Lab, fault: Inject, until: Until) -> None:
    """Who started it was killed at that very moment."""
    words = [sys.executable, "-m", "apps.lab.culprit", str(lab.directory), "leak-connection"]
    with subprocess.Popen(words, cwd=links.BASE, stdout=subprocess.PIPE, text=True) as unrecorded:
        assert unrecorded.stdout
        assert unrecorded.stdout.readline() == "ready\n"
        faults.heal(lab.servers, "leak-connection")
        assert unrecorded.wait(5) == -signal.SIGKILL


def test_up_heals_whatever_is_in(lab: Lab, client: Client, fault: Inject) -> None:
    for name in ("freeze-replica-2", "stop-redis", "leak-connection", "inactive-slot", "slow-primary"):
        fault(name)
    lab.up()
    assert faults.active(lab.servers) == {}
    assert set(links.modes(lab.layout).values()) == {"pass"}
    assert {status.name for status in lab.status() if status.state != "up"} == set()
    assert client.ask("SELECT count(*) FROM pg_replication_slots WHERE NOT active") == 0


def test_an_unknown_fault_names_the_nearest(lab: Lab, fault: Inject) -> None:
    with pytest.raises(UnknownFault, match="stop-redis"):
        fault("stop-reddis")
