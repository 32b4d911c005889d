"""Starts the portal's own PostgreSQL and Redis before Django reads its settings, and stops them after the last test.

Loaded with `-p tests.plugin`. The lab directory is OPSPORTAL_LAB_DIR or `.lab/test`; what ran there already goes on afterwards if the
directory was named, because then it is somebody's own lab.
"""

import fcntl
import os
from pathlib import Path
from typing import TextIO

import pytest

from apps.lab.tier import Lab

BASE = Path(__file__).resolve().parents[1]
LAB = pytest.StashKey[Lab]()
FOUND = pytest.StashKey[frozenset[str]]()
LOCK = pytest.StashKey[TextIO]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Start the store and point the environment at it."""
    if {"--help", "-h", "--version", "-V"} & set(args):
        return
    named = os.environ.get("OPSPORTAL_LAB_DIR")
    lab = Lab(Path(named) if named else BASE / ".lab" / "test")
    early_config.stash[LOCK] = _claim(lab)
    early_config.stash[LAB] = lab
    early_config.stash[FOUND] = frozenset(lab.servers.roster.living()) if named else frozenset()
    lab.up_store()
    os.environ.update(lab.layout.environment())


def _claim(lab: Lab) -> TextIO:
    lab.directory.mkdir(parents=True, exist_ok=True)
    lock = (lab.directory / "tests.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        message = f"Other tests run in {lab.directory} and would share its database. Wait, or set OPSPORTAL_LAB_DIR to another folder."
        raise pytest.UsageError(message) from None
    return lock


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started for these tests."""
    lab = config.stash.get(LAB, None)
    if lab is not None:
        found = config.stash[FOUND]
        lab.down(keep=found)
        config.stash[LOCK].close()
