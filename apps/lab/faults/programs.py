"""Faults of the programs of the portal that runs on the lab: frozen, held up, cut off, and given too much to do."""

from datetime import timedelta
from functools import partial

from apps.lab.faults import culprits, portal
from apps.lab.faults.kinds import Fault, Record
from apps.lab.layout import Node
from apps.lab.servers import Servers

SHOWN = timedelta(minutes=10)  # polls are counted over so long
ONCE = timedelta(minutes=1)  # between two looks of the portal at its own processes and queue


def _freeze(program: str, servers: Servers) -> Record:
    portal.of(servers).program(program).freeze()
    return {}


def _thaw(program: str, servers: Servers, _: Record) -> None:
    if process := servers.find(program):
        process.thaw()


def _begin(deed: str, *programs: str) -> partial[Record]:
    return partial(_start, deed, programs)


def _start(deed: str, programs: tuple[str, ...], servers: Servers) -> Record:
    own = portal.of(servers)
    for program in programs:
        own.program(program)
    culprits.start(servers, deed)
    return {}


def _end(deed: str, servers: Servers, _: Record) -> None:
    culprits.stop(servers, deed)


def _end_stutter(servers: Servers, record: Record) -> None:
    _end("stutter-beat", servers, record)
    _thaw("beat", servers, record)


FAULTS = (
    Fault(
        "freeze-worker",
        "The portal's worker is stopped in its tracks: nobody polls. The web server and beat are those who notice.",
        Node.STORE,
        partial(_freeze, "worker"),
        partial(_thaw, "worker"),
        ("portal.silence", "portal.worker"),
        ONCE,
    ),
    Fault(
        "freeze-beat",
        "The portal's beat is stopped in its tracks: nobody orders polls. The web server is who notices.",
        Node.STORE,
        partial(_freeze, "beat"),
        partial(_thaw, "beat"),
        ("portal.silence", "portal.beat"),
        ONCE,
    ),
    Fault(
        "stutter-beat",
        "The portal's beat is frozen for two intervals out of four, as on a host that is too busy: some polls are ordered by nobody.",
        Node.STORE,
        _begin("stutter-beat", "beat"),
        _end_stutter,
        ("portal.missed_slots",),
        SHOWN,
    ),
    Fault(
        "cut-writes",
        "Every other poll loses its session with the portal's store while it writes: what it measured is not kept.",
        Node.STORE,
        _begin("cut-writes"),
        partial(_end, "cut-writes"),
        ("portal.store_writes",),
        SHOWN,
    ),
    Fault(
        "hang-worker",
        "A lock in the portal's store lets nobody claim a poll: the worker lives, hangs in it, and polls nothing.",
        Node.STORE,
        _begin("hang-worker"),
        partial(_end, "hang-worker"),
        ("portal.silence",),
        ONCE,
    ),
    Fault(
        "order-ahead",
        "A client orders tasks of the portal for later, six a second: the worker takes each ahead of its time and holds it.",
        Node.STORE_REDIS,
        _begin("order-ahead"),
        partial(_end, "order-ahead"),
        ("portal.queue_depth", "portal.queue_wait"),
        ONCE,
    ),
)
