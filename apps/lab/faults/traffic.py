"""Keys that ask too often, and an application that may not log in to its database."""

from functools import partial

from apps.lab import keys, load, redis
from apps.lab.faults import culprits
from apps.lab.faults.kinds import Fault, Record
from apps.lab.faults.states import pool, run
from apps.lab.layout import Node
from apps.lab.servers import Servers
from apps.lab.switches import Limits
from apps.ratelimits.limiter import Tier


def _limits(servers: Servers) -> Record:
    return {"limits": load.current_switches(servers.layout).limits}


def _ask_too_often(limits: Limits, deed: str, servers: Servers) -> Record:
    load.set_switch(servers.layout, "limits", limits)
    culprits.start(servers, deed)
    return {}


def _ask_no_more(deed: str, servers: Servers, record: Record) -> None:
    culprits.stop(servers, deed)
    if "limits" in record:
        load.set_switch(servers.layout, "limits", record["limits"])


def _use_up(servers: Servers) -> Record:
    return _ask_too_often(Limits.MONITOR, "burst-traffic", servers)


def _give_back(servers: Servers, record: Record) -> None:
    """Their windows are emptied, or these keys would be near their limits for another minute."""
    _ask_no_more("burst-traffic", servers, record)
    free = (key.key_id for key in keys.api_keys(keys.secret(servers.directory)) if key.tier == Tier.FREE)
    with redis.session(servers.layout) as client:
        client.unlink(*(f"ratelimit:{key_id}" for key_id in free))


def _lock_out(servers: Servers) -> Record:
    run(servers, Node.PRIMARY, "ALTER ROLE app NOLOGIN")
    pool("DISABLE messaging", servers)  # its servers are logged in already
    servers.stop(Node.APP)
    servers.start(Node.APP)
    return {}


def _readmit(servers: Servers, _: Record) -> None:
    run(servers, Node.PRIMARY, "ALTER ROLE app LOGIN")
    pool("ENABLE messaging", servers)
    servers.start(Node.APP)


FAULTS = (
    Fault(
        "block-traffic",
        "Limits are enforced and one Free key asks twenty times a second: nearly all of it is refused.",
        Node.APP,
        partial(_ask_too_often, Limits.ENFORCE, "block-traffic"),
        partial(_ask_no_more, "block-traffic"),
        ("ratelimits.blocked", "ratelimits.blocked_tier"),
        remember=_limits,
    ),
    Fault(
        "greedy-traffic",
        "Limits are counted only, and one Free key asks twenty times a second: enforcing them would refuse it.",
        Node.APP,
        partial(_ask_too_often, Limits.MONITOR, "greedy-traffic"),
        partial(_ask_no_more, "greedy-traffic"),
        ("ratelimits.shadow_blocked", "ratelimits.enforced"),
        remember=_limits,
    ),
    Fault(
        "burst-traffic",
        "Limits are counted only, and every Free key uses up its limit and its burst each minute.",
        Node.APP,
        _use_up,
        _give_back,
        ("ratelimits.burst", "ratelimits.near_limit"),
        remember=_limits,
    ),
    Fault(
        "lock-out-app",
        "The application was started anew and may not log in to its database: its query monitor has counted nothing.",
        Node.APP,
        _lock_out,
        _readmit,
        ("app.query_monitor", "app.health"),
    ),
)
