"""Starting the application in a lab and asking whether it answers."""

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from apps.lab.layout import HOST, Layout, Node
from apps.lab.processes import Process, Roster, bare_environment, give

_PROJECT = Path(__file__).resolve().parents[3]


def start(layout: Layout, roster: Roster) -> Process:
    """Start the application and wait until it answers; raises NotStarted with the end of its log.

    It answers whatever became of the tier behind it, so it may be started before or after the servers.
    """
    folder = layout.folder(Node.APP)
    folder.mkdir(parents=True, exist_ok=True)
    give(folder, layout.user, 0o700)
    process = roster.start(
        Node.APP,
        [sys.executable, "-m", "apps.lab.application.serve", layout.directory],
        log=layout.logs / f"{Node.APP}.log",
        cwd=folder,  # not the clone: it may be in a closed home, where the servers' user has no working directory
        env=bare_environment({"PYTHONPATH": str(_PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}),
    )
    roster.await_ready(process, lambda: answers(layout))
    return process


def answers(layout: Layout) -> bool:
    """Whether the application itself answers, past the proxy, whatever it says of its parts."""
    connection = HTTPConnection(HOST, layout.port(Node.APP, direct=True), timeout=5)
    try:
        connection.request("GET", "/metrics/app")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
