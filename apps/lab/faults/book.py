"""The list of faults, and the record of those under way: a file each, so that any later process can heal them."""

import json
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from difflib import get_close_matches

from apps.lab import links, postgres
from apps.lab.faults import memory, network, pooling, replication, sessions, states, stopping, telling, traffic, upkeep
from apps.lab.faults.culprits import PREFIX
from apps.lab.faults.kinds import Fault
from apps.lab.layout import REPLICAS, Node
from apps.lab.processes import write_private
from apps.lab.proxy import Mode
from apps.lab.servers import Servers

KINDS = (stopping, network, replication, sessions, states, upkeep, memory, pooling, traffic, telling)
FAULTS: dict[str, Fault] = {fault.name: fault for kind in KINDS for fault in kind.FAULTS}


class UnknownFault(LookupError):
    """There is no fault of this name; the message names the nearest."""


def named(name: str) -> Fault:
    """The fault of this name; raises UnknownFault."""
    if name in FAULTS:
        return FAULTS[name]
    near = get_close_matches(name, FAULTS, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`manage.py lab faults` lists them."
    raise UnknownFault(f"There is no fault {name!r}. {hint}")


def active(servers: Servers) -> dict[str, datetime]:
    """Faults under way, with the time they were put in."""
    found = {}
    for path in sorted((servers.directory / "faults").glob("*.json")):
        with suppress(FileNotFoundError):  # healed meanwhile
            found[path.stem] = datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["at"])
    return found


def inject(servers: Servers, name: str) -> bool:
    """Put a fault in; False when it is in already. The intent is written before the effect.

    Raises UnknownFault, FaultImpossible, and what the servers say when they refuse.
    """
    fault = named(name)
    path = servers.layout.faults / f"{name}.json"
    if path.exists():
        return False
    known = dict(fault.remember(servers))
    note = {"at": datetime.now(UTC).isoformat(), "record": known}
    write_private(path, json.dumps(note))
    with ExitStack() as undo:
        undo.callback(path.unlink)
        undo.callback(fault.heal, servers, known)
        record = fault.inject(servers)
        undo.pop_all()
    write_private(path, json.dumps(note | {"record": known | dict(record)}))
    return True


def heal(servers: Servers, name: str) -> bool:
    """Undo a fault; False when it was not in. What it left is removed all the same.

    When no fault is in any more, it waits until both replicas stream; raises NotStarted when they do not.
    """
    fault = named(name)
    path = servers.layout.faults / f"{name}.json"
    there = path.exists()
    record = json.loads(path.read_text(encoding="utf-8"))["record"] if there else {}
    fault.heal(servers, record)
    path.unlink(missing_ok=True)
    if not active(servers) and all(servers.find(node) for node in (Node.PRIMARY, *REPLICAS)):
        postgres.await_streaming(servers.layout)
    return there


def heal_all(servers: Servers) -> list[str]:
    """Undo every fault that is in, the latest first; one that cannot be healed does not keep the others in. Returns their names."""
    since = active(servers)
    names = sorted((name for name in since if name in FAULTS), key=since.__getitem__)
    with ExitStack() as healing:
        for name in names:
            healing.callback(heal, servers, name)
    return names[::-1]


def calm(servers: Servers) -> None:
    """Make servers startable again: end the culprits, thaw what is frozen, let every link pass. Records stay, for `heal_all`."""
    if not active(servers):
        return
    for name, process in servers.roster.living().items():
        if name.startswith(PREFIX):
            servers.stop(name)
        elif process.frozen:
            process.thaw()
    if servers.find(links.PROXY):
        for link, mode in links.modes(servers.layout).items():
            if mode != Mode.PASS:
                links.put(servers.layout, link, Mode.PASS)
