"""All that can be said of the code without running the portal: `python -m tools.check`, or `make check`.

Runs every check even when one fails, two at a time, and prints what the failing ones say.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MANAGE = (sys.executable, "manage.py")


@dataclass(frozen=True, slots=True)
class Step:
    """One check: its name and the command that exits with 0 when all is well."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check said and how long it took, in seconds."""

    step: Step
    passed: bool
    output: str
    seconds: float


STEPS = (
    Step("types (mypy)", (str(BIN / "mypy"),)),
    Step("style (ruff check)", (str(BIN / "ruff"), "check", "--quiet")),
    Step("format (ruff format)", (str(BIN / "ruff"), "format", "--check", "--quiet")),
    Step("floors (import-linter)", (str(BIN / "lint-imports"), "--no-cache")),
    Step("rooms and modules", (sys.executable, "-m", "tools.house")),
    Step("templates", (sys.executable, "-m", "tools.templates")),
    Step("system checks", (*MANAGE, "check", "--fail-level", "WARNING")),
    # Says what is missing from the models' files alone; it would warn that no database answers, which is not asked here.
    Step(
        "migrations",
        (sys.executable, "-W", "ignore::RuntimeWarning", "manage.py", "makemigrations", "--check", "--dry-run"),
    ),
    Step("playbook", (*MANAGE, "playbook", "check")),
)


def run(step: Step) -> Outcome:
    """Run one check to its end."""
    began = time.monotonic()
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "opsportal.settings", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(step.command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return Outcome(step, done.returncode == 0, (done.stdout + done.stderr).strip(), time.monotonic() - began)


def main() -> int:
    """Run all checks; 1 when any failed."""
    failed = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for outcome in pool.map(run, STEPS):
            print(
                f"{'pass' if outcome.passed else 'FAIL'}  {outcome.step.name:28} {outcome.seconds:5.1f} s", flush=True
            )
            if not outcome.passed:
                failed.append(outcome.step.name)
                print("\n".join(f"      {line}" for line in outcome.output.splitlines()), flush=True)
    if failed:
        print(f"\n{len(failed)} of {len(STEPS)} checks failed: {', '.join(failed)}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
