"""A demo as a person runs it: in a terminal of its own, seen only through what it prints, writes and serves."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.lab.layout import PORTS, free_ports
from apps.lab.processes import Process, Roster, until

PROJECT = Path(__file__).resolve().parents[2]
READY_WITHIN, GONE_WITHIN = 180, 60  # seconds, on a machine that does other things besides
ROWS = "2000"


def command(directory: Path, port: int, *words: str) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of `manage.py demo` for a lab directory."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", PORTS) if name in os.environ}
    return [sys.executable, "manage.py", "demo", "--rows", ROWS, *words], {
        **kept,
        "OPSPORTAL_LAB_DIR": str(directory),
        "PORT": str(port),
    }


def born(pid: int) -> tuple[int, str]:
    """A process that is never mistaken for another: its id and the moment of its birth."""
    return pid, Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]


def family(pids: set[int]) -> set[tuple[int, str]]:
    """These processes and all their descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    members = set()
    for pid in found:
        with suppress(OSError):
            members.add(born(pid))
    return members


def alive(members: set[tuple[int, str]]) -> list[str]:
    """The command lines of those that still run."""
    left = []
    for pid, birth in members:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            if born(pid)[1] == birth and state != "Z":
                left.append(Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " "))
    return left


@dataclass
class RunningDemo:
    """One start of the demo in `directory`; `printed` is what its terminal shows so far."""

    directory: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    printed: str = ""

    def start(self) -> "RunningDemo":
        """Start it in a new terminal and wait until its address is written."""
        self.terminal, there = pty.openpty()
        argv, environment = command(self.directory, self.port)
        # A shell that makes this its terminal, as a person's does: Ctrl-C and hanging up then reach the whole group.
        takes_terminal = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
        )
        self.child = subprocess.Popen(
            [sys.executable, "-c", takes_terminal, *argv],
            cwd=PROJECT,
            env=environment,
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        )
        os.close(there)
        self.hung_up = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        until(lambda: "Logs are in" in self.printed or self.child.poll() is not None, READY_WITHIN)
        if "Logs are in" not in self.printed:
            self.stop()
            raise AssertionError(f"The demo did not get ready within {READY_WITHIN} s:\n{self.printed}")
        return self

    def _read(self) -> None:
        with suppress(OSError):
            while not self.hung_up.is_set():
                if select.select([self.terminal], [], [], 0.1)[0]:
                    self.printed += os.read(self.terminal, 4096).decode(errors="replace")

    @property
    def facts(self) -> dict[str, Any]:
        """What `.lab/demo.json` says."""
        return dict(json.loads((self.directory / "demo.json").read_text(encoding="utf-8")))

    def find(self, name: str) -> Process | None:
        """A process of the demo by name."""
        return Roster(self.directory / "run").find(name)

    def everything(self) -> set[tuple[int, str]]:
        """Every process that belongs to the demo, servers and their children included."""
        return family({self.child.pid, *(process.pid for process in Roster(self.directory / "run").living().values())})

    def press_ctrl_c(self) -> None:
        """As the terminal does it."""
        os.write(self.terminal, b"\x03")

    def hang_up(self) -> None:
        """Close the terminal's window. Nobody may be reading from it, or it would stay open."""
        self.hung_up.set()
        self.reader.join()
        os.close(self.terminal)

    def ended(self) -> int:
        """Wait for its end; its exit status."""
        return self.child.wait(timeout=GONE_WITHIN)

    def kill(self) -> None:
        """Without any chance to clean up."""
        self.child.kill()
        self.ended()

    def stop(self) -> None:
        """End it if it still runs."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.ended()
