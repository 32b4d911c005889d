"""`python -m bench.streamed COUNT`: carries that many rows in a process of its own and prints its peak memory in MB and its seconds.

The address of the database is read from standard input: it bears a password.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

from apps.batch import create, table

COLUMNS = ("id", "at", "value", "label")


def main(count: int, address: str) -> None:
    """Carry the rows."""
    django.setup()
    start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=1)
    rows = ((n, start + n * step, n * 0.5, f"label {n % 1000}") for n in range(count))
    result = create(table("public.bench_batch", address), rows, columns=COLUMNS, using=address)
    assert result.ok, result.errors
    print(_peak(), result.duration.total_seconds())


def _peak() -> float:
    """Peak memory in MB; `getrusage` would tell the peak of whoever started this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.stdin.read().strip())
