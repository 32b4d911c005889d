"""Orders to the proxy process: how a link between two programs behaves from now on."""

import json
import os
import socket
import sys
from pathlib import Path

from apps.lab.layout import HOST, REPLICATION, WATCHED, Layout, Node
from apps.lab.processes import Process, Roster, bare_environment, write_private
from apps.lab.proxy import Mode

PROXY = "proxy"
BASE = Path(__file__).resolve().parents[2]


class ProxyFailed(RuntimeError):
    """The proxy refused an order or did not answer."""


def links_of(node: str) -> tuple[str, ...]:
    """Every link that ends at this node: its face, and a replica's stream from the primary."""
    return (node, REPLICATION[Node(node)]) if node in REPLICATION else (node,)


def python_environment() -> dict[str, str]:
    """What a Python process of the lab inherits: enough to import this code, no secret."""
    return bare_environment({"PYTHONPATH": str(BASE), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"})


def start(layout: Layout, roster: Roster) -> Process:
    """Start the proxy with all links passing; raises NotStarted with the end of its log."""
    folder = layout.folder(PROXY)
    links: dict[str, tuple[int, int]] = {node: (layout.faces[node], layout.ports[node]) for node in WATCHED}
    links |= {link: (layout.faces[link], layout.ports[Node.PRIMARY]) for link in REPLICATION.values()}
    plan = {"host": HOST, "links": links, "control": str(folder / "control"), "user": layout.user}
    write_private(folder / "links.json", json.dumps(plan), layout.user)
    process = roster.start(
        PROXY,
        [sys.executable, "-m", "apps.lab.proxy", folder / "links.json"],
        log=layout.logs / f"{PROXY}.log",
        cwd=BASE,
        env=python_environment(),
    )
    roster.await_ready(process, lambda: answers(layout))
    return process


def ask(layout: Layout, line: str) -> str:
    """Send one order and return the answer's line; raises ProxyFailed."""
    control = os.fspath(layout.folder(PROXY) / "control")
    try:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(5)
            caller.connect(control)
            caller.sendall(f"{line}\n".encode())
            answer = caller.makefile(encoding="utf-8").readline().strip()
    except OSError as error:
        raise ProxyFailed(f"The proxy does not answer ({error}). `manage.py lab up` starts it.") from error
    if not answer or answer.startswith("error"):
        raise ProxyFailed(f"The proxy refused `{line}`: {answer or 'it hung up'}.")
    return answer


def answers(layout: Layout) -> bool:
    """Whether the proxy takes orders."""
    try:
        ask(layout, "status")
    except ProxyFailed:
        return False
    return True


def put(layout: Layout, link: str, mode: Mode, number: float = 0) -> None:
    """Change how a link behaves; `number` is milliseconds for DELAY, bytes per second for TRICKLE."""
    ask(layout, f"{link} {mode} {number}")


def modes(layout: Layout) -> dict[str, str]:
    """The present mode of every link."""
    return {name: link["mode"] for name, link in json.loads(ask(layout, "status")).items()}
