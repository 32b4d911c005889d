"""The supervisor's pauses, on real processes and a clock that the test turns."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.lab.processes import Roster, bare_environment
from apps.lab.supervisor import Program, Supervisor


class Clock:
    """Seconds that pass only when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def supervised(tmp_path: Path) -> tuple[Supervisor, list[str], Clock]:
    said: list[str] = []
    clock = Clock()
    (tmp_path / "run").mkdir()
    return Supervisor(Roster(tmp_path / "run"), tmp_path, said.append, clock), said, clock


def failing(folder: Path) -> Program:
    return Program(
        "worker", [sys.executable, "-c", "import sys; print('no broker'); sys.exit(3)"], bare_environment(), folder
    )


def deaths(supervisor: Supervisor, clock: Clock, until: Callable[..., object], seconds: list[float]) -> None:
    """Let the program die once for each pause, moving the clock on by it."""
    for pause in seconds:
        entry = supervisor.watched[0]
        until(lambda entry=entry: entry.process is None or not entry.process.alive)
        supervisor.look()
        clock.now += pause - 0.1
        supervisor.look()
        assert entry.process is None, "it came back before its pause was over"
        clock.now += 0.2
        supervisor.look()
        assert entry.process is not None


def test_a_program_that_keeps_dying_gets_growing_pauses_up_to_half_a_minute(
    supervised: tuple[Supervisor, list[str], Clock], tmp_path: Path, until: Callable[..., object]
) -> None:
    supervisor, said, clock = supervised
    supervisor.start(failing(tmp_path))
    deaths(supervisor, clock, until, [3, 6, 12, 24, 30, 30])
    assert said[:2] == [
        f"worker ended with exit status 3; started again in 3 s (its log: {tmp_path / 'worker.log'}).",
        "worker is started again.",
    ]
    assert (tmp_path / "worker.log").read_text().splitlines()[0] == "no broker"


def test_one_that_ran_for_a_minute_begins_with_the_first_pause_again(
    supervised: tuple[Supervisor, list[str], Clock], tmp_path: Path, until: Callable[..., object]
) -> None:
    supervisor, said, clock = supervised
    supervisor.start(failing(tmp_path))
    deaths(supervisor, clock, until, [3, 6])
    clock.now += 61
    deaths(supervisor, clock, until, [3])
    assert "in 3 s" in said[-2]
