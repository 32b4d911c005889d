"""The portal cannot tell: receivers of notices that take none, tables of its own that are held, log lines that get lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import redis
from cryptography.fernet import Fernet
from psycopg.types.json import Jsonb

from apps.lab import environment, postgres
from apps.lab.faults import culprits, portal
from apps.lab.faults.kinds import Fault, FaultImpossible, Record
from apps.lab.layout import HOST, RECEIVER, WEBHOOK_HOSTS, Node
from apps.lab.processes import NotStarted, until
from apps.lab.servers import Servers
from apps.metrics import damaged
from apps.telemetry.lines import DROPPED

SQL = Path(__file__).resolve().parents[1] / "sql"
WAITING, CHUNK, CHANGE = (
    (SQL / name).read_bytes() for name in ("wait_for_notices.sql", "last_chunk.sql", "damage_chunk.sql")
)
TIER, CHANNEL, METRIC = "lab", "lab fault", "portal.polling.silent_seconds"
UNDONE = (
    b"DELETE FROM metrics_delivery WHERE channel_id IN (SELECT id FROM metrics_channel WHERE name = %s)",
    b"DELETE FROM metrics_channel WHERE name = %s",
)
HELD_UP, GIVEN_UP = 60, 3
DEAF, GONE, HOLD, FLOOD, DAMAGE = "deaf-receiver", "gone-receiver", "hold-portal-tables", "flood-log", "damage-history"
TELEMETRY = 2  # the database of the portal's Redis that has lines and figures
SENT_WITHIN = 30.0  # seconds


def _database(servers: Servers) -> Record:
    return {"database": portal.of(servers).database}


def _there(servers: Servers, name: str) -> bool:
    with postgres.connect(servers.layout, Node.STORE) as store:
        return store.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _tell(deed: str, count: int, groups: int, servers: Servers) -> Record:
    """Start the receiver, then put notices into the outbox as the portal does."""
    layout = servers.layout
    where = f"{HOST}:{layout.ports.get(RECEIVER)}"
    if where not in environment.kept(layout.run).get(WEBHOOK_HOSTS, "").split(","):
        raise FaultImpossible(f"The portal that runs on this lab may not post to {where}. Start `make demo` anew.")
    values = {
        "tier": TIER,
        "name": CHANNEL,
        "target": Fernet(layout.keys["field"]).encrypt(f"http://{where}/".encode()).decode(),
        "shown": where,
        "message": Jsonb(_message()),
        "count": count,
        "groups": groups,
    }
    culprits.start(servers, deed)
    with portal.of(servers).store() as store:
        if store.execute(WAITING, values).fetchone() is None:
            raise FaultImpossible("The portal does not watch this lab yet, or knows nobody. `make demo` sees to both.")
    return {}


def _message() -> dict[str, Any]:
    """A test, as a channel is sent one."""
    from apps.metrics.announce import Change, message, news  # noqa: PLC0415  it needs the models, which are not loaded yet
    from apps.metrics.kernel import State  # noqa: PLC0415
    from apps.metrics.models import Tier  # noqa: PLC0415

    at = datetime.now(UTC)
    told = news("A test of the lab: its receiver is broken on purpose", State.PASS, "", at, Change.TEST)
    return message(Tier(slug=TIER, name="Lab"), "", at, [told])


def _tell_no_more(deed: str, servers: Servers, record: Record) -> None:
    culprits.stop(servers, deed)
    if "database" in record and _there(servers, record["database"]):
        with portal.connect(servers, record["database"]) as store:
            for statement in UNDONE:
                store.execute(statement, [CHANNEL])


def _hold(servers: Servers) -> Record:
    culprits.start(servers, HOLD)
    return {}


def _let_go(servers: Servers, _: Record) -> None:
    culprits.stop(servers, HOLD)


@contextmanager
def _telemetry(servers: Servers) -> Iterator["redis.Redis"]:
    url = servers.layout.redis_url(Node.STORE_REDIS, "opsportal", direct=True)
    with redis.Redis.from_url(f"{url}/{TELEMETRY}", socket_timeout=10, decode_responses=True) as client:
        yield client


def _dropped(servers: Servers) -> dict[str, int]:
    """By the hour, how many lines were lost in it."""
    with _telemetry(servers) as client:
        return {key: int(cast(str, client.get(key)) or 0) for key in client.scan_iter(f"{DROPPED}:*", 1000)}


def _known_losses(servers: Servers) -> Record:
    portal.of(servers)
    return {"dropped": _dropped(servers)}


def _flood(servers: Servers) -> Record:
    """Redis is frozen until a program of the portal has said too much, and answers again to hear of it."""
    before, process = sum(_dropped(servers).values()), servers.find(Node.STORE_REDIS)
    if process is None:
        raise FaultImpossible("The portal's Redis does not run in this lab. `make demo` starts it.")
    process.freeze()
    try:
        culprits.start(servers, FLOOD)
    finally:
        process.thaw()
    if not until(lambda: sum(_dropped(servers).values()) > before, SENT_WITHIN, 0.2):
        raise NotStarted(f"Nothing was said to be lost within {SENT_WITHIN:.0f} s.")
    culprits.stop(servers, FLOOD)
    return {}


def _dry(servers: Servers, record: Record) -> None:
    """The counts are what they were, or they would tell of it for two hours."""
    culprits.stop(servers, FLOOD)
    if process := servers.find(Node.STORE_REDIS):
        process.thaw()
    known: Mapping[str, int] | None = record.get("dropped")
    if known is None:
        return
    with _telemetry(servers) as client:
        for key in _dropped(servers):
            if key in known:
                client.set(key, known[key], keepttl=True)
            else:
                client.unlink(key)


def _chunk(servers: Servers) -> Record:
    found = portal.of(servers)
    with found.store() as store:
        row = store.execute(CHUNK, {"tier": TIER, "metric": METRIC}).fetchone()
    if row is None:
        raise FaultImpossible("No hour of the lab's history is sealed yet. One is ten minutes after its end.")
    series, start, packed = row
    return {"database": found.database, "series": series, "start": start.isoformat(), "packed": packed.hex()}


def _changed(packed: bytes) -> bytes:
    return packed[:-9] + bytes([packed[-9] ^ 16]) + packed[-8:]


def _change(servers: Servers, record: Record, *, back: bool) -> None:
    whole = bytes.fromhex(record["packed"])
    before, after = (_changed(whole), whole) if back else (whole, _changed(whole))
    values = {"series": record["series"], "start": record["start"], "before": before, "after": after}
    with portal.connect(servers, record["database"]) as store:
        store.execute(CHANGE, values)


def _damage(servers: Servers) -> Record:
    """What is remembered is of the same chunk, unless an hour was sealed within this moment."""
    record = _chunk(servers)
    _change(servers, record, back=False)
    culprits.start(servers, DAMAGE)
    culprits.stop(servers, DAMAGE)
    return record


def _repair(servers: Servers, record: Record) -> None:
    """Where the chunk began anew meanwhile it stays so. That it was come upon is forgotten, or it would be told for a day."""
    culprits.stop(servers, DAMAGE)
    if "packed" not in record:
        return
    if _there(servers, record["database"]):
        _change(servers, record, back=True)
    with _telemetry(servers) as client:
        client.zrem(damaged.KEY, damaged.name_of(_changed(bytes.fromhex(record["packed"]))))


FAULTS = (
    Fault(
        DEAF,
        "A channel's receiver takes connections and never answers: sixty notices wait behind the first one.",
        Node.STORE,
        partial(_tell, DEAF, HELD_UP, 1),
        partial(_tell_no_more, DEAF),
        ("portal.outbox_backlog", "portal.outbox_age"),
        timedelta(minutes=6),
        remember=_database,
    ),
    Fault(
        GONE,
        "A channel's receiver says that it is gone for good: three notices are given up.",
        Node.STORE,
        partial(_tell, GONE, GIVEN_UP, GIVEN_UP),
        partial(_tell_no_more, GONE),
        ("portal.outbox_given_up",),
        timedelta(minutes=1),
        remember=_database,
    ),
    Fault(
        HOLD,
        "A client locks tables of the portal's store for half a second, again and again: much of what it asks is slow.",
        Node.STORE,
        _hold,
        _let_go,
        ("portal.own_queries",),
        timedelta(minutes=10),
        remember=_database,
    ),
    Fault(
        FLOOD,
        "The portal's Redis was frozen while one of its programs wrote more log lines than are kept for that time.",
        Node.STORE_REDIS,
        _flood,
        _dry,
        ("portal.log_dropped",),
        timedelta(minutes=1),
        remember=_known_losses,
    ),
    Fault(
        DAMAGE,
        "A byte of a chunk of history is another than was written, and somebody draws a chart of that time.",
        Node.STORE,
        _damage,
        _repair,
        ("portal.history_damaged",),
        timedelta(minutes=1),
        remember=_chunk,
    ),
)
