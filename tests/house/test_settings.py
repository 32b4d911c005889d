"""What the portal refuses to be started with."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


def test_no_web_server_serves_with_a_secret_that_anybody_can_read() -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith("OPSPORTAL_SECRET_KEY")}
    run = subprocess.run(
        [sys.executable, "-c", "import opsportal.wsgi"],
        cwd=settings.BASE_DIR,
        env=without,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "OPSPORTAL_SECRET_KEY is not set" in run.stderr


@pytest.mark.parametrize("name", ["bench.bare_settings", "bench.request_settings"])
def test_the_plain_projects_of_the_benchmarks_start(name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
