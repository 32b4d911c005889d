"""The ground the benchmarks stand on: a lab of their own, the portal's store in it, and Django set up on that store."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import httpx

from apps.lab import load
from apps.lab.layout import Node
from apps.lab.tier import Lab
from bench.harness import with_children

ROOT = Path(__file__).resolve().parent.parent
ROWS = 100_000


@contextmanager
def ground() -> Iterator[Lab]:
    """The lab of OPSPORTAL_LAB_DIR (`.lab/bench`) with its store migrated and Django ready; what was started is stopped."""
    lab = Lab(Path(os.environ.setdefault("OPSPORTAL_LAB_DIR", str(ROOT / ".lab" / "bench"))), say=_say)
    found = frozenset(lab.servers.roster.living())
    try:
        lab.up(rows=ROWS)
        os.environ.update(
            lab.layout.environment(), OPSPORTAL_LOG_LEVEL="WARNING", DJANGO_SETTINGS_MODULE="opsportal.settings"
        )
        subprocess.run([sys.executable, "manage.py", "migrate", "--noinput", "-v0"], cwd=ROOT, check=True)
        django.setup()
        yield lab
    finally:
        load.stop(lab.layout)
        lab.down(keep=found)


def store_pids(lab: Lab) -> list[int]:
    """The processes of the portal's own store."""
    process = lab.servers.find(Node.STORE)
    return with_children([process.pid]) if process else []


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def await_answer(url: str, seconds: float = 30) -> None:
    """Wait until something answers HTTP there; raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{url.partition('?')[0]} did not answer within {seconds:.0f} s.")
