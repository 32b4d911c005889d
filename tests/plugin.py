"""Starts the portal's own PostgreSQL and Redis before Django reads its settings, and stops them after the last test.

Loaded with `-p tests.plugin`. The lab directory is OPSPORTAL_LAB_DIR or `.lab/test`; what ran there already goes on afterwards if the
directory was named, because then it is somebody's own lab. Where tests run side by side (`-n 3`, pytest-xdist) each of the processes
has a lab of its own beside it, and one group of tests stays together in one of them: the stories in browsers, and otherwise a file.
"""

import fcntl
import gc
import os
from pathlib import Path
from typing import Any, TextIO

import pytest
from xdist.scheduler import LoadScopeScheduling

from apps.lab import layout as layouts
from apps.lab import postgres
from apps.lab.layout import Node
from apps.lab.tier import Lab

BASE = Path(__file__).resolve().parents[1]
LAB = pytest.StashKey[Lab]()
FOUND = pytest.StashKey[frozenset[str]]()
LOCK = pytest.StashKey[TextIO]()
WORKER, WORKERS = "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"
STORIES = "tests/browser/"
LONGEST = (
    STORIES,
    "tests/lab/test_demo",
    "tests/faults/test_queries",
    "tests/lab/test_faults",
    "tests/lab/test_workload",
    "tests/faults/",
)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Start the store and point the environment at it."""
    if {"--help", "-h", "--version", "-V"} & set(args) or _only_hands_out(early_config):
        return
    named = os.environ.get("OPSPORTAL_LAB_DIR")
    _share_ports()
    lab = Lab(_own(Path(named) if named else BASE / ".lab" / "test"))
    early_config.stash[LOCK] = _claim(lab)
    early_config.stash[LAB] = lab
    early_config.stash[FOUND] = frozenset(lab.servers.roster.living()) if named else frozenset()
    lab.up_store()
    if not named:
        _spare_disk(lab)
    os.environ.update(lab.layout.environment())


def _spare_disk(lab: Lab) -> None:
    """Nobody needs the tests' store after the machine itself failed; databases are made again often, and a slow disk holds each up."""
    with postgres.connect(lab.layout, Node.STORE) as store:
        store.execute("ALTER SYSTEM SET fsync = off")
        store.execute("SELECT pg_reload_conf()")


def _only_hands_out(config: pytest.Config) -> bool:
    """Whether this process runs no test itself but gives them to others."""
    return bool(config.known_args_namespace.numprocesses) and WORKER not in os.environ


def _own(directory: Path) -> Path:
    worker = os.environ.get(WORKER)
    return directory.with_name(f"{directory.name}-{worker}") if worker else directory


def _share_ports() -> None:
    """Each process chooses among ports of its own: one that is free now may be chosen by two and be bound by one of them much later."""
    if WORKER in os.environ:
        every, number = layouts.PORT_RANGE, int(os.environ[WORKER].removeprefix("gw"))
        share = len(every) // int(os.environ[WORKERS])
        first = every.start + number * share
        os.environ[layouts.PORTS] = f"{first}-{first + share - 1}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that take longest, so that nobody waits for them at the end."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays to the end: looking through it for what nobody needs any more is in vain, each time and at the end."""
    gc.collect()
    gc.freeze()


class Together(LoadScopeScheduling):
    """What stays in one process: the stories in browsers, which share a portal; otherwise the tests of a file."""

    def _split_scope(self, nodeid: str) -> str:
        return STORIES if nodeid.startswith(STORIES) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Whatever `--dist` says: tests share servers, so they are handed out in groups."""
    return Together(config, log)


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
