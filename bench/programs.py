"""What only the benchmarks need: `wrk`, Prometheus, VictoriaMetrics and exporters of Debian; others in an environment of its own."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools import installer

ROOT = Path(__file__).resolve().parent.parent
LOCK = Path(__file__).with_name("requirements.lock")
VENV = ROOT / ".bench-venv"
PGBOUNCER_EXPORTER = VENV / "bin" / "pgbouncer-exporter"
PACKAGES = {
    "wrk": "wrk",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus": "prometheus",
    "victoria-metrics": "victoria-metrics",
}


def bring() -> None:
    """Install what is missing; raises InstallError saying what to type where that may not be done from here."""
    missing = tuple(package for program, package in PACKAGES.items() if shutil.which(program) is None)
    if missing:
        manager = installer.manager()
        if not isinstance(manager, installer.Apt):
            raise installer.InstallError(f"The benchmarks need {', '.join(missing)}:\n    {installer.typed(missing)}")
        print(f"Installing {', '.join(missing)}.", flush=True)
        manager.install(missing)
    _environment()


def _environment() -> None:
    """`.bench-venv` as the lock wants it. The exporter names a psycopg2 that cannot be built any more, hence no dependencies."""
    stamp, wanted = VENV / ".stamp", hashlib.sha256(sys.version.encode() + LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    print("Making .bench-venv for the peers.", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    pip: list[str | Path] = [
        VENV / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "-r",
        LOCK,
    ]
    subprocess.run(pip, check=True)
    stamp.write_text(wanted, encoding="ascii")


@contextmanager
def running(argv: list[str | Path], log: Path, environment: Mapping[str, str], cpu: int | None = None) -> Iterator[int]:
    """A program in the background, its output in `log`, ended on leaving; its pid. `cpu`: the only core it may use."""
    pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*pinned, *argv],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
