"""Lines are for people where a terminal shows them; nobody has to say so. Elsewhere they are JSON: see `test_uncaught`."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SAY = """
import django
django.setup()
import structlog
structlog.get_logger().info("said", token="s3cr3t-value")
"""


def test_at_a_terminal_lines_are_for_people(portal_environment: dict[str, str]) -> None:
    reading, writing = pty.openpty()
    variables = os.environ | portal_environment | {"DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", SAY], env=variables, cwd=root, stderr=writing, check=True, timeout=60)
    os.close(writing)
    said = b""
    with suppress(OSError):  # Linux says so at the end of a terminal
        while part := os.read(reading, 4096):
            said += part
    os.close(reading)
    (line,) = said.decode().splitlines()
    assert "\x1b[" in line
    assert "said" in line
    assert "{" not in line
    assert "s3cr3t-value" not in line
