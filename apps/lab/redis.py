"""The lab's Redis servers: the watched one with three logins and a memory limit, and the portal's own."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from apps.lab.binaries import Binaries
from apps.lab.layout import HOST, Layout, Node
from apps.lab.processes import Process, Roster, write_private

SELECTORS_SINCE = 7
MEGABYTES = 256
SAVE = "300 100"  # a snapshot after so many seconds, if so many keys changed
FAULT_KEYS = "lab:fault:"  # written by faults, removed when they are healed
CONFIGURATION = """bind {host}
protected-mode yes
port {port}
dir {folder}
aclfile {folder}/users.acl
appendonly yes
appendfsync everysec
save {save}
slowlog-log-slower-than 10000
latency-monitor-threshold 100
{memory}
"""
# Entries may be evicted to keep the application going; the portal's own Redis holds its queue and must refuse instead.
WATCHED_MEMORY = f"maxmemory {MEGABYTES}mb\nmaxmemory-policy allkeys-lru"
STORE_MEMORY = f"maxmemory {MEGABYTES}mb\nmaxmemory-policy noeviction"
LOOK = (
    "+info +ping +dbsize +slowlog|get +slowlog|len +config|get +latency|latest +latency|history +client|list +client|setname "
    "+client|id +memory|usage +memory|stats +scan +type +ttl +pttl +exists +select"
)
LOOK_AT_LIMITS = "+hgetall +hget +hmget +hlen +zrange +zcard +get"


def _access(layout: Layout, node: str, version: int) -> str:
    def login(service: str, name: str, rules: str) -> str:
        digest = hashlib.sha256(layout.password(service, name).encode()).hexdigest()
        return f"user {name} on #{digest} {rules}\n"

    nobody = "user default off\n"
    if node == Node.STORE_REDIS:
        return nobody + login("store-redis", "opsportal", "~* &* +@all")
    if version < SELECTORS_SINCE:
        poll = f"~* -@all {LOOK} {LOOK_AT_LIMITS}"
    else:
        poll = f"%R~* -@all {LOOK} (%R~ratelimit:* %R~cache:stats:* -@all {LOOK_AT_LIMITS})"
    everyday = "~* &* +@all -@admin -@dangerous +info +keys"
    return (
        nobody
        + login("redis", "lab", "~* &* +@all")
        + login("redis", "app", everyday)
        + login("redis", "opsportal_poll", poll)
    )


def start(layout: Layout, binaries: Binaries, roster: Roster, node: str) -> Process:
    """Start a Redis server and wait until it answers; raises NotStarted with the end of its log."""
    folder = layout.folder(node)
    text = CONFIGURATION.format(
        host=HOST,
        port=layout.port(node, direct=True),
        folder=folder,
        save=SAVE,
        memory=STORE_MEMORY if node == Node.STORE_REDIS else WATCHED_MEMORY,
    )
    write_private(folder / "redis.conf", text, layout.user)
    write_private(folder / "users.acl", _access(layout, node, binaries.redis_version), layout.user)
    process = roster.start(
        node,
        [binaries.redis, folder / "redis.conf"],
        log=layout.logs / f"{node}.log",
        cwd=folder,
        user=layout.user,
    )
    roster.await_ready(process, lambda: answers(layout, node), 60)
    return process


@contextmanager
def session(layout: Layout, node: str = Node.REDIS) -> Iterator["redis.Redis"]:
    """A client with all rights on a server itself, past the proxy."""
    login = "opsportal" if node == Node.STORE_REDIS else "lab"
    url = layout.redis_url(node, login, direct=True)
    client = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=2, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


def answers(layout: Layout, node: str) -> bool:
    """Whether the server answers PING: it has loaded its data."""
    with session(layout, node) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
