"""Faults that live in a background client: a recorded process of its own, `python -m apps.lab.culprit`."""

import sys

from apps.lab import links
from apps.lab.processes import NotStarted, end_unrecorded, until
from apps.lab.servers import Servers

PREFIX = "culprit-"
READY = "ready"


def start(servers: Servers, deed: str, seconds: float = 60) -> None:
    """Start the client and wait until it says that its deed is done; raises NotStarted with its last words."""
    layout, name = servers.layout, f"{PREFIX}{deed}"
    stop(servers, deed)
    log = layout.logs / f"{name}.log"
    log.unlink(missing_ok=True)
    process = servers.roster.start(
        name,
        [sys.executable, *_words(servers, deed)],
        log=log,
        cwd=links.BASE,
        env=links.python_environment(),
    )
    until(lambda: not process.alive or process.tail(1) == READY, seconds, 0.05)
    if not process.alive or process.tail(1) != READY:
        servers.stop(name)
        words = process.tail() or "nothing; does another fault keep it from its server?"
        raise NotStarted(f"The client of {deed} did not get its way. Its log, {log}, ends with:\n{words}")


def stop(servers: Servers, deed: str) -> None:
    """End the client; its sessions end with it."""
    servers.stop(f"{PREFIX}{deed}")
    end_unrecorded(*_words(servers, deed))


def _words(servers: Servers, deed: str) -> tuple[str, ...]:
    return "-m", "apps.lab.culprit", str(servers.layout.directory), deed
