"""Keeps the portal's own programs running: starts them, notices when one dies, starts it again after a growing pause."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from apps.lab.processes import CHILDREN, Process, Roster
from apps.lab.servers import Say

FIRST_PAUSE = timedelta(seconds=3)
LONGEST_PAUSE = timedelta(seconds=30)
STEADY = timedelta(minutes=1)  # who ran this long begins with the first pause again


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the portal: its name in the roster and of its log, and how it is started. No secret belongs in `argv`."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


@dataclass(slots=True)
class Watched:
    """A program as the supervisor knows it now; times are of the monotonic clock, in seconds."""

    program: Program
    process: Process | None = None
    started_at: float = 0.0
    pause: timedelta = FIRST_PAUSE
    due_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Starts programs and keeps them running; `say` is told of each death and each new start, a line each."""

    roster: Roster
    logs: Path
    say: Say
    clock: Callable[[], float] = time.monotonic
    watched: list[Watched] = field(default_factory=list)

    def start(self, program: Program) -> Process:
        """Start a program and watch over it from now on."""
        entry = Watched(program)
        self.watched.append(entry)
        return self._start(entry)

    def look(self) -> None:
        """Look at every program once: say which died, start those whose pause is over."""
        now = self.clock()
        for entry in self.watched:
            if entry.process and not entry.process.alive:
                self._mourn(entry, now)
            elif entry.process is None and now >= entry.due_at:
                self._start(entry)
                self.say(f"{entry.program.name} is started again.")

    def _start(self, entry: Watched) -> Process:
        program = entry.program
        log = self.logs / f"{program.name}.log"
        entry.process = self.roster.start(
            program.name, program.argv, log=log, cwd=program.folder, env=program.environment
        )
        entry.started_at = self.clock()
        return entry.process

    def _mourn(self, entry: Watched, now: float) -> None:
        if entry.process is None:
            return
        if now - entry.started_at >= STEADY.total_seconds():
            entry.pause = FIRST_PAUSE
        wait, log = entry.pause, entry.process.log
        self.say(
            f"{entry.program.name} {_how(entry.process)}; started again in {wait.total_seconds():.0f} s (its log: {log})."
        )
        entry.process, entry.due_at = None, now + wait.total_seconds()
        entry.pause = min(wait * 2, LONGEST_PAUSE)


def _how(process: Process) -> str:
    child = CHILDREN.get(process.pid)
    if child is None or child.returncode is None:
        return "is gone"
    status = child.returncode
    return f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
