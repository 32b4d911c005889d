"""The demo's address: whether a port is free on both loopback addresses, and who has it when it is not."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

from apps.lab.processes import everybody

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}  # this machine has no such address


class PortTaken(RuntimeError):
    """Somebody listens on the port already; the message says who it might be and how to choose another."""


def bindings(port: int) -> list[str]:
    """The `host:port` words to listen on, so that the name `localhost` works whichever way it resolves.

    Raises PortTaken when one of them is taken.
    """
    free = []
    for family, host in LOOPBACKS:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno in ABSENT:
                continue
            raise PortTaken(_explain(port, error)) from error
        free.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    return free


def _explain(port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"Port {port} may only be used by root. Choose one above 1023: make demo PORT=8001"
    holder = _holder(port)
    who = f"{holder} has it" if holder else "another program has it"
    return f"Port {port} is taken: {who}. Nothing was started. Stop that program, or choose another port: make demo PORT={port + 1}"


def _holder(port: int) -> str:
    """Name and id of the process that listens on a port, as far as Linux tells us; empty where it does not."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text(encoding="ascii").splitlines()[1:]]
        except OSError:
            return ""
        sockets |= {
            f"socket:[{row[9]}]" for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port
        }
    for process in everybody():
        with suppress(OSError):  # not ours to look at, or gone meanwhile
            if any(_what(descriptor) in sockets for descriptor in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8").strip()
                return f"{name} (process {process.name})"
    return ""


def _what(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # closed meanwhile
        return ""
