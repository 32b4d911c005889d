"""From a fresh clone to all that `make demo` or `make test` needs: `python3 -m tools.bootstrap demo|test`.

Says each step, what it found and what it installs. A second time it looks, finds everything and is done within a second.
Standard library only, and no syntax that an old Python cannot read in this file: it has to be able to say "too old".
"""

import os
import shutil
import sys
import time

OLDEST = (3, 11)
OTHERS = ("python3.14", "python3.13", "python3.12", "python3.11")

if sys.version_info < OLDEST:
    newer = [name for name in OTHERS if shutil.which(name)]
    if newer:
        os.execvp(newer[0], [newer[0], "-m", "tools.bootstrap", *sys.argv[1:]])
    sys.exit(
        "Python {}.{} is too old: the portal needs Python 3.11 or newer.\n"
        "Install one and name it: make PYTHON=/path/to/python3 demo".format(*sys.version_info[:2])
    )

import fcntl  # noqa: E402
import importlib.util  # noqa: E402
from pathlib import Path  # noqa: E402

from apps.lab import binaries  # noqa: E402
from tools import installer, virtualenv  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APPLICATIONS = (Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),)
STEPS = 3


def say(step: int, words: str) -> None:
    """Print which step this is and what it found."""
    print(f"[{step}/{STEPS}] {words}", flush=True)


def find_browser() -> Path | None:
    """Chromium for the browser tests: OPSPORTAL_CHROMIUM, or one of the usual names."""
    if override := os.environ.get("OPSPORTAL_CHROMIUM"):
        return Path(override) if Path(override).exists() else None
    on_path = [Path(found) for name in BROWSERS if (found := shutil.which(name))]
    return next(iter([*on_path, *(app for app in APPLICATIONS if app.exists())]), None)


def missing(purpose: str) -> tuple[binaries.Missing, ...]:
    """Everything the system's package manager has to bring for `demo` or `test`."""
    lacking = list(binaries.missing())
    if importlib.util.find_spec("ensurepip") is None:
        minor = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        lacking.insert(0, binaries.Missing("python -m venv", "this Python comes without it", minor, "python@3.13"))
    if purpose == "test" and find_browser() is None:
        lacking.append(binaries.Missing("chromium", "needed by the browser tests", "chromium", "chromium"))
    if purpose == "test" and shutil.which("victoria-metrics") is None:
        reason = "needed by the tests of a store of history"
        lacking.append(binaries.Missing("victoria-metrics", reason, "victoria-metrics", "victoriametrics"))
    if purpose == "test" and binaries.find_shifter() is None:
        lacking.append(binaries.no_shifter())
    if purpose == "test" and (planner := binaries.no_planner()) is not None:
        lacking.append(planner)
    return tuple(lacking)


def install(lacking: tuple[binaries.Missing, ...]) -> None:
    """Install what is missing, or raise InstallError saying what to type."""
    for item in lacking:
        print(f"      {item.program} is missing: {item.reason}", flush=True)
    packages = tuple(item.apt for item in lacking)
    match installer.manager():
        case installer.Apt() as apt:
            apt.install(packages)
        case installer.Brew() as brew:
            brew.install(tuple(item.brew for item in lacking))
        case None:
            raise installer.InstallError(
                "These programs are missing and may not be installed from here (neither root nor sudo without a password).\n"
                f"On Debian or Ubuntu type\n    {installer.typed(packages)}\n"
                f"elsewhere install: {', '.join(item.program for item in lacking)}; then start again."
            )


def programs(purpose: str) -> None:
    """Step 2: the server programs, and a browser for the tests."""
    lacking = missing(purpose)
    if lacking:
        say(2, "Server programs: installing what is missing")
        began = time.monotonic()
        install(lacking)
        importlib.invalidate_caches()
        if further := set(missing(purpose)) - set(
            lacking
        ):  # which of a server's extensions, is known once that server is there
            install(tuple(further))
        if still := missing(purpose):
            raise installer.InstallError(
                "Still missing after installing:\n" + "\n".join(f"    {item}" for item in still)
            )
        print(f"      installed in {time.monotonic() - began:.0f} s", flush=True)
    found = binaries.find()
    names = [
        f"PostgreSQL {found.postgres_version} ({found.postgres})",
        *(
            [f"PostgreSQL {found.watched_version} ({found.watched}) for the tier"]
            if found.watched != found.postgres
            else []
        ),
        f"PgBouncer ({found.pgbouncer})",
        f"Redis {found.redis_version} ({found.redis})",
        *([f"Chromium ({find_browser()})"] if purpose == "test" else []),
    ]
    say(2, ", ".join(names))


def packages() -> None:
    """Step 3: the virtual environment."""
    if virtualenv.fresh():
        say(3, "Virtual environment .venv is as requirements.lock wants it")
        return
    say(3, "Virtual environment .venv: installing the packages of requirements.lock")
    began = time.monotonic()
    used = virtualenv.refresh()
    print(f"      done with {used} in {time.monotonic() - began:.0f} s", flush=True)


def main(arguments: list[str]) -> int:
    """Make ready for `demo` or `test`; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in {"demo", "test"}:
        print("usage: python3 -m tools.bootstrap demo|test", file=sys.stderr)
        return 2
    with virtualenv.LOCK.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # one at a time: `make demo` and `make test` may start together
        say(1, f"Python {sys.version.split()[0]} ({sys.executable})")
        try:
            programs(arguments[0])
            packages()
        except (installer.InstallError, virtualenv.VirtualenvError, binaries.BinariesMissing) as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nStopped. Start again to go on; nothing has to be undone.")
