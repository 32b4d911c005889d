"""What nobody caught is a line like all others, and tells no secret."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BEGIN = """
import threading, warnings
import django
django.setup()
from apps.telemetry import correlation
correlation.bind("run/1")
"""
FAILING = "raise ValueError('no login at postgresql://u:s3cr3t-value@h/d')"
IN_A_THREAD = f"""
def work():
    {FAILING}
thread = threading.Thread(target=work, name="worker-7")
thread.start()
thread.join()
"""
OF_NOBODY = f"""
class Held:
    def __del__(self):
        {FAILING}
"""
WARNING = "warnings.warn('token=s3cr3t-value is old')"


def run(code: str, environment: dict[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and the lines of a program of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        env=os.environ | environment | {"DJANGO_SETTINGS_MODULE": "opsportal.settings"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "s3cr3t-value" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("code", "status", "event", "level", "fields"),
    [
        (FAILING, 1, "uncaught error", "critical", {}),
        (IN_A_THREAD, 0, "uncaught error in a thread", "critical", {"thread": "worker-7"}),
        (f"{OF_NOBODY}Held()", 0, "uncaught error in clearing up", "error", {"object": "Held.__del__"}),
    ],
    ids=["program", "thread", "clearing up"],
)
def test_an_uncaught_error_is_one_masked_line(
    portal_environment: dict[str, str], code: str, status: int, event: str, level: str, fields: dict[str, str]
) -> None:
    ended, [line] = run(code, portal_environment)
    assert (ended, line["event"], line["level"]) == (status, event, level)
    assert "ValueError: no login at postgresql://[masked]@h/d" in line["exception"]
    assert fields.items() <= line.items()


def test_what_fails_when_the_interpreter_is_half_gone_is_a_line_without_its_message(
    portal_environment: dict[str, str],
) -> None:
    ended, [line] = run(f"{OF_NOBODY}kept = Held()", portal_environment)
    assert (ended, line["event"], line["object"]) == (0, "uncaught error in clearing up", "Held.__del__")
    assert (line["error"], "exception" in line) == ("ValueError", False)


def test_the_error_that_ends_a_program_bears_its_id(portal_environment: dict[str, str]) -> None:
    _ended, [line] = run(FAILING, portal_environment)
    assert line["correlation_id"] == "run/1"


def test_a_warning_is_one_masked_line(portal_environment: dict[str, str]) -> None:
    ended, [line] = run(WARNING, portal_environment)
    assert (ended, line["level"], line["logger"]) == (0, "warning", "py.warnings")
    assert "token=[masked]" in line["event"]
    assert line["correlation_id"] == "run/1"
