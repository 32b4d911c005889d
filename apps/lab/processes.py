"""Processes of the lab: started as an unprivileged user, recognised later by pid and moment of birth, ended for good."""

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")  # where the system has none (macOS), `ps` is asked
PREFERRED_USERS = ("postgres", "nobody")
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
CHILDREN: dict[int, "subprocess.Popen[bytes]"] = {}  # started by this very process, kept to be reaped


class NotStarted(RuntimeError):
    """A server did not come up; the message ends with the last lines of its log."""


def server_user() -> str:
    """The user that servers run as: a bare one when we are root (PostgreSQL and PgBouncer refuse root), else ourselves."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in PREFERRED_USERS if name in known)


def give(path: Path, user: str, mode: int) -> None:
    """Make `user` the owner of a file or folder, with these permission bits."""
    path.chmod(mode)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def write_private(path: Path, text: str, user: str = "") -> None:
    """Write a file only its owner can read, at once or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    if user:
        give(draft, user, 0o600)
    draft.replace(path)


def become(user: str) -> dict[str, object]:
    """Arguments of `subprocess.run` and `Popen` that make the child run as `user`; none are needed unless we are root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def drop_to(user: str) -> None:
    """Give up root for `user` in this process, for good; nothing to do when we are not root."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def bare_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a server inherits: where programs are, no PG… variable of ours, plus `extra`."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "LC_ALL": "C", **(extra or {})}


def _ps(*words: str) -> str:
    return subprocess.run(["ps", *words], capture_output=True, text=True, check=False).stdout


def _status(pid: int) -> tuple[str, str] | None:
    """State letter and moment of birth of a process; None when there is none."""
    if not PROC.exists():
        state, _, born = _ps("-o", "state=,lstart=", "-p", str(pid)).strip().partition(" ")
        return (state[0], born.strip()) if state else None
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    half_dead = fields[0] == "Z" and int(fields[17]) > 1  # its first thread ended; the others hold its ports still
    return "R" if half_dead else fields[0], f"{boot}:{fields[19]}"


def _children(pid: int) -> list[int]:
    if PROC.exists():
        pairs = list(_parents())
    else:
        pairs = [
            (int(child), int(parent)) for child, parent in map(str.split, _ps("-A", "-o", "pid=,ppid=").splitlines())
        ]
    return [child for child, parent in pairs if parent == pid]


def everybody() -> Iterator[Path]:
    """The folders of all processes in `/proc`. A pattern would not do: `glob` looks at each, and fails where one ends meanwhile."""
    return (path for path in PROC.iterdir() if path.name.isdigit())


def _parents() -> Iterator[tuple[int, int]]:
    for path in everybody():
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = (path / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            yield int(path.name), int(fields[1])


def end_strays(folder: Path) -> list[int]:
    """Kill processes that live in a server's data folder without a record: left by a run that was killed. Returns their pids.

    Only the system's `/proc` tells; elsewhere the servers' own lock files refuse a second start.
    """
    return _kill(lambda path: (path / "cwd").readlink() == folder)


def end_unrecorded(*words: str) -> list[int]:
    """The same of clients whose command line ends with these words: who started them was killed before it could write that down."""
    ending = "".join(f"\0{word}" for word in words).encode() + b"\0"
    return _kill(lambda path: (path / "cmdline").read_bytes().endswith(ending))


def _kill(meant: Callable[[Path], bool]) -> list[int]:
    """Kill the processes whose folder in `/proc` is meant. Returns their pids."""
    found = []
    for path in everybody() if PROC.exists() else ():
        with suppress(OSError):
            if meant(path):
                found.append(int(path.name))
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(_lives(pid) for pid in found), 5)
    return found


def _lives(pid: int, born: str = "") -> str:
    """State letter of a process that is not dead, and was born when we think; empty otherwise. Reaps a child of ours."""
    status = _status(pid)
    if status is None or status[0] in "ZX":
        if child := CHILDREN.get(pid):
            child.poll()
        return ""
    return status[0] if born in {"", status[1]} else ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process we started: pid and birth together are never another's, even after the pid was used again."""

    name: str
    pid: int
    born: str
    log: str

    @property
    def state(self) -> str:
        """State letter of the system (`T` is frozen); empty when the process is gone."""
        return _lives(self.pid, self.born)

    @property
    def alive(self) -> bool:
        """Whether it still runs, frozen or not."""
        return bool(self.state)

    @property
    def frozen(self) -> bool:
        """Whether it was stopped by SIGSTOP."""
        return self.state == "T"

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is still there and still ours."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop it and its children in their tracks: sockets stay open, nothing answers."""
        self.send(signal.SIGSTOP)
        for pid in _children(self.pid) if self.alive else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it and its children go on."""
        for pid in _children(self.pid) if self.alive else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.send(signal.SIGCONT)

    def stop(self, ask: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
        """End it: thaw, ask, and after `seconds` kill. Returns when it is gone."""
        self.send(ask)
        self.thaw()
        if not until(lambda: not self.alive, seconds):
            self.send(signal.SIGKILL)
            until(lambda: not self.alive, 5)

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        with suppress(FileNotFoundError):
            return "\n".join(Path(self.log).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


def until(condition: Callable[[], object], seconds: float, pause: float = 0.02) -> bool:
    """Poll `condition` until it holds; False when it did not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


@dataclass(frozen=True, slots=True)
class Roster:
    """The processes of one lab directory, one small file each under `folder`, so that a later process finds them."""

    folder: Path

    def find(self, name: str) -> Process | None:
        """The living process of this name; forgets one that died."""
        path = self.folder / f"{name}.json"
        try:
            process = Process(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        if process.alive:
            return process
        path.unlink(missing_ok=True)
        return None

    def living(self) -> dict[str, Process]:
        """Every living process by name."""
        found = (self.find(path.stem) for path in sorted(self.folder.glob("*.json")))
        return {process.name: process for process in found if process}

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path,
        user: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a program in its own session, its output appended to `log`, and remember it; no password belongs in `argv`."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                [str(word) for word in argv],
                cwd=cwd,
                env=dict(env) if env is not None else bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(become(user) if user else {}),  # type: ignore[call-overload]
            )
        CHILDREN[child.pid] = child
        status = _status(child.pid)
        process = Process(name, child.pid, status[1] if status else "", str(log))
        write_private(self.folder / f"{name}.json", json.dumps(asdict(process)))
        return process

    def await_ready(self, process: Process, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until a started server answers; raises NotStarted with the end of its log when it dies or stays silent."""
        if until(lambda: not process.alive or ready(), seconds) and process.alive:
            return
        what = "ended at once" if not process.alive else f"did not answer within {seconds:.0f} s"
        raise NotStarted(f"{process.name} {what}. Its log, {process.log}, ends with:\n{process.tail()}")

    def stop(self, name: str, ask: signal.Signals = signal.SIGTERM, seconds: float = 10) -> bool:
        """Stop the process of this name; False when none was running."""
        process = self.find(name)
        if process:
            process.stop(ask, seconds)
            (self.folder / f"{name}.json").unlink(missing_ok=True)
        return process is not None
