"""A process that is copied while a background thread works: the copy can do all that the first one can."""

import subprocess
import sys
from pathlib import Path

import pytest

from apps.telemetry import forking, outbox

SLOW = """import threading, time
here.set()
time.sleep(0.5)
"""
FORK = """
import builtins, os, signal, sys, threading
import django
django.setup()
from apps.telemetry.outbox import Outbox
builtins.here = threading.Event()
sending = Outbox()
sending.register(lambda client: __import__("slow_module"), 0)
sending.start()
assert builtins.here.wait(20), "its thread is in the middle of an import"
child = os.fork()
if not child:
    signal.alarm(10)
    import slow_module
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "it could not import what the other was importing"
assert sending.flush(), "the first process goes on"
"""


def test_a_fork_waits_for_what_a_thread_of_ours_is_doing(tmp_path: Path) -> None:
    (tmp_path / "slow_module.py").write_text(SLOW)
    path = f"{tmp_path}:{Path.cwd()}"
    environment = {"DJANGO_SETTINGS_MODULE": "opsportal.settings", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", FORK], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "PATIENCE_SECONDS", 0.01)
    with outbox.outbox._calls:
        subprocess.run([sys.executable, "-c", ""], check=True, preexec_fn=lambda: None)
