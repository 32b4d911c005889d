"""Redis short of memory or of connections, unable to save, or no master any more."""

from datetime import timedelta
from functools import partial

from apps.lab import redis
from apps.lab.faults import culprits
from apps.lab.faults.kinds import Fault, Record
from apps.lab.layout import Node
from apps.lab.processes import NotStarted, until
from apps.lab.servers import Servers

MEGABYTE = 1024 * 1024
CHUNK = 8 * MEGABYTE
SPARE = 4 * MEGABYTE
CLIENTS, USUAL_CLIENTS = 200, 10_000
UNSAVED = f"{redis.FAULT_KEYS}unsaved"
ENTRIES, ENTRY_BYTES = 100_000, 1000
NOBODY = ("127.0.0.1", 1)  # where no server listens, so that nothing is ever copied from it
# Done within Redis, a piece a call: written as many commands it takes ten times as long. ARGV: first, last, every, bytes
WRITE = "for n = ARGV[1], ARGV[2] do redis.call('SET', KEYS[1] .. n, string.rep('x', ARGV[4])) end"
THIN_OUT = "for n = ARGV[1], ARGV[2] do if n % ARGV[3] ~= 0 then redis.call('UNLINK', KEYS[1] .. n) end end"


def _fill(limit_megabytes: int, share: float, servers: Servers) -> Record:
    with redis.session(servers.layout) as client:
        client.config_set("maxmemory", f"{limit_megabytes}mb")
        room = int(limit_megabytes * MEGABYTE * share) - int(client.info("memory")["used_memory"])
        for number in range(max(0, room // CHUNK)):
            client.setrange(f"{redis.FAULT_KEYS}{number}", CHUNK - 1, "x")
    return {}


def _squeeze(servers: Servers) -> Record:
    with redis.session(servers.layout) as client:
        client.config_resetstat()
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + SPARE)
    culprits.start(servers, "evict-redis")
    return {}


def _release(servers: Servers, _: Record) -> None:
    culprits.stop(servers, "evict-redis")
    with redis.session(servers.layout) as client:
        client.config_set("maxmemory", f"{redis.MEGABYTES}mb")
        for keys in _batches(list(client.scan_iter(f"{redis.FAULT_KEYS}*", 1000))):
            client.unlink(*keys)
        client.config_resetstat()
        client.memory_purge()
        until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"], 20)
        client.bgrewriteaof()  # or each later start would write and evict all of it once more
        until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 20)


def _batches(keys: list[str], size: int = 1000) -> list[list[str]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _forbid_saving(servers: Servers) -> Record:
    servers.layout.folder(Node.REDIS).chmod(0o500)
    with redis.session(servers.layout) as client:
        client.set(UNSAVED, "x")
        client.bgsave()
        if not until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 10):
            raise NotStarted("Redis still saves though its folder is closed to it.")
        client.config_set("save", "1 1")
    return {}


def _allow_saving(servers: Servers, _: Record) -> None:
    servers.layout.folder(Node.REDIS).chmod(0o700)
    with redis.session(servers.layout) as client:
        client.config_set("save", redis.SAVE)
        until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"], 10)
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok", 10)
        client.unlink(UNSAVED)


def _crowd(servers: Servers) -> Record:
    with redis.session(servers.layout) as client:
        before = client.config_get("maxclients")["maxclients"]
        client.config_set("maxclients", CLIENTS)
    culprits.start(servers, "crowd-redis")
    return {"maxclients": before}


def _let_in(servers: Servers, record: Record) -> None:
    culprits.stop(servers, "crowd-redis")
    with redis.session(servers.layout) as client:
        client.config_set("maxclients", record.get("maxclients", USUAL_CLIENTS))


def _fragment(servers: Servers) -> Record:
    step = ENTRIES // 20
    with redis.session(servers.layout) as client:
        for script in (WRITE, THIN_OUT):
            for first in range(0, ENTRIES, step):
                client.eval(script, 1, redis.FAULT_KEYS, first, first + step - 1, 4, ENTRY_BYTES)
    return {}


def _demote(servers: Servers) -> Record:
    with redis.session(servers.layout) as client:
        client.replicaof(*NOBODY)
    return {}


def _promote(servers: Servers, _: Record) -> None:
    with redis.session(servers.layout) as client:
        client.replicaof("NO", "ONE")


FAULTS = (
    Fault(
        "fill-redis",
        f"Large entries fill Redis to 95 % of its {redis.MEGABYTES} MB.",
        Node.REDIS,
        partial(_fill, redis.MEGABYTES, 0.95),
        _release,
        (
            "cache.memory",
            "cache.memory_health",
        ),
    ),
    Fault(
        "flood-redis",
        "The memory limit of Redis was raised and more than 500 MB are used.",
        Node.REDIS,
        partial(_fill, 640, 0.85),
        _release,
        ("cache.memory_health",),
    ),
    Fault(
        "evict-redis",
        "The memory limit of Redis was lowered to what it uses; each write evicts, more than 10,000 at once and then steadily.",
        Node.REDIS,
        _squeeze,
        _release,
        (
            "cache.evictions",
            "cache.evictions_health",
        ),
    ),
    Fault(
        "fail-save",
        "Redis may not write to its folder: the last save failed, the next is overdue, and it refuses writes.",
        Node.REDIS,
        _forbid_saving,
        _allow_saving,
        (
            "cache.save_failed",
            "cache.last_save",
        ),
        timedelta(minutes=5),
    ),
    Fault(
        "crowd-redis",
        f"Redis allows {CLIENTS} clients: idle ones take nine tenths of them, and once a second more come than it lets in.",
        Node.REDIS,
        _crowd,
        _let_in,
        (
            "cache.clients",
            "cache.rejected",
        ),
    ),
    Fault(
        "fragment-redis",
        f"Of {ENTRIES:,} small entries three in four were removed again: Redis keeps the memory of all of them.",
        Node.REDIS,
        _fragment,
        _release,
        ("cache.fragmentation",),
    ),
    Fault(
        "demote-redis",
        "Redis was made the replica of a server that does not answer: it refuses writes.",
        Node.REDIS,
        _demote,
        _promote,
        (
            "cache.role",
            "cache.replica_link",
        ),
    ),
)
