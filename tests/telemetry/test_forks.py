"""Figures and lines of a process that forks, as gunicorn does with its workers: each says its own, and nothing twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from apps.telemetry import figures, lines, windows

pytestmark = pytest.mark.usefixtures("hand_over")


def test_a_forked_worker_says_its_own_and_not_once_more_what_its_parent_did(settings: Settings) -> None:
    environment = os.environ | {"TELEMETRY_REDIS_URL": settings.TELEMETRY_REDIS_URL}
    subprocess.run(
        [sys.executable, "-m", "tests.telemetry.forking", "3"],
        env=environment, cwd=Path(__file__).parents[2], check=True, timeout=60,
    )  # fmt: skip
    assert figures.overview(windows.HOUR).whole.calls == windows.total() == 6
    said = lines.find(lines.Wanted()).lines
    assert sorted(line.event for line in said) == ["said by the child", "said by the parent"]
    assert len({line.process for line in said}) == 2
